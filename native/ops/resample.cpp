// Shape rule of resample.h, and the decoding of its maps. Whatever passes here is safe to tabulate.
#include "resample.h"

namespace gv {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 30;       // indices are 32-bit, products of two sizes fit 64
constexpr int64_t kLargestParameter = int64_t{1} << 24;  // of kernels, strides, paddings
constexpr int64_t kLargestTable = int64_t{1} << 26;

int64_t bounded(const Call& call, size_t k, int64_t lo, int64_t hi, const char* what) {
  const int64_t v = call.integer(k);
  if (v < lo || v > hi)
    fail("ERR_ARGUMENT", "%s: %s must be from %lld to %lld, got %lld", call.name(), what, (long long)lo, (long long)hi,
         (long long)v);
  return v;
}

void expectCount(const Call& call, bool fits) {
  if (!fits) fail("ERR_ARGUMENT", "%s: wrong number of parameters for an axis", call.name());
}

/** Checks the parameters from attribute k on; returns how many entries a row of the table has at most. */
double checkParameters(const Call& call, const AxisMap& map, size_t k) {
  const auto size = [&](size_t i, int64_t lo, const char* what) {
    return bounded(call, k + i, lo, kLargestParameter, what);
  };
  switch (map.kind) {
    case AxisKind::Interpolate: {
      expectCount(call, map.count == 4);
      bounded(call, k, 0, int64_t(Interpolation::kCount) - 1, "the mode");
      bounded(call, k + 1, 0, 1, "alignCorners");
      bounded(call, k + 2, 0, 1, "antialias");
      const double scale = call.number(k + 3);
      if (!(scale >= 0 && scale <= double(kLargestParameter)))
        fail("ERR_ARGUMENT", "%s: the scale must be positive and finite, got %g", call.name(), scale);
      if (map.in == 0 && map.out > 0)
        fail("ERR_SHAPE", "%s: an axis of size 0 cannot be interpolated to %lld", call.name(), (long long)map.out);
      return call.number(k + 2) ? std::min(double(map.in), 4 * std::max(scale, double(map.in)) + 4) : 4;
    }
    case AxisKind::Average:
      expectCount(call, map.count == 5);
      size(1, 1, "the stride");
      size(2, 0, "the padding");
      size(3, 0, "the padding");
      bounded(call, k + 4, 0, 1, "countIncludePad");
      return std::min(double(size(0, 1, "the kernel size")), double(map.in));
    case AxisKind::Adaptive:
      expectCount(call, map.count == 0);
      if (map.in == 0 && map.out > 0)
        fail("ERR_SHAPE", "%s: an axis of size 0 cannot be pooled to %lld", call.name(), (long long)map.out);
      return map.out == 0 ? 0 : double(map.in) / double(map.out) + 2;
    case AxisKind::Border: {
      expectCount(call, map.count == 2);
      const int64_t before = size(0, 0, "the padding"), after = map.out - map.in - before;
      const auto mode = BorderMode(bounded(call, k + 1, 0, int64_t(BorderMode::kCount) - 1, "the mode"));
      const int64_t most = mode == BorderMode::Reflect ? map.in - 1 : mode == BorderMode::Circular ? map.in
                           : map.in > 0                ? kLargestParameter
                                                       : 0;
      if (after < 0 || std::max(before, after) > std::max<int64_t>(most, 0))
        fail("ERR_SHAPE", "%s: a border of %lld and %lld is too wide for an axis of size %lld", call.name(),
             (long long)before, (long long)after, (long long)map.in);
      return 1;
    }
    case AxisKind::Fir: {
      expectCount(call, map.count >= 4);
      const int64_t up = size(0, 1, "up");
      size(1, 1, "down");
      bounded(call, k + 2, -kLargestParameter, kLargestParameter, "the padding");
      return double((map.count - 3 + up - 1) / up);
    }
    case AxisKind::kCount: break;
  }
  return 0;
}

}  // namespace

ResampleArgs ResampleArgs::decode(const Call& call) {
  ResampleArgs a{};
  const int rank = call.in[0].shape.rank();
  a.transposed = bounded(call, 0, 0, 1, "transposed") != 0;
  a.axis = int(bounded(call, 1, 0, std::max(rank - 1, 0), "the axis"));
  a.axes = int(bounded(call, 2, 1, 2, "the number of axes"));
  size_t k = 3;
  for (int i = 0; i < a.axes; i++, k += size_t(a.maps[i - 1].count)) {
    AxisMap& map = a.maps[i];
    map.kind = AxisKind(bounded(call, k, 0, int64_t(AxisKind::kCount) - 1, "the kind"));
    map.in = bounded(call, k + 1, 0, kLargestSize, "a size");
    map.out = bounded(call, k + 2, 0, kLargestSize, "a size");
    map.count = bounded(call, k + 3, 0, int64_t(call.attrs.size()), "the number of parameters");
    k += 4;
    expectCount(call, k + size_t(map.count) <= call.attrs.size());
    map.parameters = call.attrs.data() + k;
    if (checkParameters(call, map, k) * double(map.out) > double(kLargestTable))
      fail("ERR_ARGUMENT", "%s: from size %lld to %lld there are more than 2^26 weights", call.name(),
           (long long)map.in, (long long)map.out);
  }
  return a;
}

namespace ops {

void inferResample(Call& call) {
  call.expectInputs(1);
  call.expectFloat(0, "x");
  const ResampleArgs a = ResampleArgs::decode(call);
  Shape y = call.in[0].shape;
  if (a.axis + a.axes > y.rank())
    fail("ERR_SHAPE", "%s: x %s has no axis %d", call.name(), y.str().c_str(), a.axis + a.axes - 1);
  for (int i = 0; i < a.axes; i++) {
    const AxisMap& map = a.maps[i];
    const int64_t from = a.transposed ? map.out : map.in;
    if (y[a.axis + i] != from)
      fail("ERR_SHAPE", "%s: expected size %lld in axis %d of x, got %s", call.name(), (long long)from, a.axis + i,
           call.in[0].shape.str().c_str());
    y[a.axis + i] = a.transposed ? map.in : map.out;
  }
  call.emit(y, call.in[0].dtype);
}

}  // namespace ops
}  // namespace gv
