// Shape rule of ops/sort.h.
#include "sort.h"

namespace gv::ops {

void inferSort(Call& call) {
  call.expectInputs(1);
  Shape shape = call.in[0].shape;
  if (shape.rank() == 0) fail("ERR_SHAPE", "%s: x must have at least one dimension", call.name());
  const int64_t n = shape.last(), k = call.integer(1);
  if (n > 0x7FFFFFFF) fail("ERR_SHAPE", "%s: an axis of more than 2^31 - 1 elements has no i32 positions", call.name());
  if (k < 0 || k > n)
    fail("ERR_ARGUMENT", "%s: k must lie in [0, %lld], the size of the axis, got %lld", call.name(), (long long)n,
         (long long)k);
  shape[shape.rank() - 1] = k;
  call.emit(shape, call.in[0].dtype);
  call.emit(shape, DType::I32);
}

}  // namespace gv::ops
