// Shape rules of ops/sampling.h, and the quantiles of the normal distribution.
#include "sampling.h"

namespace gv::ops {

void inferRandint(Call& call) {
  call.expectInputs(0);
  const PhiloxState state(call);
  const int64_t lo = call.integer(4), hi = call.integer(5);
  if (lo < -2147483648ll || hi > 2147483648ll || lo >= hi)
    fail("ERR_ARGUMENT", "%s: low must be below high, both in the range of i32, got %lld and %lld", call.name(),
         (long long)lo, (long long)hi);
  call.emit(shapeAttr(call, 6), DType::I32);
}

void inferRandperm(Call& call) {
  call.expectInputs(0);
  const PhiloxState state(call);
  const int64_t n = call.integer(4);
  if (n < 0 || n > 0x7FFFFFFF)
    fail("ERR_ARGUMENT", "%s: n must lie in [0, 2^31), got %lld", call.name(), (long long)n);
  call.emit({n}, DType::I32);
}

void inferTruncatedNormal(Call& call) {
  call.expectInputs(0);
  const PhiloxState state(call);
  const double mean = call.number(4), deviation = call.number(5), lo = call.number(6), hi = call.number(7);
  if (!std::isfinite(mean) || !(deviation >= 0) || !std::isfinite(deviation) || !(lo < hi))
    fail("ERR_ARGUMENT", "%s: expected a finite mean, std >= 0 and low < high, got %g, %g, %g and %g", call.name(),
         mean, deviation, lo, hi);
  call.emit(shapeAttr(call, 8), DType::F32);
}

void inferMultinomial(Call& call) {
  call.expectInputs(1);
  call.expectFloat(0, "the weights");
  const PhiloxState state(call);
  Shape shape = call.in[0].shape;
  if (shape.rank() == 0) fail("ERR_SHAPE", "%s: the weights must have at least one dimension", call.name());
  const int64_t n = call.integer(4), classes = shape.last();
  const bool replacement = call.integer(5) != 0;
  if (n < 0 || (!replacement && n > classes))
    fail("ERR_ARGUMENT", "%s: cannot draw %lld of %lld elements without replacement", call.name(), (long long)n,
         (long long)classes);
  shape[shape.rank() - 1] = n;
  call.emit(shape, DType::I32);
}

namespace {

/** a[0] + a[1] x + ... + a[7] x^7 over 1 + b[0] x + ... + b[6] x^7. */
double ratio(const double (&a)[8], const double (&b)[7], double x) {
  double above = a[7], below = b[6];
  for (int i = 6; i >= 0; i--) above = above * x + a[i];
  for (int i = 5; i >= 0; i--) below = below * x + b[i];
  return above / (below * x + 1);
}

}  // namespace

double normalQuantile(double p) {
  static constexpr double a[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                                  1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                  3.3430575583588128105e+4, 2.5090809287301226727e+3};
  static constexpr double b[7] = {4.2313330701600911252e+1, 6.8718700749205790830e+2, 5.3941960214247511077e+3,
                                  2.1213794301586595867e+4, 3.9307895800092710610e+4, 2.8729085735721942674e+4,
                                  5.2264952788528545610e+3};
  static constexpr double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,  5.76949722146069140550e0,
                                  3.64784832476320460504e0,  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[7] = {2.05319162663775882187e0,  1.67638483018380384940e0,  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
  static constexpr double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,
                                  2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[7] = {5.99832206555887937690e-1,  1.36929880922735805310e-1,  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,  1.84631831751005468180e-5,  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) return q * ratio(a, b, 0.180625 - q * q);
  const double r = std::sqrt(-std::log(q < 0 ? p : 1 - p));
  const double z = r <= 5 ? ratio(c, d, r - 1.6) : ratio(e, f, r - 5);
  return q < 0 ? -z : z;
}

}  // namespace gv::ops
