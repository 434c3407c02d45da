// The activation that a fused op applies to its result: attributes [act, slope]. One list for bias, normalisation
// and convolution. All of them are monotone, so the derivative can be taken from the result as well as from the
// argument; that is why leakyRelu wants slope >= 0. Numbers are part of the contract with src/tensor/ops/bias.ts.
//
// And the activations that are ops of their own (f32 or bf16; results have x's dtype, gradients that of gy):
//
//   erf(x), silu(x) = x sigmoid(x)
//   gelu(x)          attrs [tanh]: x Phi(x), Phi the normal distribution; with tanh = 1 its approximation
//                    x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks, Gimpel 2016)
//   elu(x)           attrs [alpha, scale, inner]: scale x where x > 0, else scale alpha (exp(inner x) - 1); elu, selu
//                    and celu are its special cases
//   geluGrad, siluGrad, eluGrad (gy, x)   gy times the derivative at x, same attributes
//   prelu(x, a)      x where x > 0, else a x; x [..., C], a f32 [C] or [1]
//   preluGrad(gy, x, a)                   gy where x > 0, else a gy
//   glu(x)           attrs [axis]: u sigmoid(v), u and v the halves of x along the axis (Dauphin et al. 2017)
//   gluGrad(gy, x)   attrs [axis]: the gradient by x
#pragma once
#include "../engine/call.h"

namespace gv {

enum class Activation : int { None = 0, Relu = 1, LeakyRelu = 2, Tanh = 3, Sigmoid = 4 };

struct ActivationArgs {
  Activation kind = Activation::None;
  float slope = 0;

  /** Reads attributes `first` (the kind) and `first + 1` (the slope). */
  static ActivationArgs decode(const Call& call, size_t first) {
    const int64_t kind = call.integer(first);
    if (kind < 0 || kind > 4) fail("ERR_ARGUMENT", "%s: activation %lld is not known", call.name(), (long long)kind);
    const double slope = call.number(first + 1);
    if (!(slope >= 0 && slope <= 1e30))
      fail("ERR_ARGUMENT", "%s: slope must be a number of at least 0, got %g", call.name(), slope);
    return {Activation(kind), float(slope)};
  }
};

/** What ends a layer of StyleGAN: min(max(gain act(z), -clamp), clamp); attributes [act, slope, gain, clamp]. */
struct FinishArgs {
  ActivationArgs activation;
  float gain = 1, clamp = 0;  // clamp may be infinite

  static FinishArgs decode(const Call& call, size_t first) {
    const double gain = call.number(first + 2), clamp = call.number(first + 3);
    // A gain of 0 would hide the argument, from which the gradient is taken.
    if (!(gain > 0 && gain <= 1e30)) fail("ERR_ARGUMENT", "%s: gain must be above 0, got %g", call.name(), gain);
    if (!(clamp > 0)) fail("ERR_ARGUMENT", "%s: clamp must be above 0, got %g", call.name(), clamp);
    return {ActivationArgs::decode(call, first), float(gain), float(clamp)};
  }
};

}  // namespace gv
