// Kernels of the ops of ops/activation.h. Everything about the normal distribution comes from one exponential:
// erfc(z) = exp(-z^2) t P(t), t = 1 / (1 + 0.42 z), for z >= 0, with P a polynomial fitted for the least relative
// error on [0, 10.5] (3e-9 before rounding), so that the tail keeps its digits.
#include "ops/activation.h"

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/activation.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

using vm::Constant;

/** erfc(z) for z >= 0; `e` is exp(-z^2). */
HWY_INLINE V Erfc(V z, V e) {
  // Beyond 11 the result is 0 whatever t is.
  const V t = vm::Quotient(Constant(1.0f), hn::MulAdd(hn::Min(z, Constant(100.0f)), Constant(0.42f), Constant(1.0f)));
  V p = Constant(-0.04077916592f);
  p = hn::MulAdd(p, t, Constant(0.22883588076f));
  p = hn::MulAdd(p, t, Constant(-0.48242589831f));
  p = hn::MulAdd(p, t, Constant(0.43176352978f));
  p = hn::MulAdd(p, t, Constant(-0.19304488599f));
  p = hn::MulAdd(p, t, Constant(0.21153764427f));
  p = hn::MulAdd(p, t, Constant(0.15076443553f));
  p = hn::MulAdd(p, t, Constant(0.21974684298f));
  p = hn::MulAdd(p, t, Constant(0.23662911355f));
  p = hn::MulAdd(p, t, Constant(0.23697249592f));
  return hn::Mul(hn::Mul(e, t), p);
}

HWY_INLINE V Erf(V x) {
  const V z = hn::Abs(x), q = hn::Mul(x, x);
  // Near zero 1 - erfc would lose digits: the series of erf up to x^11.
  V series = Constant(-1.0f / 1320);
  series = hn::MulAdd(series, q, Constant(1.0f / 216));
  series = hn::MulAdd(series, q, Constant(-1.0f / 42));
  series = hn::MulAdd(series, q, Constant(1.0f / 10));
  series = hn::MulAdd(series, q, Constant(-1.0f / 3));
  series = hn::Mul(hn::MulAdd(series, q, Constant(1.0f)), hn::Mul(x, Constant(1.12837916709551f)));
  const V far = hn::CopySign(hn::Sub(Constant(1.0f), Erfc(z, vm::Exp(hn::Neg(q)))), x);
  return hn::IfThenElse(hn::Lt(z, Constant(0.5f)), series, far);
}

/** Phi(x), the normal distribution; `e` is exp(-x^2 / 2). */
HWY_INLINE V NormalCdf(V x, V e) {
  const V tail = hn::Mul(Constant(0.5f), Erfc(hn::Mul(hn::Abs(x), Constant(0.70710678118655f)), e));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(D())), tail, hn::Sub(Constant(1.0f), tail));
}

HWY_INLINE V HalfSquareExp(V x) { return vm::Exp(hn::Mul(hn::Mul(x, x), Constant(-0.5f))); }

constexpr float kRootTwoOverPi = 0.79788456080287f, kCubic = 0.044715f;

/** The argument of GELU's tanh. */
HWY_INLINE V TanhArgument(V x) {
  return hn::Mul(hn::Mul(x, Constant(kRootTwoOverPi)), hn::MulAdd(hn::Mul(x, x), Constant(kCubic), Constant(1.0f)));
}

// clang-format off
struct ErfF { HWY_INLINE V operator()(V x, const float*) const { return Erf(x); } };
struct GeluF { HWY_INLINE V operator()(V x, const float*) const { return hn::Mul(x, NormalCdf(x, HalfSquareExp(x))); } };
struct SiluF { HWY_INLINE V operator()(V x, const float*) const { return hn::Mul(x, vm::Sigmoid(x)); } };
// clang-format on
struct GeluTanhF {
  HWY_INLINE V operator()(V x, const float*) const {
    const V half = hn::Mul(x, Constant(0.5f));
    return hn::MulAdd(half, vm::Tanh(TanhArgument(x)), half);
  }
};
struct EluF {
  HWY_INLINE V operator()(V x, const float* p) const {
    const V below = hn::Mul(vm::Expm1(hn::Mul(x, Constant(p[2]))), Constant(p[0]));
    return hn::Mul(hn::IfThenElse(hn::Gt(x, hn::Zero(D())), x, below), Constant(p[1]));
  }
};

