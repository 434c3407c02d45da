// Shape rules of ops/bias.h.
#include "bias.h"

namespace gv::ops {

static void expectChannels(const Call& call) {
  for (size_t k = 0; k < call.in.size(); k++) call.expectDType(k, DType::F32, "every input");
  if (call.in[0].shape.rank() < 1)
    fail("ERR_SHAPE", "%s: expected a tensor with a channel dimension, got a scalar", call.name());
  ActivationArgs::decode(call, 0);
}

void inferBiasAct(Call& call) {
  call.expectInputs(2);
  expectChannels(call);
  call.expectShape(1, {call.in[0].shape.last()}, "bias");
  call.emit(call.in[0].shape, DType::F32);
}

void inferBiasActGrad(Call& call) {
  call.expectInputs(2);
  expectChannels(call);
  call.expectShape(1, call.in[0].shape, "y");
  call.emit(call.in[0].shape, DType::F32);
  call.emit({call.in[0].shape.last()}, DType::F32);
}

}  // namespace gv::ops
