// The activation that a fused op applies to its result: attributes [act, slope]. One list for bias, normalisation
// and convolution. All of them are monotone, so the derivative can be taken from the result as well as from the
// argument; that is why leakyRelu wants slope >= 0. Numbers are part of the contract with src/tensor/ops/bias.ts.
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

}  // namespace gv
