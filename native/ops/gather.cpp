// Shape rules of ops/gather.h.
#include "gather.h"

namespace gv {

static void expectIndices(const Call& call, size_t k) {
  const DType t = call.in[k].dtype;
  if (t != DType::I32 && t != DType::U8)
    fail("ERR_DTYPE", "%s: indices must be i32 or u8, got %s", call.name(), name(t));
}

GatherArgs GatherArgs::decode(const Call& call) { return {int(call.integer(0))}; }

ScatterAddArgs ScatterAddArgs::decode(const Call& call) { return {int(call.integer(0)), call.integer(1)}; }

namespace ops {

void inferGather(Call& call) {
  call.expectInputs(2);
  expectIndices(call, 1);
  const Shape x = call.in[0].shape, indices = call.in[1].shape;
  const int64_t axis = call.integer(0);
  if (axis < 0 || axis >= x.rank())
    fail("ERR_ARGUMENT", "%s: axis %lld is not one of x %s", call.name(), (long long)axis, x.str().c_str());
  Shape y;
  for (int i = 0; i < axis; i++) y.push(x[i]);
  for (int i = 0; i < indices.rank(); i++) y.push(indices[i]);
  for (int i = int(axis) + 1; i < x.rank(); i++) y.push(x[i]);
  call.emit(y, call.in[0].dtype);
}

void inferScatterAdd(Call& call) {
  call.expectInputs(2);
  expectIndices(call, 0);
  const Shape indices = call.in[0].shape, updates = call.in[1].shape;
  const DType dtype = call.in[1].dtype;
  if (dtype == DType::U8) fail("ERR_DTYPE", "%s: updates must be f32, bf16 or i32, got u8", call.name());
  const int64_t axis = call.integer(0), size = call.integer(1);
  if (size < 0) fail("ERR_ARGUMENT", "%s: size must be at least 0, got %lld", call.name(), (long long)size);
  bool fits = axis >= 0 && axis + indices.rank() <= updates.rank();
  for (int i = 0; fits && i < indices.rank(); i++) fits = indices[i] == updates[int(axis) + i];
  if (!fits)
    fail("ERR_SHAPE", "%s: updates %s must have the dimensions of indices %s at axis %lld", call.name(),
         updates.str().c_str(), indices.str().c_str(), (long long)axis);
  Shape x;
  for (int i = 0; i < axis; i++) x.push(updates[i]);
  x.push(size);
  for (int i = int(axis) + indices.rank(); i < updates.rank(); i++) x.push(updates[i]);
  call.emit(x, dtype);
}

}  // namespace ops
}  // namespace gv
