// Ops that only move elements, of any dtype: no arithmetic. Reshape is not one of them, it is a view.
//
//   transpose    x  attrs [perm...]                        y dimension i is x dimension perm[i]
//   slice        x  attrs [rank, begin.., size.., step..]  y[i] = x[begin + i step]; a step may be negative, never 0
//   concat       x0, x1, ...  attrs [axis]                 n >= 1 parts that agree in all dimensions but `axis`
//   pad          x  attrs [value, before0, after0, ...]    x inside a border of `value`
//   broadcastTo  x  attrs [dims...]                        dimensions of size 1 and missing leading ones repeat
#pragma once
#include "../engine/call.h"

namespace gv {

struct TransposeArgs {
  int perm[kMaxRank];
  static TransposeArgs decode(const Call& call);
};

struct SliceArgs {
  int64_t begin[kMaxRank], size[kMaxRank], step[kMaxRank];
  static SliceArgs decode(const Call& call);
};

struct ConcatArgs {
  int axis;
  static ConcatArgs decode(const Call& call);
};

struct PadArgs {
  double value;
  int64_t before[kMaxRank], after[kMaxRank];
  static PadArgs decode(const Call& call);
};

struct BroadcastToArgs {
  Shape shape;
  static BroadcastToArgs decode(const Call& call);
};

}  // namespace gv
