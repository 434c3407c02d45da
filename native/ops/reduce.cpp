// Shape rules of reduce.h.
#include "reduce.h"

#include <cstring>

namespace gv::ops {
namespace {

void expectNotEmpty(const Call& call, int axis) {
  if (call.in[0].shape[axis] == 0)
    fail("ERR_SHAPE", "%s: axis %d of %s is empty, which has no extreme value", call.name(), axis,
         call.in[0].shape.str().c_str());
}

}  // namespace

std::vector<ReducePass> reducePasses(const Shape& x, const ReduceArgs& args) {
  // Neighbouring dimensions of the same kind become one; those of size 1 do not matter.
  int64_t size[kMaxRank];
  bool reduced[kMaxRank];
  int rank = 0;
  for (int i = 0; i < x.rank(); i++) {
    if (x[i] == 1) continue;
    if (rank > 0 && reduced[rank - 1] == args.reduced[i]) {
      size[rank - 1] *= x[i];
    } else {
      size[rank] = x[i];
      reduced[rank++] = args.reduced[i];
    }
  }

  std::vector<ReducePass> passes;
  int64_t inner = 1;
  for (int group = rank - 1; group >= 0; group--) {
    if (!reduced[group]) {
      inner *= size[group];
      continue;
    }
    int64_t outer = 1;
    for (int i = 0; i < group; i++) outer *= size[i];
    passes.push_back({outer, size[group], inner});
  }
  if (passes.empty()) passes.push_back({1, 1, inner});
  return passes;
}

void inferReduce(Call& call) {
  call.expectInputs(1);
  const ReduceArgs args(call);
  const bool sum = !std::strcmp(call.name(), "sum");
  const Shape& x = call.in[0].shape;
  Shape y;
  for (int i = 0; i < x.rank(); i++) {
    if (args.reduced[i] && !sum) expectNotEmpty(call, i);
    if (!args.reduced[i])
      y.push(x[i]);
    else if (args.keepDims)
      y.push(1);
  }
  const DType t = call.in[0].dtype;
  const bool widens = args.wide && t == DType::BF16;
  call.emit(y, sum && t == DType::U8 ? DType::I32 : widens ? DType::F32 : t);
}

void inferArgReduce(Call& call) {
  call.expectInputs(1);
  const ArgReduceArgs args(call);
  expectNotEmpty(call, args.axis);
  const Shape& x = call.in[0].shape;
  if (x[args.axis] > 0x7FFFFFFF)
    fail("ERR_SHAPE", "%s: axis %d of %s is too long for an i32 index", call.name(), args.axis, x.str().c_str());
  Shape y;
  for (int i = 0; i < x.rank(); i++) {
    if (i != args.axis)
      y.push(x[i]);
    else if (args.keepDims)
      y.push(1);
  }
  call.emit(y, DType::I32);
}

}  // namespace gv::ops
