// The two-dimensional convolution and its two gradients, a set closed under differentiation. Images are
// [N, H, W, C], weights [K, kH, kW, C / groups], results [N, OH, OW, K] with
//   y[n,i,j,k] = sum_{u,v,c} x[n, i sH + u dH - pT, j sW + v dW - pL, c] w[k,u,v,c].
//   conv2d         inputs x, w     -> y
//   convInputGrad  inputs dy, w    -> dx (a transposed convolution); also given: H, W
//   convWeightGrad inputs x, dy    -> dw; also given: kH, kW
// Both inputs are f32 or both bf16; y and dx have their dtype, dw is always f32. Sums are f32.
//   conv2dAct, convInputGradAct   also an f32 bias [channels of the result]: finish(result + bias) of ops/activation.h
// Attributes: [sH, sW, pT, pB, pL, pR, dH, dW, groups, accurate], then the two extra numbers of the gradients
// (0, 0 for conv2dAct), then [act, slope, gain, clamp] of the last two.
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct ConvArgs {
  int64_t strideH, strideW, padTop, padBottom, padLeft, padRight, dilationH, dilationW, groups;
  bool accurate;           // plain summation's error, at some cost in speed
  int64_t extraH, extraW;  // image size or kernel size, for the gradients

  static constexpr size_t kCount = 12;  // attributes before those of the activation

  static ConvArgs of(const Call& call);
  // Output size along one axis; negative when the kernel does not fit.
  int64_t outH(int64_t h, int64_t kh) const;
  int64_t outW(int64_t w, int64_t kw) const;
};

}  // namespace gv::ops
