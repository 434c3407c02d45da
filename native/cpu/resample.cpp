// Kernel of ops/resample.h. Along the first axis whole rows are mixed, vectors across row and channels; the mixed row
// stays in cache while the second axis is mixed pixel by pixel, vectors across channels.
#include "ops/resample.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/resample.cpp"
#include "cpu/simd.h"

#include "cpu/lanes-inl.h"

#ifndef GV_CPU_RESAMPLE_CPP
#define GV_CPU_RESAMPLE_CPP
namespace gv::cpu {
namespace {

/** What one result is a sum of: items of `n` floats, `stride` apart. */
struct Mixture {
  const int32_t* from;
  const float* weight;
  int64_t count;

  Mixture(const AxisWeights& w, int64_t row)
      : from(w.from.data() + w.begin[row]),
        weight(w.weight.data() + w.begin[row]),
        count(w.begin[row + 1] - w.begin[row]) {}
  bool copies() const { return count == 1 && weight[0] == 1; }
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

template <int N>
HWY_INLINE void MixVectors(const Mixture& m, const float* x, int64_t stride, float* to) {
  V sum[N];
  for (int i = 0; i < N; i++) sum[i] = hn::Zero(D());
  for (int64_t k = 0; k < m.count; k++) {
    const V weight = hn::Set(D(), m.weight[k]);
    const float* const p = x + m.from[k] * stride;
    for (int i = 0; i < N; i++) sum[i] = hn::MulAdd(weight, hn::LoadU(D(), p + i * kLanes), sum[i]);
  }
  for (int i = 0; i < N; i++) hn::StoreU(sum[i], D(), to + i * kLanes);
}

HWY_INLINE void MixOne(const Mixture& m, const float* x, int64_t stride, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) MixVectors<4>(m, x + i, stride, to + i);
  for (; i + kLanes <= n; i += kLanes) MixVectors<1>(m, x + i, stride, to + i);
  if (i == n) return;
  V sum = hn::Zero(D());
  for (int64_t k = 0; k < m.count; k++)
    sum = hn::MulAdd(hn::Set(D(), m.weight[k]), LoadFirst(x + m.from[k] * stride + i, n - i), sum);
  StoreFirst(sum, to + i, n - i);
}

}  // namespace

/** to[i] = sum_k weight[k] x[from[k] * stride + i] for i < n. */
void ResampleRow(const AxisWeights& w, int64_t row, const float* x, int64_t stride, int64_t n, float* to) {
  MixOne(Mixture(w, row), x, stride, n, to);
}

/** Every pixel of a row of pixels of n channels. */
void ResamplePixels(const AxisWeights& w, const float* x, int64_t n, float* to) {
  for (int64_t j = 0; j < w.rows(); j++) MixOne(Mixture(w, j), x, n, n, to + j * n);
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ResampleRow);
HWY_EXPORT(ResamplePixels);

namespace run {

void resample(const Call& call) {
  if (call.out[0].size() == 0) return;
  const ResampleArgs a = ResampleArgs::decode(call);
  const Shape& shape = call.out[0].shape;
  const bool both = a.axes == 2;
  const AxisWeights rows = axisWeights(a.maps[0], a.transposed);
  const AxisWeights columns = both ? axisWeights(a.maps[1], a.transposed) : AxisWeights();
  const int64_t outer = shape.count(0, a.axis), height = rows.rows();
  const int64_t channels = shape.count(a.axis + a.axes, shape.rank());
  const int64_t width = both ? columns.rows() : 1;
  const int64_t sourceHeight = call.in[0].shape[a.axis];
  const int64_t sourceRow = both ? call.in[0].shape[a.axis + 1] * channels : channels, row = width * channels;
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  const auto mixRow = HWY_DYNAMIC_DISPATCH(ResampleRow);
  const auto mixPixels = HWY_DYNAMIC_DISPATCH(ResamplePixels);
  const int64_t taps = int64_t(rows.from.size()) / height + 1;
  parallelRange(outer * height, 32768 / (row + sourceRow * taps) + 1, [&](int64_t begin, int64_t end) {
    float* const mixed = both ? scratch(kScratchOther, size_t(sourceRow)) : nullptr;
    for (int64_t r = begin; r < end; r++) {
      const int64_t i = r % height;
      const float* const source = x + r / height * sourceHeight * sourceRow;
      float* const to = y + r * row;
      if (r > begin && i > 0 && rows.same(i, i - 1)) {
        std::memcpy(to, to - row, size_t(row) * sizeof(float));
        continue;
      }
      const Mixture m(rows, i);
      if (!both) {
        mixRow(rows, i, source, sourceRow, sourceRow, to);
      } else if (m.copies()) {
        mixPixels(columns, source + m.from[0] * sourceRow, channels, to);
      } else {
        mixRow(rows, i, source, sourceRow, sourceRow, mixed);
        mixPixels(columns, mixed, channels, to);
      }
    }
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
