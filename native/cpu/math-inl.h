// Elementary functions on f32 vectors, right on the whole real line, at infinities and for NaN (included after simd.h,
// compiled per target). Logarithms, sines and expm1 are Highway's (hwy/contrib/math, 1 to 4 ulp) and what lies outside
// their ranges; the exponential and what is made of it, which activations live on, are shorter here.
// Qualify the names (vm::Exp): Highway's own would be found beside them.
#if defined(GANVAS_CPU_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GANVAS_CPU_MATH_INL_H
#undef GANVAS_CPU_MATH_INL_H
#else
#define GANVAS_CPU_MATH_INL_H
#endif

#include <cmath>
#include <limits>

#include "cpu/simd-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE::vm {

HWY_INLINE V Constant(float c) { return hn::Set(D(), c); }

/** y where x is a number, x where it is NaN. */
HWY_INLINE V KeepNaN(V x, V y) { return hn::IfThenElse(hn::Eq(x, x), y, x); }

/** a / b to 0.6 ulp, for b between 2^-100 and 2^100 and a finite; the processor's own division takes thrice as long. */
HWY_INLINE V Quotient(V a, V b) {
#if HWY_TARGET == HWY_AVX3
  // The approximation has 14 bits, so the quotient corrected once by what it leaves has 28.
  const V reciprocal = hn::ApproximateReciprocal(b), q = hn::Mul(a, reciprocal);
  return hn::MulAdd(hn::NegMulAdd(b, q, a), reciprocal, q);
#else
  return hn::Div(a, b);
#endif
}

/** p 2^n for p in [1/2, 2] and whole n in [-151, 129], down to the subnormals. */
HWY_INLINE V ScaleByPower(V p, V n) {
#if HWY_TARGET == HWY_AVX3
  return V{_mm512_scalef_ps(p.raw, n.raw)};
#else
  const hn::RebindToSigned<D> di;
  const auto whole = hn::NearestInt(n), half = hn::ShiftRight<1>(whole), bias = hn::Set(di, 127);
  const V first = hn::BitCast(D(), hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V second = hn::BitCast(D(), hn::ShiftLeft<23>(hn::Add(hn::Sub(whole, half), bias)));
  return hn::Mul(hn::Mul(p, first), second);
#endif
}

/**
 * e^x, without the NaN test: a NaN may come back as a number. x = n log 2 + r with |r| <= log 2 / 2, and e^r by the
 * polynomial of Cephes (expf, S. Moshier): below 1 ulp.
 */
HWY_INLINE V ExpOfNumber(V x) {
  // e^-104 is 0 and e^89 is infinite in f32.
  const V bounded = hn::Max(hn::Min(x, Constant(89.0f)), Constant(-104.0f));
  const V rounder = Constant(0x1.8p23f);  // what is added to it loses its fraction
  const V n = hn::Sub(hn::MulAdd(bounded, Constant(1.44269504088896f), rounder), rounder);
  V r = hn::NegMulAdd(n, Constant(0.693359375f), bounded);
  r = hn::MulAdd(n, Constant(2.12194440e-4f), r);
  V p = hn::MulAdd(Constant(1.9875691500e-4f), r, Constant(1.3981999507e-3f));
  p = hn::MulAdd(p, r, Constant(8.3334519073e-3f));
  p = hn::MulAdd(p, r, Constant(4.1665795894e-2f));
  p = hn::MulAdd(p, r, Constant(1.6666665459e-1f));
  p = hn::MulAdd(p, r, Constant(5.0000001201e-1f));
  return ScaleByPower(hn::Add(hn::MulAdd(p, hn::Mul(r, r), r), Constant(1.0f)), n);
}

HWY_INLINE V Exp(V x) { return KeepNaN(x, ExpOfNumber(x)); }

HWY_INLINE V Expm1(V x) {
  const V y = hn::Expm1(D(), hn::Min(x, Constant(89.0f)));
  // A zero keeps its sign; NaN stays.
  return hn::IfThenElse(hn::Eq(x, hn::Zero(D())), x, KeepNaN(x, y));
}

HWY_INLINE V Log(V x) {
  const V zero = hn::Zero(D());
  const V inf = Constant(std::numeric_limits<float>::infinity());
  V y = hn::Log(D(), x);
  y = hn::IfThenElse(hn::Lt(x, inf), y, x);  // inf and NaN
  y = hn::IfThenElse(hn::Eq(x, zero), hn::Neg(inf), y);
  return hn::IfThenElse(hn::Lt(x, zero), Constant(std::numeric_limits<float>::quiet_NaN()), y);
}

/** log(1 + x) = log(u) + (x - (u - 1)) / u with u = 1 + x rounded (Higham, Accuracy and Stability, 1.14.1). */
HWY_INLINE V Log1p(V x) {
  const V one = Constant(1.0f);
  const V u = hn::Add(one, x);
  // Below 2^-12 the two-term series is exact to rounding, and keeps the sign of zero.
  const V series = hn::MulAdd(hn::Mul(x, Constant(-0.5f)), x, x);
  const V rest = hn::Sub(x, hn::Sub(u, one));
  const auto finite = hn::And(hn::Gt(u, hn::Zero(D())), hn::Lt(u, Constant(1e30f)));
  const V y = hn::Add(Log(u), hn::IfThenElseZero(finite, hn::Div(rest, u)));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), Constant(0x1p-12f)), series, y);
}

