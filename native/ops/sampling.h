// Draws that are more than one number each, made from Philox words as in random.h: attributes begin with [keyHigh,
// keyLow, counterHigh, counterLow]. Word w of a draw is word w % 4 of Philox::at(key, counter + w / 4).
//
//   randint           attrs [.., lo, hi, rank, dims...]   i32 in [lo, hi); element i takes word i
//   randperm          attrs [.., n]                       i32 [n], 0 to n - 1 in random order (Fisher, Yates); n words
//   truncatedNormal   attrs [.., mean, std, lo, hi, rank, dims...]   mean + std z, z normal between lo and hi (in
//                     standard deviations), by inversion; element i takes word i
//   multinomial(w)    attrs [.., n, replacement, logits]  w f32 [..., K] -> i32 [..., n]: positions drawn with
//                     probabilities proportional to w (to exp(w) where logits is 1). With replacement draw j of row r
//                     takes words 2 (r n + j) and the next; without, element k of row r takes words 2 (r K + k) and
//                     the next and the n greatest of log w_k - log(-log u_k) are taken (Gumbel; Yellott 1977).
//
// The kernel of multinomial reports (ERR_ARGUMENT) a weight that is negative or not finite (a logit that is NaN or
// +inf) and a row with fewer than n (with replacement: one) elements of non-zero weight.
#pragma once
#include "attrs.h"
#include "engine/philox.h"

namespace gv::ops {

struct PhiloxState {
  uint64_t key, counter;

  explicit PhiloxState(const Call& call)
      : key(word(call, 0) << 32 | word(call, 1)), counter(word(call, 2) << 32 | word(call, 3)) {}

  /** A number in (0, 1) from words 2 i and 2 i + 1: 53 bits, so that rare events keep their probability. */
  GV_HD double uniform(int64_t i) const {
    const Philox p = Philox::at(key, counter + uint64_t(i >> 1));
    const uint32_t* const v = p.v + 2 * (i & 1);
    return (double((uint64_t(v[0]) << 32 | v[1]) >> 11) + 0.5) * 0x1p-53;
  }

 private:
  static uint64_t word(const Call& call, size_t k) {
    const int64_t v = call.integer(k);
    if (v < 0 || v > 0xFFFFFFFFll)
      fail("ERR_ARGUMENT", "%s: a seed or counter word must lie in [0, 2^32), got %lld", call.name(), (long long)v);
    return uint64_t(v);
  }
};

/** The normal distribution function. */
inline double normalCdf(double z) { return 0.5 * std::erfc(-z * 0.70710678118654752440); }

/** Its inverse on (0, 1), to 1e-16: algorithm AS 241 (Wichura 1988). */
double normalQuantile(double p);

}  // namespace gv::ops
