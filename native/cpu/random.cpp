// Kernels of ops/random.h. A vector holds one counter per lane; ten rounds of Philox give four vectors of words, which
// are interleaved on the way to memory, so the numbers are those of Philox::at on every target.
#include "ops/random.h"

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/random.cpp"
#include "cpu/simd.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

using U = hn::RebindToUnsigned<D>;
using Words = hn::Vec<U>;

#if HWY_TARGET == HWY_SCALAR

void Draw(uint64_t key, uint64_t counter, Words w[4]) {
  const Philox p = Philox::at(key, counter);
  for (int i = 0; i < 4; i++) w[i] = hn::Set(U(), p.v[i]);
}

#else

/** The upper and lower halves of the 64-bit products a * m. */
HWY_INLINE void MulWide(Words a, Words m, Words& high, Words& low) {
  const U u;
  const hn::RepartitionToWide<U> wide;
  const auto even = hn::MulEven(a, m);
  const auto odd = hn::MulEven(hn::BitCast(u, hn::ShiftRight<32>(hn::BitCast(wide, a))), m);
  low = hn::OddEven(hn::BitCast(u, hn::ShiftLeft<32>(odd)), hn::BitCast(u, even));
  high = hn::OddEven(hn::BitCast(u, odd), hn::BitCast(u, hn::ShiftRight<32>(even)));
}

/** Philox::at(key, counter + lane). */
HWY_INLINE void Draw(uint64_t key, uint64_t counter, Words w[4]) {
  const U u;
  const Words first = hn::Set(u, uint32_t(counter)), one = hn::Set(u, 1);
  Words c0 = hn::Add(first, hn::Iota(u, 0u));
  Words c1 = hn::Set(u, uint32_t(counter >> 32));
  c1 = hn::IfThenElse(hn::Lt(c0, first), hn::Add(c1, one), c1);
  Words c2 = hn::Zero(u), c3 = hn::Zero(u);
  const Words m0 = hn::Set(u, 0xD2511F53u), m1 = hn::Set(u, 0xCD9E8D57u);
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; round++) {
    Words high0, low0, high1, low1;
    MulWide(c0, m0, high0, low0);
    MulWide(c2, m1, high1, low1);
    c0 = hn::Xor(hn::Xor(high1, c1), hn::Set(u, k0));
    c2 = hn::Xor(hn::Xor(high0, c3), hn::Set(u, k1));
    c1 = low1;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  w[0] = c0;
  w[1] = c1;
  w[2] = c2;
  w[3] = c3;
}

#endif

HWY_INLINE V ToFloat(Words w) { return hn::ConvertTo(D(), hn::BitCast(hn::RebindToSigned<D>(), w)); }

/** uniform01 of philox.h. */
HWY_INLINE V Uniform01(Words w) { return hn::Mul(ToFloat(hn::ShiftRight<8>(w)), vm::Constant(0x1p-24f)); }

struct UniformMap {
  V lo, range, below;
  HWY_INLINE void operator()(const Words w[4], V v[4]) const {
    // lo + range * u may round up to hi.
    for (int i = 0; i < 4; i++) v[i] = hn::Min(hn::Add(hn::Mul(Uniform01(w[i]), range), lo), below);
  }
};

struct NormalMap {
  V mean, deviation;
  HWY_INLINE void operator()(const Words w[4], V v[4]) const {
    const D d;
    for (int i = 0; i < 4; i += 2) {
      const V open = hn::Add(Uniform01(w[i]), vm::Constant(0x1p-24f));  // in (0, 1]
      const V radius = hn::Mul(hn::Sqrt(hn::Mul(hn::Log(d, open), vm::Constant(-2.0f))), deviation);
      const V angle = hn::Mul(Uniform01(w[i + 1]), vm::Constant(6.28318530717958648f));
      v[i] = hn::Add(hn::Mul(radius, hn::Cos(d, angle)), mean);
      v[i + 1] = hn::Add(hn::Mul(radius, hn::Sin(d, angle)), mean);
    }
  }
};

