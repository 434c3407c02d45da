// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a counter-based generator,
// so element i of a draw depends on (seed, counter + i/4) alone and every device and thread count gives the same
// numbers. Shared by host and device code.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define GV_HD __host__ __device__
#else
#define GV_HD
#endif

namespace gv {

struct Philox {
  uint32_t v[4];

  // Four 32-bit words for one (key, counter) pair.
  GV_HD static inline Philox at(uint64_t key, uint64_t counter) {
    uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = 0, c3 = 0;
    uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
    for (int round = 0; round < 10; round++) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
      const uint32_t n0 = uint32_t(p1 >> 32) ^ c1 ^ k0, n2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
      c1 = uint32_t(p1);
      c3 = uint32_t(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
  }
};

// Uniform in [0, 1): 24 bits, so 1 is never reached.
GV_HD inline float uniform01(uint32_t bits) { return float(bits >> 8) * (1.0f / 16777216.0f); }
// Uniform in (0, 1], for logarithms.
GV_HD inline float uniform01Open(uint32_t bits) { return (float(bits >> 8) + 1.0f) * (1.0f / 16777216.0f); }

}  // namespace gv
