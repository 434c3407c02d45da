// Copies between two strided views of memory: what transpose, slice, concat and broadcastTo have in common.
// Strides are in elements and may be 0 or negative for the source; only the element's size matters, not its dtype.
#pragma once
#include <cstddef>
#include <cstdint>

#include "engine/shape.h"

namespace gv::cpu {

struct StridedCopy {
  int rank = 0;
  int64_t size[kMaxRank], from[kMaxRank], to[kMaxRank];

  void push(int64_t n, int64_t fromStride, int64_t toStride) {
    size[rank] = n;
    from[rank] = fromStride;
    to[rank] = toStride;
    rank++;
  }
};

/** out[Σ i to] = in[Σ i from] for every index i. Each element of `out` must be written once. */
void stridedCopy(void* out, const void* in, StridedCopy view, size_t itemSize);

}  // namespace gv::cpu
