// Runs a chain (engine/chain.h): block by block, each link by its op's own kernel on tensors of one block.
#pragma once
#include "engine/call.h"

namespace gv::cpu {

void runChain(const Call& call);

}  // namespace gv::cpu
