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

/** a[0] + a[1] x + ... + a[7] x^7 over 1 + b[0] x + ... + b[6] x^7. */
GV_HD inline double rational(const double (&a)[8], const double (&b)[7], double x) {
  double above = a[7], below = b[6];
  for (int i = 6; i >= 0; i--) above = above * x + a[i];
  for (int i = 5; i >= 0; i--) below = below * x + b[i];
  return above / (below * x + 1);
}

/** The inverse of normalCdf on (0, 1), to 1e-16: algorithm AS 241 (Wichura 1988). */
GV_HD inline double normalQuantile(double p) {
  constexpr double a[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                           1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                           3.3430575583588128105e+4, 2.5090809287301226727e+3};
  constexpr double b[7] = {4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
                           2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
                           5.2264952788528545610e+3};
  constexpr double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,  5.76949722146069140550e0,
                           3.64784832476320460504e0,  1.27045825245236838258e0,  2.41780725177450611770e-1,
                           2.27238449892691845833e-2, 7.74545014278341407640e-4};
  constexpr double d[7] = {2.05319162663775882187e0,  1.67638483018380384940e0,  6.89767334985100004550e-1,
                           1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
                           1.05075007164441684324e-9};
  constexpr double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                           2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                           2.71155556874348757815e-5, 2.01033439929228813265e-7};
  constexpr double f[7] = {5.99832206555887937690e-1,  1.36929880922735805310e-1,  1.48753612908506148525e-2,
                           7.86869131145613259100e-4,  1.84631831751005468180e-5,  1.42151175831644588870e-7,
                           2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (fabs(q) <= 0.425) return q * rational(a, b, 0.180625 - q * q);
  const double r = sqrt(-log(q < 0 ? p : 1 - p));
  const double z = r <= 5 ? rational(c, d, r - 1.6) : rational(e, f, r - 5);
  return q < 0 ? -z : z;
}

}  // namespace gv::ops
