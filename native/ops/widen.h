// bf16 for kernels that only know f32: widens the inputs, runs the kernel, rounds the outputs to nearest even. Correct
// everywhere and twice the memory traffic, so the kernels that a training step lives on read bf16 themselves
// (GV_OP_TYPED in ops.def). Not for ops that write their inputs in place. Each device brings its own conversion.
#pragma once
#include "engine/call.h"

namespace gv {

using Kernel = void (*)(const Call&);
/** to = from in to's dtype; both have memory and the same number of elements. */
using Converter = void (*)(const Tensor& from, const Tensor& to);

/** A tensor in temporary memory, for a kernel that runs another one. */
Tensor temporary(const Call& call, const Shape& shape, DType dtype);

void runWidened(Kernel kernel, Converter convert, const Call& call);

/** The kernel itself when no tensor of the call is bf16. */
template <Kernel kernel, Converter convert>
void widened(const Call& call) {
  const auto narrow = [](const std::vector<Tensor>& tensors) {
    for (const Tensor& t : tensors)
      if (t.dtype == DType::BF16) return true;
    return false;
  };
  if (narrow(call.in) || narrow(call.out)) return runWidened(kernel, convert, call);
  kernel(call);
}

}  // namespace gv
