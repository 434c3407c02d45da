// Shape rules of ops/sampling.h.
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

}  // namespace gv::ops
