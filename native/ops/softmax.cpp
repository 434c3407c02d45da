// Shape rules of softmax.h.
#include "softmax.h"

namespace gv::ops {
namespace {

void expectRows(const Call& call, size_t k, const char* what) {
  call.expectFloat(k, what);
  if (call.in[k].shape.rank() == 0) fail("ERR_SHAPE", "%s: %s must have at least one dimension", call.name(), what);
}

}  // namespace

void inferSoftmax(Call& call) {
  call.expectInputs(1);
  expectRows(call, 0, "x");
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferSoftmaxGrad(Call& call) {
  call.expectInputs(2);
  expectRows(call, 0, "the gradient");
  expectRows(call, 1, "y");
  call.expectShape(1, call.in[0].shape, "y");
  call.emit(call.in[0].shape, promote(call.in[0].dtype, call.in[1].dtype));
}

}  // namespace gv::ops
