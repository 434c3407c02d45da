// What the files of the kernel benchmark share.
#pragma once

#include <cstdint>
#include <vector>

namespace gv::cpu {

/** Runs `steps` rounds of register-only multiply-adds on every thread; returns the operations done. */
double benchPeak(int64_t steps);

/** The instruction sets (Highway's numbers) that were built and that this processor has. */
std::vector<int64_t> builtTargets();

/** Compares every kernel with plain double loops, on every instruction set built; returns the number of failures. */
int checkKernels();

/** The matrix products on AMX and those of bf16; returns the number of failures. */
int checkMatrixUnit();

}  // namespace gv::cpu
