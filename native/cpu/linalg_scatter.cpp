// covariance and moments of ops/linalg.h: Σ (x - mean)(x - mean)ᵀ in f64, in two passes over x.
//
// Rows are centred, widened and packed some hundreds at a time into strips of kStrip columns; a task multiplies two
// strips. Only strips on and above the diagonal are computed; the rest is copied. Sums are taken in order of the rows.
#include <algorithm>
#include <limits>

#include "cpu/pool.h"
#include "ops/linalg.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/linalg_scatter.cpp"
#include "cpu/simd.h"
#include "cpu/simd-inl.h"

#ifndef GV_CPU_LINALG_SCATTER_ONCE
#define GV_CPU_LINALG_SCATTER_ONCE
namespace gv::cpu {
namespace {
constexpr int64_t kStrip = 16;
constexpr int64_t kChunkRows = 256;  // two strips of doubles take 64 KiB
}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** c [kStrip, kStrip] (rows ldc apart) += aᵀ b, a and b strips of `rows` rows. */
void ScatterTile(const double* a, const double* b, int64_t rows, double* c, int64_t ldc) {
  const hn::ScalableTag<double> d;
  constexpr int kWide = int(hn::MaxLanes(hn::ScalableTag<double>()));
  constexpr int kVectors = int(kStrip) / kWide, kRows = 4;
  for (int64_t i = 0; i < kStrip; i += kRows) {
    hn::Vec<hn::ScalableTag<double>> sum[kRows][kVectors];
    for (auto& row : sum)
      for (auto& s : row) s = hn::Zero(d);
    for (int64_t r = 0; r < rows; r++) {
      const double *ar = a + r * kStrip + i, *br = b + r * kStrip;
      for (int u = 0; u < kRows; u++) {
        const auto factor = hn::Set(d, ar[u]);
        for (int v = 0; v < kVectors; v++) sum[u][v] = hn::MulAdd(factor, hn::LoadU(d, br + v * kWide), sum[u][v]);
      }
    }
    for (int u = 0; u < kRows; u++) {
      double* const row = c + (i + u) * ldc;
      for (int v = 0; v < kVectors; v++)
        hn::StoreU(hn::Add(hn::LoadU(d, row + v * kWide), sum[u][v]), d, row + v * kWide);
    }
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ScatterTile);

namespace {

/** mean [d] of the columns of x [n, d]; NaN when there are no rows. */
void columnMeans(const float* x, int64_t n, int64_t d, double* mean) {
  const int64_t grain = std::max(kStrip, int64_t{16384} / std::max<int64_t>(n, 1));
  parallelRange(d, grain, [=](int64_t begin, int64_t end) {
    std::fill(mean + begin, mean + end, 0.0);
    for (int64_t r = 0; r < n; r++)
      for (int64_t c = begin; c < end; c++) mean[c] += double(x[r * d + c]);
    for (int64_t c = begin; c < end; c++) mean[c] /= double(n);
  });
}

/** mean [d] and scatter matrix [d, d] of x [n, d]. */
void scatter(const Call& call, double* mean, double* matrix) {
  const Tensor& input = call.in[0];
  const int64_t n = input.shape[0], d = input.shape[1], strips = (d + kStrip - 1) / kStrip, wide = strips * kStrip;
  const float* const x = input.data<float>();
  columnMeans(x, n, d, mean);
  const Workspace sums(call, size_t(wide * wide) * sizeof(double));
  const Workspace packed(call, size_t(std::min(n, kChunkRows) * wide) * sizeof(double));
  double *const c = sums.as<double>(), *const p = packed.as<double>();
  std::fill_n(c, wide * wide, 0.0);
  const auto tile = HWY_DYNAMIC_DISPATCH(ScatterTile);
  for (int64_t first = 0; first < n; first += kChunkRows) {
    const int64_t rows = std::min(kChunkRows, n - first);
    parallelFor(strips, [=](int64_t s) {
      for (int64_t r = 0; r < rows; r++)
        for (int64_t k = 0; k < kStrip; k++) {
          const int64_t column = s * kStrip + k;
          p[(s * rows + r) * kStrip + k] = column < d ? double(x[(first + r) * d + column]) - mean[column] : 0.0;
        }
    });
    parallelFor(strips, [=](int64_t i) {
      for (int64_t j = i; j < strips; j++)
        tile(p + i * rows * kStrip, p + j * rows * kStrip, rows, c + i * kStrip * wide + j * kStrip, wide);
    });
  }
  parallelRange(d, std::max<int64_t>(1, 16384 / std::max<int64_t>(d, 1)), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      for (int64_t j = 0; j < d; j++) {
        const bool above = j / kStrip >= i / kStrip;
        matrix[i * d + j] = above ? c[i * wide + j] : c[j * wide + i];
      }
  });
}

}  // namespace

namespace run {

void moments(const Call& call) {
  scatter(call, reinterpret_cast<double*>(call.out[0].data<int32_t>()),
          reinterpret_cast<double*>(call.out[1].data<int32_t>()));
}

void covariance(const Call& call) {
  const int64_t n = call.in[0].shape[0], d = call.in[0].shape[1];
  const Workspace values(call, size_t(d + d * d) * sizeof(double));
  double* const mean = values.as<double>();
  const double* const matrix = mean + d;
  scatter(call, mean, mean + d);
  const double count = double(n) - call.number(0);
  const double factor = count > 0 ? 1.0 / count : std::numeric_limits<double>::quiet_NaN();
  float* const y = call.out[0].data<float>();
  parallelRange(d * d, 16384, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) y[i] = float(matrix[i] * factor);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