struct GeluSlope {
  HWY_INLINE V operator()(V x, const float*) const {
    const V e = HalfSquareExp(x);
    // x phi(x) is 0, not NaN, where x is infinite.
    const V density = hn::IfThenElseZero(hn::Gt(e, hn::Zero(D())), hn::Mul(hn::Mul(x, e), Constant(0.39894228040143f)));
    return vm::KeepNaN(x, hn::Add(NormalCdf(x, e), density));
  }
};
struct GeluTanhSlope {
  HWY_INLINE V operator()(V x, const float*) const {
    const V one = Constant(1.0f), half = Constant(0.5f);
    const V t = vm::Tanh(TanhArgument(x));
    const V rise = hn::Mul(Constant(kRootTwoOverPi), hn::MulAdd(hn::Mul(x, x), Constant(3 * kCubic), one));
    const V flat = hn::NegMulAdd(t, t, one);
    const V steep = hn::IfThenElseZero(hn::Gt(flat, hn::Zero(D())), hn::Mul(hn::Mul(x, flat), rise));
    return vm::KeepNaN(x, hn::Mul(half, hn::Add(hn::Add(one, t), steep)));
  }
};
struct SiluSlope {
  HWY_INLINE V operator()(V x, const float*) const {
    const V s = vm::Sigmoid(x), one = Constant(1.0f), away = hn::Sub(one, s);
    const V finite = hn::IfThenElseZero(hn::Lt(hn::Abs(x), Constant(1e30f)), hn::Mul(x, away));
    return vm::KeepNaN(x, hn::Mul(s, hn::Add(one, finite)));
  }
};
struct EluSlope {
  HWY_INLINE V operator()(V x, const float* p) const {
    const V below = hn::Mul(vm::Exp(hn::Mul(x, Constant(p[2]))), Constant(p[0] * p[2]));
    return hn::Mul(hn::IfThenElse(hn::Gt(x, hn::Zero(D())), Constant(1.0f), below), Constant(p[1]));
  }
};

template <class F>
void ActMap(const float* x, float* y, int64_t n, const float* p) {
  const F f;
  overLanes(n, [&](int64_t i, auto io) HWY_ATTR { io.store(f(io.load(x + i), p), y + i); });
}

template <class F>
void ActMapGrad(const float* gy, const float* x, float* gx, int64_t n, const float* p) {
  const F f;
  overLanes(n, [&](int64_t i, auto io) HWY_ATTR {
    io.store(hn::Mul(io.load(gy + i), f(io.load(x + i), p)), gx + i);
  });
}

/** `value` where x > 0, else a `value`: rows of `channels`, or one slope for all where channels = 0. */
void PreluRows(const float* value, const float* x, const float* a, float* y, int64_t n, int64_t channels) {
  const V zero = hn::Zero(D());
  if (channels == 0) {
    const V slope = Constant(a[0]);
    overLanes(n, [&](int64_t i, auto io) HWY_ATTR {
      const V v = io.load(value + i);
      io.store(hn::IfThenElse(hn::Gt(io.load(x + i), zero), v, hn::Mul(v, slope)), y + i);
    });
    return;
  }
  for (int64_t at = 0; at < n; at += channels)
    overLanes(channels, [&](int64_t i, auto io) HWY_ATTR {
      const V v = io.load(value + at + i), slope = io.load(a + i);
      io.store(hn::IfThenElse(hn::Gt(io.load(x + at + i), zero), v, hn::Mul(v, slope)), y + at + i);
    });
}

void GluPiece(const float* u, const float* v, float* y, int64_t n) {
  overLanes(n, [&](int64_t i, auto io) HWY_ATTR {
    io.store(hn::Mul(io.load(u + i), vm::Sigmoid(io.load(v + i))), y + i);
  });
}

void GluGradPiece(const float* gy, const float* u, const float* v, float* gu, float* gv, int64_t n) {
  overLanes(n, [&](int64_t i, auto io) HWY_ATTR {
    const V g = io.load(gy + i), s = vm::Sigmoid(io.load(v + i));
    const V gs = hn::Mul(g, s);
    io.store(gs, gu + i);
    io.store(hn::Mul(hn::Mul(gs, hn::Sub(Constant(1.0f), s)), io.load(u + i)), gv + i);
  });
}

// One-line functions that dispatch can name.
// clang-format off
void ErfMap(const float* x, float* y, int64_t n, const float* p) { ActMap<ErfF>(x, y, n, p); }
void SiluMap(const float* x, float* y, int64_t n, const float* p) { ActMap<SiluF>(x, y, n, p); }
void GeluMap(const float* x, float* y, int64_t n, const float* p) { p[0] != 0 ? ActMap<GeluTanhF>(x, y, n, p) : ActMap<GeluF>(x, y, n, p); }
void EluMap(const float* x, float* y, int64_t n, const float* p) { ActMap<EluF>(x, y, n, p); }
void SiluGradMap(const float* g, const float* x, float* y, int64_t n, const float* p) { ActMapGrad<SiluSlope>(g, x, y, n, p); }
void GeluGradMap(const float* g, const float* x, float* y, int64_t n, const float* p) { p[0] != 0 ? ActMapGrad<GeluTanhSlope>(g, x, y, n, p) : ActMapGrad<GeluSlope>(g, x, y, n, p); }
void EluGradMap(const float* g, const float* x, float* y, int64_t n, const float* p) { ActMapGrad<EluSlope>(g, x, y, n, p); }
// clang-format on

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ErfMap);
HWY_EXPORT(SiluMap);
HWY_EXPORT(GeluMap);
HWY_EXPORT(EluMap);
HWY_EXPORT(SiluGradMap);
HWY_EXPORT(GeluGradMap);
HWY_EXPORT(EluGradMap);
HWY_EXPORT(PreluRows);
HWY_EXPORT(GluPiece);
HWY_EXPORT(GluGradPiece);

