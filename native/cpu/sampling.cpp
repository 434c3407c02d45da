// Kernels of ops/sampling.h. Scalar code in f64: a step of training draws labels and orders, not images, from here.
#include "ops/sampling.h"

#include <algorithm>
#include <limits>

#include "cpu/pool.h"

namespace gv::cpu {
namespace {

using ops::PhiloxState;

/** Calls f(element, word) for [0, n), a group of four words at a time. */
template <class F>
void eachWord(const PhiloxState& state, int64_t n, const F& f) {
  parallelRange(n, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 4) {
      const Philox p = Philox::at(state.key, state.counter + uint64_t(i / 4));
      for (int64_t j = 0; j < std::min<int64_t>(4, end - i); j++) f(i + j, p.v[j]);
    }
  });
}

/** Row r of the weights in f64 and relative to the greatest, and its sum; reports what is no weight. */
double readWeights(const Call& call, int64_t r, int64_t classes, bool logits, double* weights) {
  const float* const w = call.in[0].data<float>() + r * classes;
  double greatest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t k = 0; k < classes; k++) {
    if (std::isnan(w[k]) || (std::isinf(w[k]) && !(logits && w[k] < 0)) || (!logits && w[k] < 0))
      fail("ERR_ARGUMENT", "multinomial: %s %g (element %lld of row %lld) is not %s", logits ? "logit" : "weight",
           double(w[k]), (long long)k, (long long)r, logits ? "finite or -Infinity" : "finite and at least 0");
    greatest = std::max(greatest, double(w[k]));
  }
  for (int64_t k = 0; k < classes; k++) {
    weights[k] = logits ? std::exp(double(w[k]) - greatest) : double(w[k]);
    // Of a row of -inf alone: inf - inf.
    if (std::isnan(weights[k])) weights[k] = 0;
    sum += weights[k];
  }
  return sum;
}

void drawWithReplacement(const PhiloxState& state, double* weights, double sum, int64_t classes, int64_t first,
                         int64_t n, int32_t* y) {
  double running = 0;
  int64_t last = 0;  // the last element that can be drawn: rounding must not lead beyond it
  for (int64_t k = 0; k < classes; k++) {
    if (weights[k] > 0) last = k;
    weights[k] = running += weights[k];
  }
  for (int64_t j = 0; j < n; j++) {
    const double at = state.uniform(first + j) * sum;
    y[j] = int32_t(std::min(last, int64_t(std::upper_bound(weights, weights + classes, at) - weights)));
  }
}

void drawWithout(const PhiloxState& state, double* keys, int32_t* order, int64_t classes, int64_t first, int64_t n,
                 int32_t* y) {
  for (int64_t k = 0; k < classes; k++) {
    keys[k] = std::log(keys[k]) - std::log(-std::log(state.uniform(first + k)));
    order[k] = int32_t(k);
  }
  std::partial_sort(order, order + n, order + classes, [keys](int32_t a, int32_t b) {
    return keys[a] > keys[b] || (keys[a] == keys[b] && a < b);
  });
  std::copy(order, order + n, y);
}

}  // namespace

namespace run {

void randint(const Call& call) {
  const int64_t lo = call.integer(4);
  const uint64_t range = uint64_t(call.integer(5) - lo);
  int32_t* const y = call.out[0].data<int32_t>();
  eachWord(PhiloxState(call), call.out[0].size(),
           [=](int64_t i, uint32_t word) { y[i] = int32_t(lo + int64_t(word * range >> 32)); });
}

void randperm(const Call& call) {
  const PhiloxState state(call);
  const int64_t n = call.integer(4);
  int32_t* const y = call.out[0].data<int32_t>();
  for (int64_t i = 0; i < n; i++) y[i] = int32_t(i);
  Philox p{};
  for (int64_t i = 0; i < n; i++) {
    if (i % 4 == 0) p = Philox::at(state.key, state.counter + uint64_t(i / 4));
    std::swap(y[i], y[i + int64_t(uint64_t(p.v[i % 4]) * uint64_t(n - i) >> 32)]);
  }
}

void truncatedNormal(const Call& call) {
  const double mean = call.number(4), deviation = call.number(5);
  // The lower tail has digits that 1 - p would lose, so an interval on the right is mirrored.
  const bool mirrored = call.number(6) > 0;
  const double lo = mirrored ? -call.number(7) : call.number(6), hi = mirrored ? -call.number(6) : call.number(7);
  const double from = ops::normalCdf(lo), to = ops::normalCdf(hi);
  float* const y = call.out[0].data<float>();
  eachWord(PhiloxState(call), call.out[0].size(), [=](int64_t i, uint32_t word) {
    const double p = from + (to - from) * ((double(word) + 0.5) * 0x1p-32);
    const double z = p > 0 && p < 1 ? std::min(hi, std::max(lo, ops::normalQuantile(p))) : (p > 0 ? hi : lo);
    y[i] = float(mean + deviation * (mirrored ? -z : z));
  });
}

void multinomial(const Call& call) {
  const PhiloxState state(call);
  const Shape shape = call.in[0].shape;
  const int64_t classes = shape.last(), rows = shape.count(0, shape.rank() - 1), n = call.integer(4);
  const bool replacement = call.integer(5) != 0, logits = call.integer(6) != 0;
  if (rows == 0 || n == 0) return;
  int32_t* const y = call.out[0].data<int32_t>();
  const int64_t chunk = std::max<int64_t>(1, 2048 / (classes + n)), chunks = (rows - 1) / chunk + 1;
  const size_t bytes = size_t(classes) * (sizeof(double) + sizeof(int32_t));
  const int64_t buffers = std::min<int64_t>(chunks, 64);
  Workspace workspace(call, size_t(buffers) * (bytes + sizeof(double)));
  for (int64_t first = 0; first < chunks; first += buffers)
    parallelFor(std::min(buffers, chunks - first), [&](int64_t b) {
      double* const weights = workspace.as<double>() + b * int64_t((bytes + sizeof(double) - 1) / sizeof(double));
      int32_t* const order = reinterpret_cast<int32_t*>(weights + classes);
      for (int64_t r = (first + b) * chunk; r < std::min(rows, (first + b + 1) * chunk); r++) {
        const double sum = readWeights(call, r, classes, logits, weights);
        const int64_t possible = std::count_if(weights, weights + classes, [](double w) { return w > 0; });
        if (possible < (replacement ? 1 : n))
          fail("ERR_ARGUMENT", "multinomial: row %lld has %lld elements of non-zero weight, too few for %lld draws",
               (long long)r, (long long)possible, (long long)n);
        if (replacement)
          drawWithReplacement(state, weights, sum, classes, r * n, n, y + r * n);
        else
          drawWithout(state, weights, order, classes, r * classes, n, y + r * n);
      }
    });
}

}  // namespace run
}  // namespace gv::cpu
