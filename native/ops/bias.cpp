// Shape rules of ops/bias.h.
#include "bias.h"

namespace gv::ops {

static void expectChannels(const Call& call) {
  call.expectFloat(0, "the first input");
  if (call.in[0].shape.rank() < 1)
    fail("ERR_SHAPE", "%s: expected a tensor with a channel dimension, got a scalar", call.name());
  FinishArgs::decode(call, 0);
}

void inferBiasAct(Call& call) {
  call.expectInputs(2);
  expectChannels(call);
  call.expectDType(1, DType::F32, "bias");
  call.expectShape(1, {call.in[0].shape.last()}, "bias");
  call.emit(call.in[0].shape, call.in[0].dtype);
}

void inferBiasActGrad(Call& call) {
  call.expectInputs(2);
  expectChannels(call);
  call.expectDType(1, call.in[0].dtype, "y");
  call.expectShape(1, call.in[0].shape, "y");
  call.emit(call.in[0].shape, call.in[0].dtype);
  call.emit({call.in[0].shape.last()}, DType::F32);
}

}  // namespace gv::ops
