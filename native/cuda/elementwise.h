// Functions of one element, or of one element of each of two or three tensors: unary.h, binary.h and cast of ../ops, alone
// or as a chain (engine/chain.h). All are one kernel that interprets a short program for each element: what lies between
// two links stays in registers, and the program is the same for all threads.
#pragma once
#include "../engine/call.h"
#include "../engine/plugin_abi.h"

namespace gv::cuda {

/** Runs the links on the inputs of the call; operands have the output's size or one element. */
void runChain(const Call& call, const gv_link* links, int count);

}  // namespace gv::cuda