namespace {

constexpr int64_t kActGrain = 16384;

struct Parameters {
  float p[3] = {};
  explicit Parameters(const Call& call) {
    for (size_t k = 0; k < call.attrs.size() && k < 3; k++) p[k] = float(call.number(k));
  }
};

template <class Kernel>
void mapOne(const Call& call, Kernel kernel) {
  const Parameters q(call);
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  parallelRange(call.out[0].size(), kActGrain, [&](int64_t b, int64_t e) { kernel(x + b, y + b, e - b, q.p); });
}

template <class Kernel>
void mapTwo(const Call& call, Kernel kernel) {
  const Parameters q(call);
  const float *const gy = call.in[0].data<float>(), *const x = call.in[1].data<float>();
  float* const gx = call.out[0].data<float>();
  parallelRange(call.out[0].size(), kActGrain,
                [&](int64_t b, int64_t e) { kernel(gy + b, x + b, gx + b, e - b, q.p); });
}

void preluRows(const Call& call, const Tensor& value, const Tensor& x, const Tensor& slopes) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(PreluRows);
  if (x.size() == 0) return;
  const float *const v = value.data<float>(), *const p = x.data<float>(), *const a = slopes.data<float>();
  float* const y = call.out[0].data<float>();
  const int64_t channels = slopes.size() == 1 ? 0 : slopes.size(), row = std::max<int64_t>(1, channels);
  parallelRange(x.size() / row, std::max<int64_t>(1, kActGrain / row), [&](int64_t begin, int64_t end) {
    const int64_t at = begin * row;
    kernel(v + at, p + at, a, y + at, (end - begin) * row, channels);
  });
}

/** Calls f(at, from, count) for each contiguous piece of a half: `at` in the half, `from` in x, m elements before the other half. */
template <class F>
void eachPiece(const Call& call, const Tensor& x, const F& f) {
  if (x.size() == 0) return;
  const int axis = int(call.integer(0));
  const int64_t m = x.shape.count(axis, x.shape.rank()) / 2, outer = x.shape.count(0, axis);
  const int64_t pieces = (m - 1) / kActGrain + 1;
  parallelRange(outer * pieces, kActGrain / std::min(m, kActGrain), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const int64_t row = k / pieces, column = k % pieces * kActGrain;
      f(row * m + column, 2 * row * m + column, std::min(kActGrain, m - column), m);
    }
  });
}

}  // namespace

namespace run {
void erf(const Call& call) { mapOne(call, HWY_DYNAMIC_DISPATCH(ErfMap)); }
void silu(const Call& call) { mapOne(call, HWY_DYNAMIC_DISPATCH(SiluMap)); }
void gelu(const Call& call) { mapOne(call, HWY_DYNAMIC_DISPATCH(GeluMap)); }
void elu(const Call& call) { mapOne(call, HWY_DYNAMIC_DISPATCH(EluMap)); }
void siluGrad(const Call& call) { mapTwo(call, HWY_DYNAMIC_DISPATCH(SiluGradMap)); }
void geluGrad(const Call& call) { mapTwo(call, HWY_DYNAMIC_DISPATCH(GeluGradMap)); }
void eluGrad(const Call& call) { mapTwo(call, HWY_DYNAMIC_DISPATCH(EluGradMap)); }
void prelu(const Call& call) { preluRows(call, call.in[0], call.in[0], call.in[1]); }
void preluGrad(const Call& call) { preluRows(call, call.in[0], call.in[1], call.in[2]); }

void glu(const Call& call) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(GluPiece);
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  eachPiece(call, call.in[0], [=](int64_t at, int64_t from, int64_t n, int64_t m) {
    kernel(x + from, x + from + m, y + at, n);
  });
}

void gluGrad(const Call& call) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(GluGradPiece);
  const float *const gy = call.in[0].data<float>(), *const x = call.in[1].data<float>();
  float* const gx = call.out[0].data<float>();
  eachPiece(call, call.in[1], [=](int64_t at, int64_t from, int64_t n, int64_t m) {
    kernel(gy + at, x + from, x + from + m, gx + from, gx + from + m, n);
  });
}
}  // namespace run
}  // namespace gv::cpu
#endif
