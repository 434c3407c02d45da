// Shape rules of ops/along.h.
#include "along.h"

namespace gv::ops {
namespace {

void expectPositions(const Call& call, size_t k, const Shape& x, int64_t axis) {
  const DType t = call.in[k].dtype;
  if (t != DType::I32 && t != DType::U8)
    fail("ERR_DTYPE", "%s: indices must be i32 or u8, got %s", call.name(), name(t));
  if (axis < 0 || axis >= x.rank())
    fail("ERR_ARGUMENT", "%s: axis %lld is not one of x %s", call.name(), (long long)axis, x.str().c_str());
  const Shape& indices = call.in[k].shape;
  bool fits = indices.rank() == x.rank();
  for (int i = 0; fits && i < x.rank(); i++) fits = i == axis || indices[i] <= x[i];
  if (!fits)
    fail("ERR_SHAPE", "%s: indices %s must have the rank of x %s and not exceed it outside axis %lld", call.name(),
         indices.str().c_str(), x.str().c_str(), (long long)axis);
}

}  // namespace

void inferTakeAlongAxis(Call& call) {
  call.expectInputs(2);
  expectPositions(call, 1, call.in[0].shape, call.integer(0));
  call.emit(call.in[1].shape, call.in[0].dtype);
}

void inferScatterAlongAxis(Call& call) {
  call.expectInputs(3);
  expectPositions(call, 1, call.in[0].shape, call.integer(0));
  call.expectShape(2, call.in[1].shape, "updates");
  call.expectDType(2, call.in[0].dtype, "updates");
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferScatterAddAlongAxis(Call& call) {
  call.expectInputs(2);
  const Shape shape = shapeAttr(call, 1);
  expectPositions(call, 0, shape, call.integer(0));
  call.expectShape(1, call.in[0].shape, "updates");
  if (call.in[1].dtype != DType::I32) call.expectFloat(1, "updates");
  call.emit(shape, call.in[1].dtype);
}

}  // namespace gv::ops
