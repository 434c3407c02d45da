// The kernels of the plugin by number, in the order of ops/ops.def.
#pragma once
#include "../engine/call.h"

namespace gv::cuda {

extern const Op kKernels[];
extern const int kKernelCount;
/** Names by number, null at the end. */
extern const char* const kNames[];

/** Whether a call may be part of a graph: its kernel neither reads results nor waits. */
bool graphable(const Op& op);

}  // namespace gv::cuda
