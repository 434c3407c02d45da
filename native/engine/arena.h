// Memory for what lives only while a program runs. Lifetimes are known beforehand, so every intermediate gets a fixed
// offset, and since a stream runs one program at a time, all programs of a stream share one block of the largest size.
#pragma once
#include <cstdint>
#include <vector>

#include "allocator.h"

namespace gv {

/** One intermediate: alive from step `first` to step `last`, both included. */
struct Span {
  size_t bytes;
  size_t first, last;
  size_t offset = 0;  // filled in by planOffsets
};

/** Gives spans that are alive together different places; returns the size of the whole. */
size_t planOffsets(std::vector<Span>& spans);

class Arena {
 public:
  explicit Arena(Allocator& allocator) : allocator_(allocator) {}
  ~Arena() { release(); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /** At least `bytes`, at a place that stays the same until more is asked for. Called by the stream's thread alone. */
  char* reserve(size_t bytes);

 private:
  void release();
  Allocator& allocator_;
  void* data_ = nullptr;
  size_t bytes_ = 0, capacity_ = 0;
};

}  // namespace gv
