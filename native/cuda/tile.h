// What kernels that multiply in shared memory have in common (product.h, attention.cu): reading a slice of an operand,
// and the sums of outer products that a thread keeps in registers.
//
// An operand is a small struct with
//   depthFirst                whether neighbours in depth are neighbours in memory (a constant or a member)
//   Outer outer(batch, i)     what is known of row (or column) i of product `batch`; i may lie beyond the end
//   Depth depth(k)            the same of step k of the sums
//   float at(outer, depth)    the element
#pragma once
#include "pack.h"

// Loops over arrays that are to stay in registers.
#ifdef __CUDA_ARCH__
#define GV_UNROLL _Pragma("unroll")
#else
#define GV_UNROLL
#endif

namespace gv::cuda {

constexpr int kStep = 16;  // of the depth that is in shared memory at a time

/** The number at p as f32. */
template <class T> GV_HD float loadNumber(const T* p) { return loadPack<1>(p).at[0]; }

/** A matrix: element (i, k) of product b at data[b batchStep + i outerStep + k depthStep]. */
template <class T>
struct Matrix {
  const T* data;
  int64_t outerStep, depthStep, batchStep;
  bool depthFirst;

  using Outer = const T*;
  using Depth = int64_t;
  GV_HD Outer outer(int64_t batch, int64_t i) const { return data + batch * batchStep + i * outerStep; }
  GV_HD Depth depth(int64_t k) const { return k * depthStep; }
  GV_HD float at(Outer from, Depth k) const { return loadNumber(from + k); }
};

/** Four numbers that are read at once. */
struct alignas(16) Four {
  float v[4];
};

/**
 * A thread's share of a slice of kStep by kCount elements of an operand: read() fetches it from the
 * tensor into registers, with zeros beyond the ends, write() puts it into shared memory, element (k, i) at k pitch + i.
 */
template <class Operand, int kCount, int kThreads>
class SliceReader {
 public:
  GV_HD SliceReader(const Operand& operand, int thread, int64_t batch, int64_t first, int64_t count)
      : thread_(thread), depthFirst_(operand.depthFirst) {
    GV_UNROLL
    for (int r = 0; r < kShare; r++) {
      const int64_t i = first + outerOf(r);
      inside_[r] = i < count;
      outer_[r] = operand.outer(batch, i);
    }
  }

  GV_HD void read(const Operand& operand, int64_t k0, int64_t end) {
    typename Operand::Depth depth = operand.depth(k0 + depthOf(0));
    GV_UNROLL
    for (int r = 0; r < kShare; r++) {
      if (r > 0 && !depthFirst_) depth = operand.depth(k0 + depthOf(r));
      value_[r] = inside_[r] && k0 + depthOf(r) < end ? operand.at(outer_[r], depth) : 0.0f;
    }
  }

  GV_HD void write(float* shared, int pitch) const {
    GV_UNROLL
    for (int r = 0; r < kShare; r++) shared[depthOf(r) * pitch + outerOf(r)] = value_[r];
  }

 private:
  static constexpr int kShare = kCount * kStep / kThreads;
  static_assert(kShare * kThreads == kCount * kStep, "equal shares");

  // Neighbouring threads take neighbours in memory.
  GV_HD int outerOf(int r) const {
    const int e = thread_ + r * kThreads;
    return depthFirst_ ? e / kStep : e % kCount;
  }
  GV_HD int depthOf(int r) const {
    const int e = thread_ + r * kThreads;
    return depthFirst_ ? e % kStep : e / kCount;
  }

  int thread_;
  bool depthFirst_;
  bool inside_[kShare];
  float value_[kShare];
  typename Operand::Outer outer_[kShare];
};

/**
 * sums[i][j] += Σ_k left[k][i] right[k][column(j)] over kDepth steps, with 4 rows and kEach columns: two neighbours,
 * or groups of four, kSpread apart.
 */
template <int kDepth, int kSpread, int kEach>
GV_HD inline void addOuterProducts(const float* left, int leftPitch, const float* right, int rightPitch,
                                   float (&sums)[4][kEach]) {
  static_assert(kEach == 2 || kEach % 4 == 0, "see above");
  for (int k = 0; k < kDepth; k++) {
    const Four a = *reinterpret_cast<const Four*>(left + k * leftPitch);
    const float* const row = right + k * rightPitch;
    float b[kEach];
    if constexpr (kEach == 2) {
      b[0] = row[0];
      b[1] = row[1];
    } else {
      for (int j = 0; j < kEach; j += 4) {
        const Four four = *reinterpret_cast<const Four*>(row + j / 4 * kSpread);
        for (int i = 0; i < 4; i++) b[j + i] = four.v[i];
      }
    }
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < kEach; j++) sums[i][j] += a.v[i] * b[j];
  }
}

}  // namespace gv::cuda
