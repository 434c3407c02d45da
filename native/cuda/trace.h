// GANVAS_NVTX=1: each op is a named range on NVIDIA's timeline (Nsight Systems). Costs one branch per op when off.
#pragma once

namespace gv::cuda {

class Range {
 public:
  explicit Range(const char* name);
  ~Range();
  Range(const Range&) = delete;
  Range& operator=(const Range&) = delete;
};

}  // namespace gv::cuda
