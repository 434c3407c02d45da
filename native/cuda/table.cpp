#include "table.h"

#include <cstring>

#include "../ops/widen.h"
#include "call.h"

namespace gv::cuda {

namespace run {
#define GV_OP(name, Rule) void name(const Call&);
#define GV_OP_TYPED(name, Rule) GV_OP(name, Rule)
#include "../ops/ops.def"
#undef GV_OP
#undef GV_OP_TYPED
}  // namespace run

const Op kKernels[] = {
#define GV_OP(name, Rule) {#name, nullptr, widened<run::name, convert>, false},
#define GV_OP_TYPED(name, Rule) {#name, nullptr, run::name, false},
#include "../ops/ops.def"
#undef GV_OP
#undef GV_OP_TYPED
};
const int kKernelCount = int(sizeof kKernels / sizeof kKernels[0]);

const char* const kNames[] = {
#define GV_OP(name, Rule) #name,
#define GV_OP_TYPED(name, Rule) GV_OP(name, Rule)
#include "../ops/ops.def"
#undef GV_OP
#undef GV_OP_TYPED
    nullptr,
};

bool graphable(const Op& op) {
  // The decompositions run on the host (linalg.cpp).
  for (const char* name : {"eigh", "sqrtm", "traceSqrtProduct"})
    if (std::strcmp(op.name, name) == 0) return false;
  return true;
}

}  // namespace gv::cuda
