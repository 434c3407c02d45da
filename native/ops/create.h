// Tensors made from numbers alone. No inputs.
//
//   fill    attrs [dtype, value, rank, dims...]   -> dims, every element = value
//   arange  attrs [dtype, n, start, step]         -> [n], element i = start + i * step, computed in double
//
// For i32 and u8 every value must be a whole number in the type's range (ERR_ARGUMENT); f32 and bf16 round.
#pragma once
#include "attrs.h"

namespace gv::ops {

struct FillArgs {
  DType dtype;
  double value;
  Shape shape;
  explicit FillArgs(const Call& call) : dtype(dtypeAttr(call, 0)), value(call.number(1)), shape(shapeAttr(call, 2)) {}
};

struct ArangeArgs {
  DType dtype;
  int64_t n;
  double start, step;
  explicit ArangeArgs(const Call& call)
      : dtype(dtypeAttr(call, 0)), n(call.integer(1)), start(call.number(2)), step(call.number(3)) {}
};

}  // namespace gv::ops
