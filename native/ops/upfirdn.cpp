// Shape rule of upfirdn.h.
#include "upfirdn.h"

namespace gv {

constexpr int64_t kLargest = int64_t{1} << 24;
constexpr int64_t kLargestSize = int64_t{1} << 30;

UpfirdnArgs UpfirdnArgs::decode(const Call& call) {
  UpfirdnArgs a{};
  int64_t* const numbers[] = {a.up, a.down, a.before, a.out};
  for (int k = 0; k < 4; k++) {
    for (int axis = 0; axis < 2; axis++) {
      const int64_t v = call.integer(size_t(2 * k + axis));
      const int64_t lo = k < 2 ? 1 : k == 2 ? -kLargest : 0, hi = k == 3 ? kLargestSize : kLargest;
      if (v < lo || v > hi)
        fail("ERR_ARGUMENT", "%s: up, down, padding and size must be from %lld to %lld, got %lld", call.name(),
             (long long)lo, (long long)hi, (long long)v);
      numbers[k][axis] = v;
    }
  }
  return a;
}

namespace ops {

void inferUpfirdn(Call& call) {
  call.expectInputs(2);
  call.expectFloat(0, "x");
  call.expectRank(0, 4, "x");
  call.expectDType(1, DType::F32, "the filter");
  call.expectRank(1, 2, "the filter");
  const UpfirdnArgs a = UpfirdnArgs::decode(call);
  const Shape &x = call.in[0].shape, &f = call.in[1].shape;
  if (x[1] > kLargestSize || x[2] > kLargestSize || f[0] > kLargest || f[1] > kLargest)
    fail("ERR_SHAPE", "%s: x %s or the filter %s is too large", call.name(), x.str().c_str(), f.str().c_str());
  call.emit({x[0], a.out[0], a.out[1], x[3]}, call.in[0].dtype);
}

}  // namespace ops
}  // namespace gv
