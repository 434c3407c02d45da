// Max pooling over one to three spatial axes of x [N, spatial..., C], with the positions of the maxima, through which
// its gradient of any order gathers and scatters. (Average pooling is linear: resample.h.)
//
//   maxPool  x  attrs, per spatial axis: [kernel, stride, before, dilation, out, adaptive]
//            -> y [N, out..., C] and i32 of the same shape: where in the spatial axes, counted in row-major order
//
// The border counts for nothing; a NaN wins; of equal elements the first is taken. Adaptive: windows
// [floor(i in / out), ceil((i + 1) in / out)), the other numbers are not read.
#pragma once
#include <algorithm>

#include "../engine/call.h"
#include "../engine/philox.h"

namespace gv {

struct PoolAxis {
  int64_t in, out, kernel, stride, before, dilation;
  bool adaptive;

  struct Window {
    int64_t begin, count, step;
  };
  /** The elements that output i sees, at least one. */
  GV_HD Window window(int64_t i) const {
    if (adaptive) {
      const int64_t begin = i * in / out;
      return {begin, ((i + 1) * in + out - 1) / out - begin, 1};
    }
    const int64_t start = i * stride - before;
    const int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const int64_t begin = start + skipped * dilation;
    return {begin, std::min(kernel - skipped, (in - begin + dilation - 1) / dilation), dilation};
  }
};

struct MaxPoolArgs {
  PoolAxis axis[3];  // depth, height, width; missing ones come first and have size 1
  static MaxPoolArgs decode(const Call& call);
};

}  // namespace gv
