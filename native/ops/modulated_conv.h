// What surrounds the shared convolution of a modulated one (StyleGAN2, Karras et al. 2020, section 2.2; the convolution
// itself is ops/conv.h): channels scaled per sample, then noise, bias and activation, in one pass. x is [N, ..., C],
// seen as [N, R, C]; x, y, gy and dx are f32 or bf16 alike, everything else f32.
//
//   scaleAct      x, scale [N, C], noise [N or 1, ...] if hasNoise, bias [C] if hasBias
//       attrs [act, slope, gain, clamp, hasNoise, hasBias]
//       -> y = clamp(gain act(x scale + noise + bias)), the noise one number per pixel, shared by all channels
//   scaleActGrad  gy, then the inputs of scaleAct; same attrs
//       -> dx, dscale [N, C], then dnoise if hasNoise, then dbias if hasBias, in their inputs' shapes
#pragma once
#include "activation.h"

namespace gv {

struct ScaleActArgs {
  FinishArgs finish;
  bool hasNoise, hasBias;
  static ScaleActArgs decode(const Call& call) {
    return {FinishArgs::decode(call, 0), call.integer(4) != 0, call.integer(5) != 0};
  }
};

}  // namespace gv
