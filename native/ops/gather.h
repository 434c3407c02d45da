// Rows taken by index and rows added by index, each the other's transpose.
//
//   gather      x, indices (i32 or u8)        attrs [axis]        y = x.shape[..axis] + indices.shape + x.shape[axis+1..]
//   scatterAdd  indices, updates (no u8) attrs [axis, size]  zeros of x's shape, `size` along `axis`, with updates
//                                                                 (of y's shape) added; equal indices add up
//
// An index outside [0, size), negative ones included, is an error the kernel reports (ERR_INDEX).
#pragma once
#include "../engine/call.h"

namespace gv {

struct GatherArgs {
  int axis;
  static GatherArgs decode(const Call& call);
};

struct ScatterAddArgs {
  int axis;
  int64_t size;
  static ScatterAddArgs decode(const Call& call);
};

}  // namespace gv
