// The CPU as a device: kernels run at once, memory is the host's.
#pragma once
#include "engine/backend.h"

namespace gv::cpu {

class CpuBackend : public Backend {
 public:
  void begin() override;
  void run(const Call& call) override { call.op->run(call); }
  void copy(void* to, const void* from, size_t bytes) override;
  std::shared_ptr<void> stage(size_t bytes) override;
  void upload(void* to, const std::shared_ptr<void>& staged, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  bool onHost() const override { return true; }
};

}  // namespace gv::cpu
