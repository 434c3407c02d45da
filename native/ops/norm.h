// Normalise, scale, shift, activate: one read for the statistics, one for the result. All f32.
//
//   channelNorm      x, gamma [C], beta [C]   attrs [batch, eps, act, slope]
//       x is seen as [batch, R, C] with C its last dimension; statistics over R (batch 1: batch norm, N: instance norm)
//       -> y = act(gamma (x - mean) rstd + beta), mean [batch, C], rstd [batch, C] = 1 / sqrt(biased variance + eps)
//   channelNormGrad  gy, x, gamma, beta, mean, rstd   same attrs   -> dx, dgamma, dbeta
//   rowNorm          x, gamma, beta           attrs [k, eps, act, slope]
//       x is seen as [R, D], D its last k dimensions, which are also gamma's and beta's; statistics over D (layer norm)
//       -> y, mean [R], rstd [R]
//   rowNormGrad      gy, x, gamma, beta, mean, rstd   same attrs   -> dx, dgamma, dbeta
//   affineAct        x, scale [C], shift [C]  attrs [act, slope]   -> y = act(x scale + shift)
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

/** x as [batch, rows, channels]; rowNorm has batch 1 and channels D. */
struct NormShape {
  int64_t batch, rows, channels;
  static NormShape byChannel(const Shape& x, int64_t batch);
  static NormShape byRow(const Shape& x, int64_t dims);
};

}  // namespace gv
