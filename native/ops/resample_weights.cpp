// The tables of resample.h, one function a kind of axis. Computed in double, and in whole numbers where a rounding
// could pick another pixel. Conventions are PyTorch's (aten/src/ATen/native/UpSample.h, cpu/UpSampleKernel.cpp).
#include <algorithm>
#include <cmath>

#include "resample.h"

namespace gv {
namespace {

double hat(double t) { return std::max(0.0, 1 - std::fabs(t)); }

/** Keys' cubic convolution kernel: a = -0.75 in interpolation, -0.5 where it is stretched against aliasing. */
double cubic(double t, double a) {
  t = std::fabs(t);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

void antialiased(AxisWeights& w, const AxisMap& m, Interpolation mode, double scale) {
  const bool linear = mode == Interpolation::Linear;
  const double support = (linear ? 1 : 2) * std::max(scale, 1.0), stretch = scale >= 1 ? 1 / scale : 1;
  for (int64_t i = 0; i < m.out; i++) {
    const double centre = scale * (double(i) + 0.5);
    const int64_t lo = std::max<int64_t>(int64_t(centre - support + 0.5), 0);
    const int64_t hi = std::min<int64_t>(int64_t(centre + support + 0.5), m.in);
    const auto value = [&](int64_t j) {
      const double t = (double(j) - centre + 0.5) * stretch;
      return linear ? hat(t) : cubic(t, -0.5);
    };
    double total = 0;
    for (int64_t j = lo; j < hi; j++) total += value(j);
    for (int64_t j = lo; j < hi && total != 0; j++) w.add(j, value(j) / total);
    w.endRow();
  }
}

void interpolate(AxisWeights& w, const AxisMap& m) {
  const auto mode = Interpolation(m.integer(0));
  const bool align = m.parameters[1] != 0, antialias = m.parameters[2] != 0;
  const double given = m.parameters[3];
  const double scale = align ? (m.out > 1 ? double(m.in - 1) / double(m.out - 1) : 0)
                             : (given > 0 ? given : double(m.in) / double(m.out));
  if (antialias && mode >= Interpolation::Linear) return antialiased(w, m, mode, scale);
  const int64_t last = m.in - 1;
  for (int64_t i = 0; i < m.out; i++, w.endRow()) {
    if (mode == Interpolation::Nearest) {
      w.add(std::min(last, given > 0 ? int64_t(double(i) * given) : i * m.in / m.out), 1);
      continue;
    }
    if (mode == Interpolation::NearestExact) {
      w.add(std::min(last, given > 0 ? int64_t((double(i) + 0.5) * given) : (2 * i + 1) * m.in / (2 * m.out)), 1);
      continue;
    }
    double source = align ? double(i) * scale : (double(i) + 0.5) * scale - 0.5;
    if (mode == Interpolation::Linear) {
      source = std::min(std::max(source, 0.0), double(last));
      const int64_t at = int64_t(source);
      const double t = source - double(at);
      w.add(at, 1 - t);
      if (at < last) w.add(at + 1, t);
      continue;
    }
    const double base = std::floor(source), t = source - base;
    for (int64_t k = -1; k <= 2; k++)
      w.add(std::clamp<int64_t>(int64_t(base) + k, 0, last), cubic(t - double(k), -0.75));
  }
}

void average(AxisWeights& w, const AxisMap& m) {
  const int64_t kernel = m.integer(0), stride = m.integer(1), before = m.integer(2), after = m.integer(3);
  for (int64_t i = 0; i < m.out; i++, w.endRow()) {
    const int64_t start = i * stride - before, end = std::min(start + kernel, m.in + after);
    const int64_t lo = std::max<int64_t>(start, 0), hi = std::min(end, m.in);
    const double count = double(m.parameters[4] != 0 ? end - start : hi - lo);
    for (int64_t j = lo; j < hi; j++) w.add(j, 1 / count);
  }
}

void adaptive(AxisWeights& w, const AxisMap& m) {
  for (int64_t i = 0; i < m.out; i++, w.endRow()) {
    const int64_t lo = i * m.in / m.out, hi = ((i + 1) * m.in + m.out - 1) / m.out;
    for (int64_t j = lo; j < hi; j++) w.add(j, 1 / double(hi - lo));
  }
}

void border(AxisWeights& w, const AxisMap& m) {
  const auto mode = BorderMode(m.integer(1));
  const int64_t last = m.in - 1;
  for (int64_t i = 0; i < m.out; i++, w.endRow()) {
    const int64_t j = i - m.integer(0);
    if (mode == BorderMode::Reflect)
      w.add(j < 0 ? -j : j > last ? 2 * last - j : j, 1);
    else if (mode == BorderMode::Replicate)
      w.add(std::clamp<int64_t>(j, 0, last), 1);
    else
      w.add(j < 0 ? j + m.in : j > last ? j - m.in : j, 1);
  }
}

void fir(AxisWeights& w, const AxisMap& m) {
  const int64_t up = m.integer(0), down = m.integer(1), before = m.integer(2), taps = m.count - 3;
  const double* f = m.parameters + 3;
  for (int64_t i = 0; i < m.out; i++, w.endRow()) {
    const int64_t start = i * down - before;
    // The first tap that meets a sample and not one of the zeros between them.
    for (int64_t k = start <= 0 ? -start % up : (up - start % up) % up; k < taps; k += up) {
      if (start + k >= m.in * up) break;
      if (start + k >= 0) w.add((start + k) / up, f[k]);
    }
  }
}

AxisWeights transposeOf(const AxisWeights& w, int64_t columns) {
  AxisWeights t;
  t.begin.assign(size_t(columns) + 1, 0);
  for (int32_t j : w.from) t.begin[size_t(j) + 1]++;
  for (int64_t j = 0; j < columns; j++) t.begin[j + 1] += t.begin[j];
  t.from.resize(w.from.size());
  t.weight.resize(w.from.size());
  std::vector<int64_t> next(t.begin.begin(), t.begin.end() - 1);
  for (int64_t i = 0; i < w.rows(); i++) {
    for (int64_t k = w.begin[i]; k < w.begin[i + 1]; k++) {
      const int64_t at = next[w.from[k]]++;
      t.from[at] = int32_t(i);
      t.weight[at] = w.weight[k];
    }
  }
  return t;
}

}  // namespace

bool AxisWeights::same(int64_t i, int64_t j) const {
  const int64_t n = begin[i + 1] - begin[i];
  const int32_t* const a = from.data() + begin[i];
  const float* const v = weight.data() + begin[i];
  return n == begin[j + 1] - begin[j] && std::equal(a, a + n, from.data() + begin[j]) &&
         std::equal(v, v + n, weight.data() + begin[j]);
}

AxisWeights axisWeights(const AxisMap& map, bool transposed) {
  AxisWeights w;
  switch (map.kind) {
    case AxisKind::Interpolate: interpolate(w, map); break;
    case AxisKind::Average: average(w, map); break;
    case AxisKind::Adaptive: adaptive(w, map); break;
    case AxisKind::Border: border(w, map); break;
    case AxisKind::Fir: fir(w, map); break;
    case AxisKind::kCount: break;
  }
  return transposed ? transposeOf(w, map.in) : w;
}

}  // namespace gv
