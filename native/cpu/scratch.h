// Private working memory of a kernel: a few grow-only buffers per thread, aligned to a cache line.
//
// Not tensors: nothing here is counted or shared, and a buffer's contents last only until the same thread
// asks for the same slot again. A kernel that calls another one must not hold a slot the other one uses.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace gv::cpu {

/** The slots, by use; one line per use keeps two kernels that call one another from sharing a buffer. */
enum ScratchSlot : int {
  kScratchPackA,      // the packed panels of the left operand, private to a thread
  kScratchPackB,      // the packed panels of the right operand, held by the caller and read by the workers
  kScratchPartial,    // partial sums, held by the caller, one part per chunk
  kScratchConv,       // a convolution's rearranged operand, held by the caller
  kScratchConvChunk,  // a convolution's working rows, private to a thread
  kScratchAttention,  // a pair of blocks of attention scores, private to a thread
  kScratchAmx,        // the packed panels of a matrix product on AMX, private to a thread
  kScratchWide,       // float32 twins of bf16 operands and results, held by the caller
  kScratchOther,      // for a kernel that calls none of the above
  kScratchSlots,
};

namespace detail {
struct ScratchBuffer {
  void* data = nullptr;
  size_t floats = 0;
  ScratchBuffer() = default;
  ScratchBuffer(const ScratchBuffer&) = delete;
  ScratchBuffer& operator=(const ScratchBuffer&) = delete;
  ~ScratchBuffer() { std::free(data); }
};
inline thread_local ScratchBuffer scratchBuffers[kScratchSlots];
}  // namespace detail

/** This thread's buffer `slot` with room for at least `floats` floats, 64-byte aligned, contents undefined. */
inline float* scratch(int slot, size_t floats) {
  detail::ScratchBuffer& buffer = detail::scratchBuffers[slot];
  if (floats > buffer.floats) {
    std::free(buffer.data);
    buffer.data = nullptr;
    buffer.floats = 0;
    // Large buffers lie on 2 MB pages where the system has them: packed panels touch too many small ones.
    constexpr size_t kHugePage = size_t{1} << 21;
    const size_t page = floats * sizeof(float) >= kHugePage / 2 ? kHugePage : 4096;
    const size_t bytes = (floats * sizeof(float) + page - 1) / page * page;
    void* data = nullptr;
    if (posix_memalign(&data, page, bytes) != 0) throw std::bad_alloc();
#if defined(__linux__)
    if (page == kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
#endif
    buffer.data = data;
    buffer.floats = bytes / sizeof(float);
  }
  return static_cast<float*>(buffer.data);
}

}  // namespace gv::cpu
