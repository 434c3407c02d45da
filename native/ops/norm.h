// Normalise, scale, shift, activate: one read for the statistics, one for the result. x, y, gy and dx are f32 or bf16
// alike; statistics, parameters and their gradients are f32.
//
//   channelNorm      x, gamma, beta           attrs [batch, eps, act, slope, groupSize, together]
//       x is seen as [batch, R, C] with C its last dimension; statistics over R, over each groupSize neighbouring
//       channels and, with together, over the batch; gamma and beta are [C], or [batch, C] for a scale per sample.
//       Batch norm: batch 1. Conditional: batch N, together. Instance norm and adaptive: batch N. Group norm: groupSize.
//       -> y = act(gamma (x - mean) rstd + beta), mean and rstd = 1 / sqrt(biased variance + eps), both [S, C] with
//          S = 1 with together, else batch; channels of a group hold the same numbers
//   channelNormGrad  gy, x, gamma, beta, mean, rstd   same attrs   -> dx, dgamma, dbeta
//   rowNorm          x, gamma, beta           attrs [k, eps, act, slope]
//       x is seen as [R, D], D its last k dimensions, which are also gamma's and beta's; statistics over D (layer norm)
//       -> y, mean [R], rstd [R]
//   rowNormGrad      gy, x, gamma, beta, mean, rstd   same attrs   -> dx, dgamma, dbeta
//   affineAct        x, scale, shift          attrs [act, slope]   -> y = act(x scale + shift)
//       scale and shift are [C], or [batch, C] for a scale per sample: x is then seen as [batch, R, C]
//   pixelNorm        x                        attrs [eps]          -> y = x rstd, rstd [...] = 1 / sqrt(mean_c x^2 + eps)
//   pixelNormGrad    gy, x, rstd                                   -> dx = rstd (gy - x rstd^2 mean_c(gy x))
//
// The gradients recompute the activation from x: nothing but mean and rstd is kept. No element at all (R = 0) gives
// mean 0 and variance 0; R = 1 gives y = act(beta).
#pragma once
#include "activation.h"

namespace gv {

struct NormArgs {
  int64_t group;  // the batch of channelNorm, the number of normalised dimensions of rowNorm
  double eps;
  ActivationArgs activation;
  static NormArgs decode(const Call& call);
};

/** What channelNorm's statistics are taken over besides the rows: attributes 4 and 5. */
struct ChannelSharing {
  int64_t groupSize;
  bool together;
  static ChannelSharing decode(const Call& call) { return {call.integer(4), call.integer(5) != 0}; }
};

/** x as [batch, rows, channels]; rowNorm has batch 1 and channels D. */
struct NormShape {
  int64_t batch, rows, channels;
  static NormShape byChannel(const Shape& x, int64_t batch);
  static NormShape byRow(const Shape& x, int64_t dims);
};

}  // namespace gv
