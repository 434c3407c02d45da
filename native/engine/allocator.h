// Caching pool of 64-byte-aligned blocks. Freed blocks are kept by size and handed out again, because a training
// step asks for the same sizes over and over and the system allocator would return large ones to the kernel each
// time. Thread-safe: blocks are taken by the stream thread and returned by whichever thread drops the last reference.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "memory.h"

namespace gv {

struct MemoryStats {
  size_t live = 0, peak = 0, cached = 0, limit = 0;
};

class Allocator : public Memory {
 public:
  explicit Allocator(DeviceId device);

  void* allocate(size_t bytes, size_t& capacity) override;
  void free(void* p, size_t capacity) noexcept override;

  MemoryStats stats();
  void resetPeak();
  void setLimit(size_t bytes);
  void clearCache();

 protected:
  virtual void* systemAllocate(size_t bytes);
  virtual void systemFree(void* p, size_t bytes);

 private:
  void clearCacheLocked();
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> cache_;
  MemoryStats stats_;
};

// Bytes this process may use: physical memory, or the control group's limit where that is lower.
size_t machineMemory();

}  // namespace gv
