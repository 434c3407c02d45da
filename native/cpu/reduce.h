// The inner loops of a reduction behind untyped pointers, so that its driver (reduce.cpp) is written once for all
// operations and element types.
#pragma once
#include <cstddef>
#include <cstdint>

namespace gv::cpu {

/** One operation on one element type. A `part` is a running result, wider than the elements for sums. */
struct FoldKernels {
  size_t partSize, outSize;
  /** part[0..width) = the fold of `rows` >= 1 rows that lie `stride` elements apart. */
  void (*rows)(const void* x, int64_t rows, int64_t stride, int64_t width, void* part);
  /** part[0] = the fold of n >= 1 elements. */
  void (*row)(const void* x, int64_t n, void* part);
  /** y[i] = the fold of row i of `rows` rows of n >= 1 elements. */
  void (*eachRow)(const void* x, int64_t rows, int64_t n, void* y);
  void (*combine)(void* into, const void* part, int64_t n);
  void (*store)(const void* part, int64_t n, void* y);
};

}  // namespace gv::cpu
