// Shape rules of binary.h.
#include "binary.h"

namespace gv::ops {
namespace {

Shape outputShape(const Call& call, const BinaryArgs& args) {
  return args.mode == 0 ? broadcastShapes(call, call.in[0].shape, call.in[1].shape) : call.in[0].shape;
}

}  // namespace

void inferBinary(Call& call) {
  const BinaryArgs args(call, false);
  call.emit(outputShape(call, args), args.compute);
}

void inferBinaryFloat(Call& call) {
  const BinaryArgs args(call, true);
  call.emit(outputShape(call, args), args.compute);
}

void inferCompare(Call& call) {
  const BinaryArgs args(call, false);
  call.emit(outputShape(call, args), DType::U8);
}

void inferActivationGrad(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "the gradient");
  call.expectFloat(1, "the activation");
  call.emit(broadcastShapes(call, call.in[0].shape, call.in[1].shape), promote(call.in[0].dtype, call.in[1].dtype));
}

void inferWhere(Call& call) {
  call.expectInputs(3);
  const Shape values = broadcastShapes(call, call.in[1].shape, call.in[2].shape);
  call.emit(broadcastShapes(call, call.in[0].shape, values), promote(call.in[1].dtype, call.in[2].dtype));
}

}  // namespace gv::ops
