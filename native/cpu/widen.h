// bf16 for kernels that only know f32: widens the inputs, runs the kernel, rounds the outputs to nearest even. Correct
// everywhere and twice the memory traffic, so the kernels that a training step lives on read bf16 themselves
// (GV_OP_TYPED in ops/ops.def). Not for ops that write their inputs in place.
#pragma once
#include "engine/call.h"

namespace gv::cpu {

void runWidened(void (*kernel)(const Call&), const Call& call);

/** The kernel itself when no tensor of the call is bf16. */
template <void (*kernel)(const Call&)>
void widened(const Call& call) {
  const auto narrow = [](const std::vector<Tensor>& tensors) {
    for (const Tensor& t : tensors)
      if (t.dtype == DType::BF16) return true;
    return false;
  };
  if (narrow(call.in) || narrow(call.out)) return runWidened(kernel, call);
  kernel(call);
}

}  // namespace gv::cpu
