// Walking an array in vectors, tail included: one loop body for whole vectors and for the last few elements.
// Include after cpu/simd.h; compiled per target.
#if defined(GV_CPU_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_LANES_INL_H
#undef GV_CPU_LANES_INL_H
#else
#define GV_CPU_LANES_INL_H
#endif

#include <cstdint>

#include "cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// How a body given to overLanes reads and writes its vector: all lanes, or the first few (the others read as 0).
// T is float or BF16.
struct WholeVector {
  template <class T> HWY_INLINE V load(const T* p) const { return LoadLanes(p); }
  template <class T> HWY_INLINE void store(V v, T* p) const { StoreLanes(v, p); }
};

struct PartVector {
  size_t count;
  template <class T> HWY_INLINE V load(const T* p) const { return LoadFirst(p, count); }
  template <class T> HWY_INLINE void store(V v, T* p) const { StoreFirst(v, p, count); }
};

/** Calls body(j, access) for j = 0, kLanes, 2 kLanes, ... below n; the last access may be a PartVector. */
template <class Body>
HWY_INLINE void overLanes(int64_t n, const Body& body) {
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) body(j, WholeVector());
  if (j < n) body(j, PartVector{size_t(n - j)});
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
