// Shape rule of max_pool.h.
#include "max_pool.h"

namespace gv {

constexpr int64_t kLargest = int64_t{1} << 24;
constexpr int64_t kLargestSize = int64_t{1} << 30;

MaxPoolArgs MaxPoolArgs::decode(const Call& call) {
  const Shape& x = call.in[0].shape;
  const int spatial = x.rank() - 2;
  MaxPoolArgs a{};
  for (PoolAxis& axis : a.axis) axis = {1, 1, 1, 1, 0, 1, false};
  for (int i = 0; i < spatial; i++) {
    PoolAxis& axis = a.axis[3 - spatial + i];
    axis.in = x[1 + i];
    int64_t* const numbers[] = {&axis.kernel, &axis.stride, &axis.before, &axis.dilation, &axis.out};
    for (int k = 0; k < 5; k++) {
      *numbers[k] = call.integer(size_t(6 * i + k));
      const int64_t lo = k == 2 || k == 4 ? 0 : 1, hi = k == 4 ? kLargestSize : kLargest;
      if (*numbers[k] < lo || *numbers[k] > hi)
        fail("ERR_ARGUMENT", "%s: kernel, stride, padding, dilation and size must be from %d to %lld, got %lld",
             call.name(), int(lo), (long long)hi, (long long)*numbers[k]);
    }
    axis.adaptive = call.integer(size_t(6 * i + 5)) != 0;
  }
  return a;
}

namespace ops {

void inferMaxPool(Call& call) {
  call.expectInputs(1);
  call.expectFloat(0, "x");
  const Shape& x = call.in[0].shape;
  const int spatial = x.rank() - 2;
  if (spatial < 1 || spatial > 3)
    fail("ERR_SHAPE", "%s: x must be [N, L, C], [N, H, W, C] or [N, D, H, W, C], got %s", call.name(), x.str().c_str());
  if (call.attrs.size() != size_t(6 * spatial))
    fail("ERR_ARGUMENT", "%s: expected %d numbers for x %s, got %zu", call.name(), 6 * spatial, x.str().c_str(),
         call.attrs.size());
  const MaxPoolArgs a = MaxPoolArgs::decode(call);
  Shape y{x[0]};
  int64_t positions = 1;
  for (int i = 3 - spatial; i < 3; i++) {
    const PoolAxis& axis = a.axis[i];
    bool fits = axis.in > 0 && axis.in <= kLargestSize;
    // Every window must hold an element: those that start in the border before x, and the last one.
    if (!axis.adaptive && fits && axis.out > 0) {
      fits = axis.before <= (axis.kernel - 1) * axis.dilation && (axis.out - 1) * axis.stride - axis.before < axis.in;
      for (int64_t o = 0; fits && o < axis.out && o * axis.stride < axis.before; o++)
        fits = axis.window(o).begin < axis.in;
    }
    if (axis.out > 0 && !fits)
      fail("ERR_SHAPE", "%s: some windows of kernel %lld, stride %lld, padding %lld hold nothing of x %s", call.name(),
           (long long)axis.kernel, (long long)axis.stride, (long long)axis.before, x.str().c_str());
    if (positions > INT32_MAX / std::max<int64_t>(axis.in, 1))
      fail("ERR_SHAPE", "%s: x %s has too many positions for 32-bit indices", call.name(), x.str().c_str());
    positions *= std::max<int64_t>(axis.in, 1);
    y.push(axis.out);
  }
  y.push(x.last());
  call.emit(y, call.in[0].dtype);
  call.emit(y, DType::I32);
}

}  // namespace ops
}  // namespace gv
