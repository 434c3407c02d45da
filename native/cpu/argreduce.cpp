// Kernels of ops/reduce.h: argmax, argmin. Along a contiguous row the extreme value is found first, then its place;
// across rows the best value and its index are carried for a tile of columns.
#include "cpu/pool.h"
#include "ops/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/argreduce.cpp"
#include "cpu/simd.h"
#include "cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

// Where in [reduce, inner] the extreme of each of `width` columns lies.
using Kernel = void (*)(const void* x, int64_t reduce, int64_t inner, int64_t width, int32_t* y);

constexpr int64_t kTile = 256;

template <class F, bool kMax>
void Find(const void* data, int64_t reduce, int64_t inner, int64_t width, int32_t* HWY_RESTRICT y) {
  using T = typename F::Value;
  const T* x = static_cast<const T*>(data);
  if (inner == 1) {
    const T best = FoldRow<F>(x, reduce);
    int64_t i = 0;
    if (best == best)
      while (x[i] != best) i++;
    else
      while (x[i] == x[i]) i++;
    y[0] = int32_t(i);
    return;
  }
  T best[kTile];
  for (int64_t c = 0; c < width; c++) {
    best[c] = x[c];
    y[c] = 0;
  }
  for (int64_t r = 1; r < reduce; r++) {
    x += inner;
    for (int64_t c = 0; c < width; c++) {
      const bool beyond = kMax ? x[c] > best[c] : x[c] < best[c];
      const bool better = beyond | ((x[c] != x[c]) & (best[c] == best[c]));
      best[c] = better ? x[c] : best[c];
      y[c] = better ? int32_t(r) : y[c];
    }
  }
}

template <bool kMax, class T>
using Extreme = std::conditional_t<kMax, MaxFold<T>, MinFold<T>>;

template <bool kMax>
Kernel PickType(DType t) {
  return t == DType::F32   ? Find<Extreme<kMax, float>, kMax>
         : t == DType::I32 ? Find<Extreme<kMax, int32_t>, kMax>
                           : Find<Extreme<kMax, uint8_t>, kMax>;
}

Kernel PickFind(bool max, DType t) { return max ? PickType<true>(t) : PickType<false>(t); }

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickFind);

namespace {

void argReduce(const Call& call, bool max) {
  const ops::ArgReduceArgs args(call);
  const Tensor& in = call.in[0];
  if (in.size() == 0) return;
  const Shape& s = in.shape;
  const int64_t outer = s.count(0, args.axis), reduce = s[args.axis], inner = s.count(args.axis + 1, s.rank());
  const int64_t tile = std::min<int64_t>(inner, HWY_NAMESPACE::kTile), tiles = (inner + tile - 1) / tile;
  const auto kernel = HWY_DYNAMIC_DISPATCH(PickFind)(max, in.dtype);
  const char* const x = in.data<char>();
  int32_t* const y = call.out[0].data<int32_t>();
  const int64_t item = int64_t(itemSize(in.dtype));
  parallelRange(outer * tiles, std::max<int64_t>(1, 16384 / (reduce * tile)), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t o = task / tiles, c = task % tiles * tile;
      kernel(x + (o * reduce * inner + c) * item, reduce, inner, std::min(tile, inner - c), y + o * inner + c);
    }
  });
}

}  // namespace

namespace run {
void argmax(const Call& call) { argReduce(call, true); }
void argmin(const Call& call) { argReduce(call, false); }
}  // namespace run
}  // namespace gv::cpu
#endif
