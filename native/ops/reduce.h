// Reductions over axes.
//
//   sum          attrs [keepDims, nAxes, axes..., wide]  keeps f32 and bf16; i32 and u8 -> i32 (wraps around).
//                wide = 1: bf16 -> f32, the accumulators' own precision
//   max min      attrs [keepDims, nAxes, axes...]; keep the dtype; NaN wins; an axis of size 0 is ERR_SHAPE
//   argmax argmin  attrs [keepDims, axis] -> i32; the first of equals; NaN counts as the largest (smallest)
//
// Axes are non-negative, sorted and unique; none means no reduction. keepDims leaves a 1 where an axis went.
#pragma once
#include "attrs.h"

namespace gv::ops {

enum class ReduceOp { Sum, Max, Min };

struct ReduceArgs {
  bool keepDims;
  bool wide = false;
  bool reduced[kMaxRank] = {};

  explicit ReduceArgs(const Call& call) : keepDims(call.integer(0) != 0) {
    const int64_t count = call.integer(1);
    int64_t previous = -1;
    for (int64_t i = 0; i < count; i++) {
      const int64_t axis = call.integer(size_t(2 + i));
      if (axis <= previous || axis >= call.in[0].shape.rank())
        fail("ERR_SHAPE", "%s: axis %lld is out of range or out of order for %s", call.name(), (long long)axis,
             call.in[0].shape.str().c_str());
      reduced[axis] = true;
      previous = axis;
    }
    if (call.attrs.size() > size_t(2 + count)) wide = call.integer(size_t(2 + count)) != 0;
  }
};

/** A reduction over the middle of [outer, reduce, inner]. */
struct ReducePass {
  int64_t outer, reduce, inner;
};

/** What a reduction over several axes comes to: passes one after the other, from the last axes to the first. */
std::vector<ReducePass> reducePasses(const Shape& x, const ReduceArgs& args);

struct ArgReduceArgs {
  bool keepDims;
  int axis;

  explicit ArgReduceArgs(const Call& call) : keepDims(call.integer(0) != 0) {
    const int64_t a = call.integer(1);
    if (a < 0 || a >= call.in[0].shape.rank())
      fail("ERR_SHAPE", "%s: axis %lld is out of range for %s", call.name(), (long long)a,
           call.in[0].shape.str().c_str());
    axis = int(a);
  }
};

}  // namespace gv::ops
