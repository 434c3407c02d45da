// K sums over the rows of a matrix at once, as parts of a fold (fold.h) whose kernel writes something on the way.
#pragma once
#include "fold.h"

namespace gv::cuda {

template <int K> struct Sums {
  double at[K];
};

/** As RunningSum of fold.h: runs of 64 in f32, the runs in double. */
template <int K> struct RunningSums {
  float run[K] = {};
  int count = 0;
  Sums<K> total = {};

  /** After the K numbers of a row were added to `run`. */
  GV_HD void endRow() {
    if (++count < 64) return;
    endRun();
  }
  GV_HD const Sums<K>& sums() {
    endRun();
    return total;
  }

 private:
  GV_HD void endRun() {
    for (int k = 0; k < K; k++) {
      total.at[k] += double(run[k]);
      run[k] = 0;
    }
    count = 0;
  }
};

template <int K> GV_HD Sums<K> join(const Sums<K>& a, const Sums<K>& b) {
  Sums<K> sum;
  for (int k = 0; k < K; k++) sum.at[k] = a.at[k] + b.at[k];
  return sum;
}

/** The sum over rows of x [rows, columns]. */
struct ColumnSums {
  using Part = double;
  const float* x;
  int64_t columns;
  float* y;

  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t column) const {
    RunningSum sum;
    const auto load = [&](int64_t r) { return x[r * columns + column]; };
    overRows(first, end, step, load, [&](int64_t, float v) { sum.add(v); });
    return sum.sum();
  }
  GV_DEVICE Part join(Part a, Part b) const { return a + b; }
  GV_DEVICE void store(int64_t at, Part p) const { y[at] = float(p); }
};

/** y[c] = the sum over rows of x[row][c]; 0 without rows. */
inline void sumColumns(const Call& call, const float* x, int64_t rows, int64_t columns, float* y) {
  if (rows == 0)
    forEach(columns, [=] GV_DEVICE(int64_t i) { y[i] = 0; });
  else
    fold(call, {1, rows, columns}, ColumnSums{x, columns, y});
}

}  // namespace gv::cuda
