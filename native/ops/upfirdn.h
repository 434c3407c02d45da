// Upsampling, two-dimensional filtering and downsampling in one pass (StyleGAN2, Karras et al. 2020), for filters that
// are no product of two one-dimensional ones; those are resample.h, twice as fast and more.
//
//   upfirdn  x [N, H, W, C], f [fH, fW] (f32)  attrs [upH, upW, downH, downW, top, left, outH, outW]
//            -> y[n,i,j,c] = sum_{u,v} f[u,v] z[n, i downH + u - top, j downW + v - left, c]
//
// where z has x[n,i,j,c] at (i upH, j upW) and zeros elsewhere. A negative top or left crops. Its gradient by x is
// another upfirdn; f is a constant.
#pragma once
#include <algorithm>

#include "../engine/call.h"
#include "../engine/philox.h"

namespace gv {

struct UpfirdnArgs {
  int64_t up[2], down[2], before[2], out[2];
  static UpfirdnArgs decode(const Call& call);

  struct Taps {
    int64_t first, from, count;
  };
  /** Which of `taps` filter taps (first, first + up, ...) meet which of `in` samples (from, from + 1, ...). */
  GV_HD Taps meet(int axis, int64_t i, int64_t in, int64_t taps) const {
    const int64_t u = up[axis], start = i * down[axis] - before[axis];
    int64_t first = start <= 0 ? -start : (u - start % u) % u;
    const int64_t from = (start + first) / u;
    const int64_t fit = first < taps ? (taps - first + u - 1) / u : 0;
    return {first, from, std::max<int64_t>(0, std::min(fit, in - from))};
  }
};

}  // namespace gv