struct BernoulliMap {
  V probability, value;
  HWY_INLINE void operator()(const Words w[4], V v[4]) const {
    for (int i = 0; i < 4; i++) v[i] = hn::IfThenElseZero(hn::Lt(Uniform01(w[i]), probability), value);
  }
};

struct GumbelMap {
  V location, scale;
  HWY_INLINE void operator()(const Words w[4], V v[4]) const {
    const D d;
    for (int i = 0; i < 4; i++) {
      // Taken as -log(1 - v), v = 1 - u half a step above the grid: the digits are where the noise is largest.
      const V v0 = hn::Min(hn::Add(Uniform01(w[i]), vm::Constant(0x1p-25f)), vm::Constant(1 - 0x1p-24f));
      v[i] = hn::NegMulAdd(scale, hn::Log(d, hn::Neg(vm::Log1p(hn::Neg(v0)))), location);
    }
  }
};

/** y[0, n) from the counters that start at `counter`. */
template <class Map>
HWY_INLINE void Generate(const Map& map, uint64_t key, uint64_t counter, float* HWY_RESTRICT y, int64_t n) {
  const D d;
  for (int64_t i = 0; i < n; i += 4 * kLanes, counter += uint64_t(kLanes)) {
    Words w[4];
    V v[4];
    Draw(key, counter, w);
    map(w, v);
    if (i + 4 * kLanes <= n) {
      hn::StoreInterleaved4(v[0], v[1], v[2], v[3], d, y + i);
    } else {
      HWY_ALIGN float last[4 * kLanes];
      hn::StoreInterleaved4(v[0], v[1], v[2], v[3], d, last);
      std::copy(last, last + (n - i), y + i);
    }
  }
}

void Uniform(uint64_t key, uint64_t counter, float lo, float hi, float* y, int64_t n) {
  const float below = lo < hi ? std::nextafter(hi, lo) : lo;
  Generate(UniformMap{vm::Constant(lo), vm::Constant(hi - lo), vm::Constant(below)}, key, counter, y, n);
}

void Normal(uint64_t key, uint64_t counter, float mean, float deviation, float* y, int64_t n) {
  Generate(NormalMap{vm::Constant(mean), vm::Constant(deviation)}, key, counter, y, n);
}

void Bernoulli(uint64_t key, uint64_t counter, float p, float value, float* y, int64_t n) {
  Generate(BernoulliMap{vm::Constant(p), vm::Constant(value)}, key, counter, y, n);
}

void Gumbel(uint64_t key, uint64_t counter, float location, float scale, float* y, int64_t n) {
  Generate(GumbelMap{vm::Constant(location), vm::Constant(scale)}, key, counter, y, n);
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(Uniform);
HWY_EXPORT(Normal);
HWY_EXPORT(Bernoulli);
HWY_EXPORT(Gumbel);

namespace {

constexpr int64_t kGrain = 16384;  // a multiple of 4: each piece begins with a fresh counter

template <class Kernel>
void generate(const Call& call, Kernel kernel) {
  const ops::RandomArgs args(call);
  float* const y = call.out[0].data<float>();
  parallelRange(call.out[0].size(), kGrain, [&, y](int64_t begin, int64_t end) {
    kernel(args.key, args.counter + uint64_t(begin / 4), args.a, args.b, y + begin, end - begin);
  });
}

}  // namespace

namespace run {
void uniform(const Call& call) { generate(call, HWY_DYNAMIC_DISPATCH(Uniform)); }
void normal(const Call& call) { generate(call, HWY_DYNAMIC_DISPATCH(Normal)); }
void bernoulli(const Call& call) { generate(call, HWY_DYNAMIC_DISPATCH(Bernoulli)); }
void gumbel(const Call& call) { generate(call, HWY_DYNAMIC_DISPATCH(Gumbel)); }
}  // namespace run
}  // namespace gv::cpu
#endif
