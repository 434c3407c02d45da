// covariance and moments of ops/linalg.h: Σ (x - mean)(x - mean)ᵀ in f64. A block multiplies two strips of columns over
// a span of the rows; only tiles on and above the diagonal are computed, the rest is mirrored. Spans are added in
// order.
#include "../ops/linalg.h"

#include <cmath>

#include "fold.h"

namespace gv::cuda {
namespace {

constexpr int kTile = 64;                     // columns of a strip
constexpr int kDepth = 16;                    // rows that are in shared memory at a time
constexpr int kOwn = 4;                       // a thread has kOwn x kOwn results
constexpr int kThreads = kTile * kTile / (kOwn * kOwn);
constexpr int64_t kMostPartial = 1 << 23;     // doubles that the spans may take together, but for one

struct ColumnMeans {
  using Part = double;
  const float* x;
  int64_t n, d;
  double* mean;

  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t c) const {
    double sum = 0;
    overRows(first, end, step, [&](int64_t r) { return x[r * d + c]; }, [&](int64_t, float v) { sum += double(v); });
    return sum;
  }
  GV_DEVICE Part join(Part a, Part b) const { return a + b; }
  GV_DEVICE void store(int64_t c, Part p) const { mean[c] = p / double(n); }
};

/** parts [spans, d, d], tiles below the diagonal left out. */
void scatterSpans(const float* x, const double* mean, int64_t n, int64_t d, int64_t spans, double* parts) {
  const int64_t strips = ceilDivide(d, kTile), rows = ceilDivide(n, spans);
  forBlocks<kThreads>(spans * strips * strips, 2 * kDepth * kTile * sizeof(double), [=] GV_DEVICE(const Block& block) {
    const int64_t span = block.index / (strips * strips), tile = block.index % (strips * strips);
    const int64_t top = tile / strips, left = tile % strips;
    if (top > left) return;
    double* const a = reinterpret_cast<double*>(block.shared);
    double* const b = a + kDepth * kTile;
    const int x0 = block.thread % (kTile / kOwn), y0 = block.thread / (kTile / kOwn);
    double sum[kOwn][kOwn] = {};
    const int64_t last = (span + 1) * rows < n ? (span + 1) * rows : n;
    for (int64_t first = span * rows; first < last; first += kDepth) {
      for (int k = block.thread; k < 2 * kDepth * kTile; k += kThreads) {
        const int strip = k / (kDepth * kTile), row = k / kTile % kDepth, lane = k % kTile;
        const int64_t column = (strip ? left : top) * kTile + lane, at = first + row;
        a[k] = at < last && column < d ? double(x[at * d + column]) - mean[column] : 0.0;
      }
      block.sync();
      for (int row = 0; row < kDepth; row++)
        for (int i = 0; i < kOwn; i++)
          for (int j = 0; j < kOwn; j++)
            sum[i][j] += a[row * kTile + y0 + i * (kTile / kOwn)] * b[row * kTile + x0 + j * (kTile / kOwn)];
      block.sync();
    }
    for (int i = 0; i < kOwn; i++)
      for (int j = 0; j < kOwn; j++) {
        const int64_t r = top * kTile + y0 + i * (kTile / kOwn), c = left * kTile + x0 + j * (kTile / kOwn);
        if (r < d && c < d) parts[(span * d + r) * d + c] = sum[i][j];
      }
  });
}

/** mean [d] of x [n, d], NaN when there are no rows, and f(i, element i of the scatter matrix [d, d]). */
template <class F>
void scatter(const Call& call, double* mean, F f) {
  const int64_t n = call.in[0].shape[0], d = call.in[0].shape[1];
  if (d == 0) return;
  const float* const x = call.in[0].data<float>();
  if (n == 0)
    forEach(d, [=] GV_DEVICE(int64_t c) { mean[c] = NAN; });
  else
    fold(call, {1, n, d}, ColumnMeans{x, n, d, mean});
  const int64_t strips = ceilDivide(d, kTile), tiles = strips * (strips + 1) / 2;
  const int64_t most = std::max<int64_t>(1, std::min(kMostPartial / (d * d), ceilDivide(n, 4 * kDepth)));
  const int64_t spans = std::clamp<int64_t>(512 / tiles, 1, most);
  const Workspace space(call, size_t(spans * d * d) * sizeof(double));
  double* const parts = space.as<double>();
  scatterSpans(x, mean, n, d, spans, parts);
  forEach(d * d, [=] GV_DEVICE(int64_t i) {
    const int64_t r = i / d, c = i % d;
    const int64_t at = r / kTile > c / kTile ? c * d + r : i;
    double sum = 0;
    for (int64_t s = 0; s < spans; s++) sum += parts[s * d * d + at];
    f(i, sum);
  });
}

struct StoreDouble {
  double* y;
  GV_DEVICE void operator()(int64_t i, double v) const { y[i] = v; }
};

struct StoreScaled {
  float* y;
  double factor;
  GV_DEVICE void operator()(int64_t i, double v) const { y[i] = float(v * factor); }
};

}  // namespace

namespace run {

void moments(const Call& call) {
  scatter(call, reinterpret_cast<double*>(call.out[0].data<int32_t>()),
          StoreDouble{reinterpret_cast<double*>(call.out[1].data<int32_t>())});
}

void covariance(const Call& call) {
  const int64_t n = call.in[0].shape[0], d = call.in[0].shape[1];
  const Workspace mean(call, size_t(d) * sizeof(double));
  const double count = double(n) - call.number(0);
  scatter(call, mean.as<double>(), StoreScaled{call.out[0].data<float>(), count > 0 ? 1.0 / count : NAN});
}

}  // namespace run
}  // namespace gv::cuda