/** 1 - 2 / (e^2|x| + 1); near zero, where that loses digits, the polynomial of Cephes (tanhf). Below 2 ulp. */
HWY_INLINE V Tanh(V x) {
  const V magnitude = hn::Abs(x), one = Constant(1.0f);
  const V bounded = hn::Min(magnitude, Constant(10.0f));  // tanh(10) rounds to 1
  const V e = ExpOfNumber(hn::Add(bounded, bounded));
  const V far = hn::Sub(one, Quotient(Constant(2.0f), hn::Add(e, one)));
  const V q = hn::Mul(x, x);
  V p = hn::MulAdd(Constant(-5.70498872745e-3f), q, Constant(2.06390887954e-2f));
  p = hn::MulAdd(p, q, Constant(-5.37397155531e-2f));
  p = hn::MulAdd(p, q, Constant(1.33314422036e-1f));
  p = hn::MulAdd(p, q, Constant(-3.33332819422e-1f));
  const V near = hn::MulAdd(hn::Mul(p, q), magnitude, magnitude);
  // A NaN is not greater: it comes back through the polynomial.
  return hn::CopySign(hn::IfThenElse(hn::Gt(magnitude, Constant(0.625f)), far, near), x);
}

/** 1 / (1 + e^-x), as e^-|x| / (1 + e^-|x|) on the left so that it stays positive down to the subnormals. */
HWY_INLINE V Sigmoid(V x) {
  const V one = Constant(1.0f);
  const V e = ExpOfNumber(hn::Neg(hn::Abs(x)));
  return KeepNaN(x, Quotient(hn::IfThenElse(hn::Lt(x, hn::Zero(D())), e, one), hn::Add(one, e)));
}

/**
 * log(1 + e^x) = max(x, 0) + log(1 + e), e = e^-|x| in [0, 1], where log(1 + e) = 2 atanh(s), s = e / (2 + e) <= 1/3;
 * the first term left out of atanh's series is below 2e-8.
 */
HWY_INLINE V Softplus(V x) {
  const V e = ExpOfNumber(hn::Neg(hn::Abs(x)));
  const V s = Quotient(e, hn::Add(e, Constant(2.0f)));
  const V q = hn::Mul(s, s);
  V series = hn::MulAdd(Constant(2.0f / 13), q, Constant(2.0f / 11));
  series = hn::MulAdd(series, q, Constant(2.0f / 9));
  series = hn::MulAdd(series, q, Constant(2.0f / 7));
  series = hn::MulAdd(series, q, Constant(2.0f / 5));
  series = hn::MulAdd(series, q, Constant(2.0f / 3));
  const V log1pe = hn::MulAdd(hn::Mul(series, q), s, hn::Add(s, s));
  return KeepNaN(x, hn::Add(hn::Max(x, hn::Zero(D())), log1pe));
}

/** f on each lane, for the arguments that the vector version cannot reduce. */
template <class F>
HWY_NOINLINE V EachLane(V x, V y, V limit, F f) {
  HWY_ALIGN float in[kLanes], out[kLanes], bound[kLanes];
  hn::Store(x, D(), in);
  hn::Store(y, D(), out);
  hn::Store(limit, D(), bound);
  for (int i = 0; i < kLanes; i++)
    if (!(std::fabs(in[i]) <= bound[i])) out[i] = f(in[i]);
  return hn::Load(D(), out);
}

// Highway reduces the argument accurately up to 39000.
HWY_INLINE V Sin(V x) {
  const V limit = Constant(39000.0f);
  const V y = hn::IfThenElse(hn::Eq(x, hn::Zero(D())), x, hn::Sin(D(), x));  // a zero keeps its sign
  if (HWY_LIKELY(hn::AllTrue(D(), hn::Le(hn::Abs(x), limit)))) return y;
  return EachLane(x, y, limit, [](float v) { return std::sin(v); });
}

HWY_INLINE V Cos(V x) {
  const V limit = Constant(39000.0f);
  const V y = hn::Cos(D(), x);
  if (HWY_LIKELY(hn::AllTrue(D(), hn::Le(hn::Abs(x), limit)))) return y;
  return EachLane(x, y, limit, [](float v) { return std::cos(v); });
}

}  // namespace gv::cpu::HWY_NAMESPACE::vm
HWY_AFTER_NAMESPACE();

#endif
