// Where tensors and temporaries get their bytes: the interface that storages know. The caching pool behind it is
// allocator.h; a device plugin sees the pool of the process through this interface.
#pragma once
#include <cstddef>

namespace gv {

/** Where a tensor lives. The numbers are part of the contract with src/native.ts (`devices`). */
enum class DeviceId { Cpu = 0, Cuda = 1 };
constexpr int kDevices = 2;

constexpr const char* name(DeviceId device) { return device == DeviceId::Cpu ? "cpu" : "cuda"; }

class Memory {
 public:
  explicit Memory(DeviceId d) : device(d) {}
  virtual ~Memory() = default;

  /** Block sizes are rounded: `capacity` tells how much belongs to the caller and must be given back with free(). */
  virtual void* allocate(size_t bytes, size_t& capacity) = 0;
  virtual void free(void* p, size_t capacity) noexcept = 0;

  const DeviceId device;
};

}  // namespace gv
