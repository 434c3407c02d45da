// Chooses the instruction set once, when the library is loaded.
//
// Without this the first HWY_DYNAMIC_DISPATCH returns a function that asks the processor on every call; a kernel that
// looks it up once and calls it a thousand times would pay for it (CPUID traps to the host in a virtual machine).
#include "hwy/targets.h"

namespace gv::cpu {
namespace {

[[maybe_unused]] const bool chosen = [] {
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  return true;
}();

}  // namespace
}  // namespace gv::cpu
