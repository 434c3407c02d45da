#include "binding/cpu_info.h"

#include "cpu/amx.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "binding/cpu_info.cpp"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace gv::HWY_NAMESPACE {
int64_t Target() { return HWY_TARGET; }
}  // namespace gv::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv {
HWY_EXPORT(Target);

CpuInfo cpuInfo() {
  CpuInfo info;
  info.target = hwy::TargetName(HWY_DYNAMIC_DISPATCH(Target)());
  for (int64_t target : hwy::SupportedAndGeneratedTargets()) info.targets.push_back(hwy::TargetName(target));
  // Not one of Highway's: the matrix products use it beside the vectors.
  if (cpu::amxAvailable()) {
    info.target += "+AMX";
    info.targets.insert(info.targets.begin(), "AMX");
  }
  return info;
}

}  // namespace gv
#endif
