// Best fit by offset: spans are placed from the largest to the smallest, each into the smallest gap that the spans
// already placed and alive at the same time leave between them (greedy by size; Pisarchyk and Lee, "Efficient memory
// management for deep neural net inference", 2020).
#include "arena.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace gv {
namespace {

constexpr size_t kAlign = 64;

}  // namespace

size_t planOffsets(std::vector<Span>& spans) {
  std::vector<size_t> order(spans.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return spans[a].bytes > spans[b].bytes; });
  std::vector<const Span*> placed;  // by offset
  size_t total = 0;
  for (size_t k : order) {
    Span& span = spans[k];
    const size_t bytes = (span.bytes + kAlign - 1) / kAlign * kAlign;
    size_t end = 0, best = std::numeric_limits<size_t>::max(), offset = 0;
    for (const Span* other : placed) {
      if (other->last < span.first || span.last < other->first) continue;
      if (other->offset > end && other->offset - end >= bytes && other->offset - end < best) {
        best = other->offset - end;
        offset = end;
      }
      end = std::max(end, other->offset + (other->bytes + kAlign - 1) / kAlign * kAlign);
    }
    span.offset = best == std::numeric_limits<size_t>::max() ? end : offset;
    total = std::max(total, span.offset + bytes);
    const auto before = [](const Span* a, const Span* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &span, before), &span);
  }
  return total;
}

char* Arena::reserve(size_t bytes) {
  if (bytes > bytes_) {
    release();
    // What single calls left in the cache has other sizes and would be held beside the arena for nothing.
    allocator_.clearCache();
    data_ = allocator_.allocate(bytes, capacity_);
    bytes_ = bytes;
  }
  return static_cast<char*>(data_);
}

void Arena::release() {
  if (data_) allocator_.free(data_, capacity_);
  data_ = nullptr;
  bytes_ = 0;
}

}  // namespace gv
