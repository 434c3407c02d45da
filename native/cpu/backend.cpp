#include "cpu/backend.h"

#include <cstring>

#include "cpu/pool.h"

namespace gv::cpu {

void CpuBackend::begin() { bindCaller(); }

void CpuBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes) std::memcpy(to, from, bytes);
}

std::shared_ptr<void> CpuBackend::stage(size_t bytes) {
  return std::shared_ptr<void>(new char[bytes], [](void* p) { delete[] static_cast<char*>(p); });
}

void CpuBackend::upload(void* to, const std::shared_ptr<void>& staged, size_t bytes) { copy(to, staged.get(), bytes); }

}  // namespace gv::cpu
