// For kernels that only move elements: as many bytes at once as addresses and distances allow, and 32-bit arithmetic of
// positions where they are few enough, because division is what such kernels spend their time on.
#pragma once
#include <cstdint>

namespace gv::cuda {

struct alignas(16) Sixteen {
  uint32_t word[4];
};

/** The widest unit, from `item` to 16 bytes, that divides all addresses and distances, or-ed together in `bits`. */
inline int widestUnit(int item, uint64_t bits) {
  while (item < 16 && bits % uint64_t(2 * item) == 0) item *= 2;
  return item;
}

inline uint64_t addressBits(const void* p) { return uint64_t(reinterpret_cast<uintptr_t>(p)); }

/** f(T()) with T the type that moves a unit. */
template <class F>
void byUnit(int bytes, const F& f) {
  switch (bytes) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    case 8: return f(uint64_t());
    default: return f(Sixteen());
  }
}

/** f(I()) with I the type in which positions below n are computed. */
template <class F>
void byIndex(int64_t n, const F& f) {
  if (n <= 0x7FFFFFFF) return f(uint32_t());
  f(uint64_t());
}

}  // namespace gv::cuda
