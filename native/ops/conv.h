// The two-dimensional convolution and its two gradients, a set closed under differentiation. Images are
// [N, H, W, C], weights [K, kH, kW, C / groups], results [N, OH, OW, K] with
//   y[n,i,j,k] = sum_{u,v,c} x[n, i sH + u dH - pT, j sW + v dW - pL, c] w[k,u,v,c].
//   conv2d         inputs x, w     -> y
//   convInputGrad  inputs dy, w    -> dx (a transposed convolution); also given: H, W
//   convWeightGrad inputs x, dy    -> dw; also given: kH, kW
// Attributes: [sH, sW, pT, pB, pL, pR, dH, dW, groups, accurate], then the two extra numbers of the gradients.
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct ConvArgs {
  int64_t strideH, strideW, padTop, padBottom, padLeft, padRight, dilationH, dilationW, groups;
  bool accurate;           // plain summation's error, at some cost in speed
  int64_t extraH, extraW;  // image size or kernel size, for the gradients

  static ConvArgs of(const Call& call);
  // Output size along one axis; negative when the kernel does not fit.
  int64_t outH(int64_t h, int64_t kh) const;
  int64_t outW(int64_t w, int64_t kw) const;
};

}  // namespace gv::ops
