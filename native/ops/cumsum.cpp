// Shape rules of ops/cumsum.h.
#include "cumsum.h"

namespace gv::ops {
namespace {

void expectAxis(const Call& call) {
  const int64_t axis = call.integer(0);
  if (axis < 0 || axis >= call.in[0].shape.rank())
    fail("ERR_ARGUMENT", "%s: axis %lld is not one of x %s", call.name(), (long long)axis,
         call.in[0].shape.str().c_str());
}

}  // namespace

void inferCumsum(Call& call) {
  call.expectInputs(1);
  if (call.in[0].dtype != DType::I32) call.expectFloat(0, "x");
  expectAxis(call);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferRecurrence(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "a");
  call.expectDType(1, call.in[0].dtype, "b");
  call.expectShape(1, call.in[0].shape, "b");
  expectAxis(call);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

}  // namespace gv::ops
