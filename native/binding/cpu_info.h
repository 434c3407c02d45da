// Which instruction set the kernels use on this processor, for `ganvas doctor`.
#pragma once
#include <string>
#include <vector>

namespace gv {

struct CpuInfo {
  std::string target;                // the one in use
  std::vector<std::string> targets;  // all that are built and supported here, best first
};

CpuInfo cpuInfo();

}  // namespace gv
