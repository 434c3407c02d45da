// The three-dimensional convolution and its two gradients, a set closed under differentiation. Volumes are
// [N, D, H, W, C], weights [K, kD, kH, kW, C / groups], results [N, OD, OH, OW, K]; the sum is that of ops/conv.h with
// one axis more.
//   conv3d           inputs x, w   -> y
//   conv3dInputGrad  inputs dy, w  -> dx (a transposed convolution); also given: D, H, W
//   conv3dWeightGrad inputs x, dy  -> dw; also given: kD, kH, kW
// Both inputs are f32 or both bf16; y and dx have their dtype, dw is always f32. Sums are f32.
// Attributes: per axis (depth, height, width) [stride, pad before, pad after, dilation], then groups, accurate, and the
// three extra numbers of the gradients.
#pragma once
#include "engine/call.h"

namespace gv::ops {

struct Conv3dArgs {
  struct Axis {
    int64_t stride, before, after, dilation;
    /** Output size; negative when the kernel does not fit. */
    int64_t out(int64_t in, int64_t kernel) const;
  };
  Axis axes[3];
  int64_t groups;
  bool accurate;     // plain summation's error, at some cost in speed
  int64_t extra[3];  // volume or kernel size, for the gradients

  static Conv3dArgs of(const Call& call);
};

}  // namespace gv::ops
