// The activations of ops/activation.h on vectors (included after simd.h, compiled per target).
// relu and leakyRelu keep a NaN; their derivative at 0 is 0 and `slope`, as in PyTorch.
#if defined(GV_CPU_ACTIVATION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_ACTIVATION_INL_H
#undef GV_CPU_ACTIVATION_INL_H
#else
#define GV_CPU_ACTIVATION_INL_H
#endif

#include <type_traits>

#include "cpu/lanes-inl.h"
#include "cpu/math-inl.h"
#include "ops/activation.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** act(z). */
template <Activation A>
HWY_INLINE V activate(V z, V slope) {
  const D d;
  const V zero = hn::Zero(d);
  if constexpr (A == Activation::Relu) return hn::IfThenElse(hn::Lt(z, zero), zero, z);
  if constexpr (A == Activation::LeakyRelu) return hn::IfThenElse(hn::Lt(z, zero), hn::Mul(z, slope), z);
  if constexpr (A == Activation::Tanh) return vm::Tanh(z);
  if constexpr (A == Activation::Sigmoid) return vm::Sigmoid(z);
  return z;
}

/** g act'(z), written with y = act(z). */
template <Activation A>
HWY_INLINE V activationGradFromResult(V g, V y, V slope) {
  const D d;
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0f);
  if constexpr (A == Activation::Relu) return hn::IfThenElse(hn::Le(y, zero), zero, g);
  if constexpr (A == Activation::LeakyRelu) return hn::IfThenElse(hn::Le(y, zero), hn::Mul(g, slope), g);
  if constexpr (A == Activation::Tanh) return hn::Mul(g, hn::NegMulAdd(y, y, one));
  if constexpr (A == Activation::Sigmoid) return hn::Mul(g, hn::Mul(y, hn::Sub(one, y)));
  return g;
}

/** g act'(z). */
template <Activation A>
HWY_INLINE V activationGrad(V g, V z, V slope) {
  if constexpr (A == Activation::Tanh || A == Activation::Sigmoid)
    return activationGradFromResult<A>(g, activate<A>(z, slope), slope);
  else
    return activationGradFromResult<A>(g, z, slope);
}

/** FinishArgs on vectors. */
struct Finish {
  V slope, gain, inverse, limit;
  explicit Finish(const FinishArgs& a)
      : slope(hn::Set(D(), a.activation.slope)),
        gain(hn::Set(D(), a.gain)),
        inverse(hn::Set(D(), 1.0f / a.gain)),
        limit(hn::Set(D(), a.clamp)) {}
};

/** min(max(gain act(z), -clamp), clamp); NaN stays. */
template <Activation A>
HWY_INLINE V finish(V z, const Finish& f) {
  const V y = hn::Mul(activate<A>(z, f.slope), f.gain);
  const V low = hn::Neg(f.limit);
  return hn::IfThenElse(hn::Gt(y, f.limit), f.limit, hn::IfThenElse(hn::Lt(y, low), low, y));
}

/** The gradient by z of `finish`, written with its result: 0 where that was clamped. */
template <Activation A>
HWY_INLINE V finishGradFromResult(V g, V y, const Finish& f) {
  const V d = activationGradFromResult<A>(hn::Mul(g, f.gain), hn::Mul(y, f.inverse), f.slope);
  // An infinite result is not clamped by an infinite limit: its gradient is the activation's.
  const V infinity = vm::Constant(std::numeric_limits<float>::infinity());
  const auto clamped = hn::And(hn::Ge(hn::Abs(y), f.limit), hn::Lt(f.limit, infinity));
  return hn::IfThenElse(clamped, hn::Zero(D()), d);
}

template <Activation A>
using ActivationTag = std::integral_constant<Activation, A>;

/** Calls f(ActivationTag<kind>()), so that f can be compiled once per activation. */
template <class F>
void withActivation(Activation kind, const F& f) {
  switch (kind) {
    case Activation::None: return f(ActivationTag<Activation::None>());
    case Activation::Relu: return f(ActivationTag<Activation::Relu>());
    case Activation::LeakyRelu: return f(ActivationTag<Activation::LeakyRelu>());
    case Activation::Tanh: return f(ActivationTag<Activation::Tanh>());
    case Activation::Sigmoid: return f(ActivationTag<Activation::Sigmoid>());
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
