// Shape rules of unary.h.
#include "unary.h"

namespace gv::ops {
namespace {

void expectNotBF16(const Call& call) {
  if (call.in[0].dtype == DType::BF16)
    fail("ERR_DTYPE", "%s: x must be f32, i32 or u8, got bf16 (cast it to f32)", call.name());
}

}  // namespace

void inferUnary(Call& call) {
  call.expectInputs(1);
  expectNotBF16(call);
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferUnaryStep(Call& call) { inferUnary(call); }

void inferUnaryFloat(Call& call) {
  call.expectInputs(1);
  expectNotBF16(call);
  call.emit(call.in[0].shape, DType::F32);
}

void inferCast(Call& call) {
  call.expectInputs(1);
  call.emit(call.in[0].shape, dtypeAttr(call, 0));
}

}  // namespace gv::ops
