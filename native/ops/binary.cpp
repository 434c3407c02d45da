// Shape rules of binary.h.
#include "binary.h"

namespace gv::ops {
namespace {

void expectNotBF16(const Call& call) {
  for (const Tensor& t : call.in)
    if (t.dtype == DType::BF16)
      fail("ERR_DTYPE", "%s: inputs must be f32, i32 or u8, got bf16 (cast it to f32)", call.name());
}

Shape outputShape(const Call& call, const BinaryArgs& args) {
  return args.mode == 0 ? broadcastShapes(call, call.in[0].shape, call.in[1].shape) : call.in[0].shape;
}

}  // namespace

void inferBinary(Call& call) {
  const BinaryArgs args(call, false);
  expectNotBF16(call);
  call.emit(outputShape(call, args), args.compute);
}

void inferBinaryFloat(Call& call) {
  const BinaryArgs args(call, true);
  expectNotBF16(call);
  call.emit(outputShape(call, args), DType::F32);
}

void inferCompare(Call& call) {
  const BinaryArgs args(call, false);
  expectNotBF16(call);
  call.emit(outputShape(call, args), DType::U8);
}

void inferActivationGrad(Call& call) {
  call.expectInputs(2);
  call.expectDType(0, DType::F32, "the gradient");
  call.expectDType(1, DType::F32, "the activation");
  call.emit(broadcastShapes(call, call.in[0].shape, call.in[1].shape), DType::F32);
}

void inferWhere(Call& call) {
  call.expectInputs(3);
  expectNotBF16(call);
  const Shape values = broadcastShapes(call, call.in[1].shape, call.in[2].shape);
  call.emit(broadcastShapes(call, call.in[0].shape, values), promote(call.in[1].dtype, call.in[2].dtype));
}

}  // namespace gv::ops
