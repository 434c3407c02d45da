// For the kernels of this folder: the call that is run, as ops/*.h decode it, and the context it runs on. A kernel is
// gv::cuda::run::<op>(const Call&) for each line of ops/ops.def, as in ../cpu; it may only enqueue work on the context's
// stream. Temporary memory: Workspace (engine/call.h), which may be dropped as soon as the work is enqueued.
#pragma once
#include "../ops/widen.h"
#include "context.h"
#include "launch.h"

namespace gv::cuda {

/** Writes the elements of a tensor in another dtype, as ops::Cast converts (cast.cu). Sizes are equal. */
void convert(const Tensor& from, const Tensor& to);

}  // namespace gv::cuda
