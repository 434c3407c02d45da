// Kernels of ops/cumsum.h: lines along the axis are independent; up to 64 neighbouring ones run together, so that a
// line that is not contiguous is still read a cache line at a time. Contiguous lines run by eights: a sum waits for the
// one before it, but not for its neighbours.
#include "ops/cumsum.h"

#include <algorithm>

#include "cpu/pool.h"

namespace gv::cpu {
namespace {

/** Calls f(first element, lines, step between neighbours along the line) for each group of lines. */
template <class F>
void eachGroup(const Call& call, const F& f) {
  const Tensor& y = call.out[0];
  if (y.size() == 0) return;
  const int axis = int(call.integer(0));
  const int64_t n = y.shape[axis], inner = y.shape.count(axis + 1, y.shape.rank());
  const int64_t pieces = (inner - 1) / 64 + 1, groups = y.shape.count(0, axis) * pieces;
  const bool reverse = call.integer(1) != 0;
  parallelRange(groups, std::max<int64_t>(1, 8192 / (n * std::min<int64_t>(inner, 64))), [&](int64_t b, int64_t e) {
    for (int64_t g = b; g < e; g++) {
      const int64_t column = g % pieces * 64, first = g / pieces * n * inner + column;
      const int64_t lines = std::min<int64_t>(64, inner - column);
      f(reverse ? first + (n - 1) * inner : first, lines, reverse ? -inner : inner, n);
    }
  });
}

/** Sums of T in S along one row of n, or L rows. */
template <int L, class T, class S>
void sumRows(const T* x, T* y, int64_t n, bool reverse) {
  S sum[L] = {};
  for (int64_t i = 0; i < n; i++) {
    const int64_t at = reverse ? n - 1 - i : i;
    for (int row = 0; row < L; row++) {
      sum[row] += S(x[row * n + at]);
      y[row * n + at] = T(sum[row]);
    }
  }
}

template <class T, class S>
void cumulateRows(const Call& call) {
  constexpr int kRows = 8;
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  if (call.out[0].size() == 0) return;
  const int64_t n = call.out[0].shape.last(), rows = call.out[0].size() / n;
  const bool reverse = call.integer(1) != 0;
  parallelRange(rows, std::max<int64_t>(1, 8192 / (n * kRows)) * kRows, [=](int64_t row, int64_t end) {
    for (; row + kRows <= end; row += kRows) sumRows<kRows, T, S>(x + row * n, y + row * n, n, reverse);
    for (; row < end; row++) sumRows<1, T, S>(x + row * n, y + row * n, n, reverse);
  });
}

/** Sums of T in S. */
template <class T, class S>
void cumulate(const Call& call) {
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  if (int(call.integer(0)) == call.out[0].shape.rank() - 1) return cumulateRows<T, S>(call);
  eachGroup(call, [=](int64_t at, int64_t lines, int64_t step, int64_t n) {
    S sum[64] = {};
    for (int64_t i = 0; i < n; i++, at += step)
      for (int64_t j = 0; j < lines; j++) {
        sum[j] += S(x[at + j]);
        y[at + j] = T(sum[j]);
      }
  });
}

}  // namespace

namespace run {

void cumsum(const Call& call) {
  if (call.in[0].dtype == DType::I32) return cumulate<int32_t, uint32_t>(call);  // unsigned: overflow wraps
  cumulate<float, double>(call);
}

void recurrence(const Call& call) {
  const float *const a = call.in[0].data<float>(), *const b = call.in[1].data<float>();
  float* const y = call.out[0].data<float>();
  eachGroup(call, [=](int64_t at, int64_t lines, int64_t step, int64_t n) {
    for (int64_t j = 0; j < lines; j++) y[at + j] = b[at + j];
    for (int64_t i = 1; i < n; i++) {
      at += step;
      for (int64_t j = 0; j < lines; j++) {
        const double previous = y[at - step + j];
        y[at + j] = float(double(a[at + j]) * previous + double(b[at + j]));
      }
    }
  });
}

}  // namespace run
}  // namespace gv::cpu
