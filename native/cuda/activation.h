// The activations of ops/activation.h that end a fused op, as functions of one number; formulas and edge cases as in
// ../cpu/activation-inl.h: relu and leakyRelu keep a NaN, their derivative at 0 is 0 and `slope`.
#pragma once
#include <cmath>

#include "../engine/philox.h"
#include "../ops/activation.h"

namespace gv::cuda {

/** 1 / (1 + e^-x), as e^-|x| / (1 + e^-|x|) on the left so that it stays positive down to the subnormals. */
GV_HD inline float sigmoidOf(float x) {
  const float e = expf(-fabsf(x));
  return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/** act(z). */
GV_HD inline float activate(const ActivationArgs& a, float z) {
  switch (a.kind) {
    case Activation::None: return z;
    case Activation::Relu: return z < 0.0f ? 0.0f : z;
    case Activation::LeakyRelu: return z < 0.0f ? z * a.slope : z;
    case Activation::Tanh: return tanhf(z);
    case Activation::Sigmoid: return sigmoidOf(z);
  }
  return z;
}

/** g act'(z), written with y = act(z). */
GV_HD inline float activationGradFromResult(const ActivationArgs& a, float g, float y) {
  switch (a.kind) {
    case Activation::None: return g;
    case Activation::Relu: return y <= 0.0f ? 0.0f : g;
    case Activation::LeakyRelu: return y <= 0.0f ? g * a.slope : g;
    case Activation::Tanh: return g * (1.0f - y * y);
    case Activation::Sigmoid: return g * (y * (1.0f - y));
  }
  return g;
}

/** g act'(z). */
GV_HD inline float activationGrad(const ActivationArgs& a, float g, float z) {
  const bool smooth = a.kind == Activation::Tanh || a.kind == Activation::Sigmoid;
  return activationGradFromResult(a, g, smooth ? activate(a, z) : z);
}

/** min(max(gain act(z), -clamp), clamp); NaN stays. */
GV_HD inline float finish(const FinishArgs& f, float z) {
  const float y = activate(f.activation, z) * f.gain;
  return y > f.clamp ? f.clamp : y < -f.clamp ? -f.clamp : y;
}

/** The gradient by z of `finish`, written with its result y: 0 where that was clamped. */
GV_HD inline float finishGradFromResult(const FinishArgs& f, float g, float y) {
  // An infinite result is not clamped by an infinite limit: its gradient is the activation's.
  if (f.clamp < INFINITY && fabsf(y) >= f.clamp) return 0.0f;
  return activationGradFromResult(f.activation, g * f.gain, y * (1.0f / f.gain));
}

}  // namespace gv::cuda
