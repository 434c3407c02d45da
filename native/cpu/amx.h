// Whether the matrix unit of recent x86-64 processors (Intel AMX: tile registers, bf16 products summed in float32) can
// be used: the processor has it, the kernel saves its state, and this process was given leave. Linux only.
//
// GANVAS_AMX=0 in the environment says no to all of it: every product then runs on the vector kernels.
#pragma once

namespace gv::cpu {

/** Asked once per process, at the first call; always false where the compiler or the system knows no AMX. */
bool amxAvailable();

/** For tests and benchmarks: false turns AMX off in this process, true leaves it to the processor again. */
void allowAmx(bool allow);

}  // namespace gv::cpu
