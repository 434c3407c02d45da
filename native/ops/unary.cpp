// Shape rules of unary.h.
#include "unary.h"

namespace gv::ops {

void inferUnary(Call& call) {
  call.expectInputs(1);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferUnaryStep(Call& call) { inferUnary(call); }

void inferUnaryFloat(Call& call) {
  call.expectInputs(1);
  call.emit(call.in[0].shape, call.in[0].dtype == DType::BF16 ? DType::BF16 : DType::F32);
}

void inferCast(Call& call) {
  call.expectInputs(1);
  call.emit(call.in[0].shape, dtypeAttr(call, 0));
}

}  // namespace gv::ops
