#include "allocator.h"

#include <cstdlib>
#include <cstring>
#include <fstream>

#if defined(_WIN32)
#include <malloc.h>
#else
#include <sys/mman.h>
#include <unistd.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "error.h"

namespace gv {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHugePage = size_t{2} << 20;

// Eight classes per doubling waste at most 1/8 and keep the number of distinct sizes small.
size_t roundUp(size_t bytes) {
  if (bytes <= 256) return 256;
  size_t step = 256;
  while (step * 16 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

// Under AddressSanitizer the pool says which bytes of its blocks belong to someone: a kernel that reads beyond its
// tensor would otherwise stay inside the block, and one that uses a freed tensor inside the pool.
void markUsed([[maybe_unused]] void* p, [[maybe_unused]] size_t bytes, [[maybe_unused]] size_t capacity) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(p, capacity);
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(p) + bytes, capacity - bytes);
#endif
}

}  // namespace

size_t machineMemory() {
  size_t bytes = size_t{8} << 30;
#if defined(_SC_PHYS_PAGES)
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) bytes = size_t(pages) * size_t(size);
#endif
#if defined(__linux__)
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    size_t limit = 0;
    if (file >> limit && limit > 0 && limit < bytes) bytes = limit;
  }
#endif
  return bytes;
}

Allocator::Allocator(DeviceId d) : Memory(d) { stats_.limit = machineMemory(); }

void* Allocator::systemAllocate(size_t bytes) {
  const size_t align = bytes >= 2 * kHugePage ? kHugePage : kAlign;
#if defined(_WIN32)
  return _aligned_malloc(bytes, align);
#else
  void* p = nullptr;
  if (posix_memalign(&p, align, bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (align == kHugePage) madvise(p, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return p;
#endif
}

void Allocator::systemFree(void* p, size_t) {
#if defined(_WIN32)
  _aligned_free(p);
#else
  std::free(p);
#endif
}

void* Allocator::allocate(size_t bytes, size_t& capacity) {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t size = roundUp(bytes);
  void* p = nullptr;
  // A cached block up to an eighth larger serves as well: batches at the end of an epoch, odd image sizes.
  auto it = cache_.lower_bound(size);
  if (it != cache_.end() && it->first <= size + size / 8) {
    capacity = it->first;
    p = it->second.back();
    it->second.pop_back();
    if (it->second.empty()) cache_.erase(it);
    stats_.cached -= capacity;
  } else {
    capacity = size;
    const bool over = size > stats_.limit || stats_.live > stats_.limit - size;
    if (!over) {
      if (stats_.live + stats_.cached > stats_.limit - size) clearCacheLocked();
      p = systemAllocate(size);
      if (!p) {
        clearCacheLocked();
        p = systemAllocate(size);
      }
    }
    if (!p)
      fail("ERR_OUT_OF_MEMORY",
           "out of memory on the %s: asked for %zu bytes with %zu bytes in use and a limit of %zu bytes; use a smaller "
           "batch or model, or raise setMemoryLimit()",
           name(device), bytes, stats_.live, stats_.limit);
  }
  if (device == DeviceId::Cpu) markUsed(p, bytes, capacity);
  stats_.live += capacity;
  if (stats_.live > stats_.peak) stats_.peak = stats_.live;
  return p;
}

void Allocator::free(void* p, size_t capacity) noexcept {
  if (!p) return;
  std::lock_guard<std::mutex> lock(mutex_);
  if (device == DeviceId::Cpu) markUsed(p, 0, capacity);
  stats_.live -= capacity;
  stats_.cached += capacity;
  cache_[capacity].push_back(p);
}

MemoryStats Allocator::stats() {
  std::lock_guard<std::mutex> lock(mutex_);
  return stats_;
}

void Allocator::resetPeak() {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.peak = stats_.live;
}

void Allocator::setLimit(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  stats_.limit = bytes;
  if (stats_.live + stats_.cached > bytes) clearCacheLocked();
}

void Allocator::clearCache() {
  std::lock_guard<std::mutex> lock(mutex_);
  clearCacheLocked();
}

void Allocator::clearCacheLocked() {
  for (auto& [size, blocks] : cache_)
    for (void* p : blocks) {
      if (device == DeviceId::Cpu) markUsed(p, size, size);
      systemFree(p, size);
    }
  cache_.clear();
  stats_.cached = 0;
}

}  // namespace gv
