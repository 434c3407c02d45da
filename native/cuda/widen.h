// bf16 for kernels that only know f32, as ../cpu/widen.h: inputs are widened, outputs rounded to nearest even.
#pragma once
#include "../engine/call.h"

namespace gv::cuda {

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

}  // namespace gv::cuda
