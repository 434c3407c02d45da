// Kernels of ops/spectral.h. A half of a power iteration is two launches for all weights together, whose addresses and
// sizes are a table among the kernels' arguments: the products, and a block for each weight that gathers and
// normalises.
#include "../ops/spectral.h"

#include <cmath>

#include "columns.h"
#include "fold.h"

namespace gv::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTileColumns = 32, kTileRows = 256;  // what a block takes of a product with the transposed matrix
constexpr int kMostMatrices = 40;                  // their table must stay below 4 KB

/** One weight of a powerIteration, [rows, columns]. */
struct Matrix {
  const float* a;
  float *left, *right;
  int64_t rows, columns;
  int64_t partial;     // where its partial columns begin
  int64_t block[2];    // its first block in the product for u and in that for v
  bool transposed;     // u is `right` and v is `left`

  /** Whether the product is a right, rather than aᵀ left. */
  GV_HD bool byRows(bool updateU) const { return updateU != transposed; }
  GV_HD int64_t tiles() const { return (columns + kTileColumns - 1) / kTileColumns; }
  GV_HD int64_t spans() const { return (rows + kTileRows - 1) / kTileRows; }
  int64_t blocks(bool updateU) const { return byRows(updateU) ? rows : tiles() * spans(); }
};

struct Matrices {
  int count = 0;
  Matrix at[kMostMatrices] = {};
};

/** left[row] = a right, for one row. */
GV_DEVICE void rowProduct(const Block& block, const Matrix& m, int64_t row) {
  const float* const a = m.a + row * m.columns;
  RunningSum sum;
  overRows(block.thread, m.columns, block.threads, [&](int64_t c) { return a[c] * m.right[c]; },
           [&](int64_t, float v) { sum.add(v); });
  const double total = block.sum(sum.sum());
  if (block.thread == 0) m.left[row] = float(total);
}

/** What some rows of a give to some columns of aᵀ left. */
GV_DEVICE void columnProduct(const Block& block, const Matrix& m, int64_t part, float* partials) {
  const int64_t tile = part % m.tiles(), span = part / m.tiles();
  const int x = block.thread % kTileColumns, y = block.thread / kTileColumns, height = block.threads / kTileColumns;
  const int64_t column = tile * kTileColumns + x, first = span * kTileRows;
  const int64_t end = first + kTileRows < m.rows ? first + kTileRows : m.rows;
  float* const sums = reinterpret_cast<float*>(block.shared);
  float sum = 0;
  if (column < m.columns)
    overRows(first + y, end, height, [&](int64_t r) { return m.a[r * m.columns + column] * m.left[r]; },
             [&](int64_t, float v) { sum += v; });
  sums[block.thread] = sum;
  block.sync();
  if (y > 0 || column >= m.columns) return;
  for (int k = 1; k < height; k++) sum += sums[k * kTileColumns + x];
  partials[m.partial + span * m.columns + column] = sum;
}

/** One half of an iteration: the new u (from v), or the new v (from u). */
void halfIteration(const Matrices& all, bool updateU, float* partials, double eps) {
  const int half = updateU ? 0 : 1;
  const Matrix& last = all.at[all.count - 1];
  forBlocks<kThreads>(last.block[half] + last.blocks(updateU), kThreads * sizeof(float),
                      [=] GV_DEVICE(const Block& block) {
    int k = all.count - 1;
    while (k > 0 && all.at[k].block[half] > block.index) k--;
    const Matrix& m = all.at[k];
    const int64_t part = block.index - m.block[half];
    if (m.byRows(updateU))
      rowProduct(block, m, part);
    else
      columnProduct(block, m, part, partials);
  });
  forBlocks<kThreads>(all.count, 0, [=] GV_DEVICE(const Block& block) {
    const Matrix& m = all.at[block.index];
    const bool byRows = m.byRows(updateU);
    float* const vector = byRows ? m.left : m.right;
    const int64_t n = byRows ? m.rows : m.columns;
    double squares = 0;
    for (int64_t j = block.thread; j < n; j += block.threads) {
      if (!byRows) {
        double sum = 0;
        for (int64_t s = 0; s < m.spans(); s++) sum += double(partials[m.partial + s * n + j]);
        vector[j] = float(sum);
      }
      squares += double(vector[j]) * double(vector[j]);
    }
    const double norm = sqrt(block.sum(squares)), scale = 1.0 / (norm > eps || norm != norm ? norm : eps);
    for (int64_t j = block.thread; j < n; j += block.threads) vector[j] *= float(scale);
  });
}

/** Iterates on `count` weights from number `first` on. */
void iterate(const Call& call, size_t first, size_t count) {
  Matrices all;
  int64_t blocks[2] = {0, 0}, partials = 0;
  for (size_t g = first; g < first + count; g++) {
    const Tensor &u = call.out[2 * g], &v = call.out[2 * g + 1];
    const bool transposed = call.attrs[2 + g] != 0;
    const Tensor &left = transposed ? v : u, &right = transposed ? u : v;
    Matrix m{call.in[3 * g].data<float>(), left.data<float>(), right.data<float>(), left.size(), right.size(),
             partials, {blocks[0], blocks[1]}, transposed};
    blocks[0] += m.blocks(true);
    blocks[1] += m.blocks(false);
    partials += m.spans() * m.columns;
    all.at[all.count++] = m;
  }
  const Workspace space(call, size_t(partials) * sizeof(float));
  for (int64_t i = 0; i < call.integer(0); i++) {
    halfIteration(all, true, space.as<float>(), call.number(1));
    halfIteration(all, false, space.as<float>(), call.number(1));
  }
}

/** left[r] times row r of a right, for each row. */
struct RowProducts {
  using Part = double;
  const float *a, *left, *right;
  int64_t columns;
  double* out;

  GV_DEVICE Part part(int64_t row, int64_t first, int64_t end, int64_t step, int64_t) const {
    RunningSum sum;
    overRows(first, end, step, [&](int64_t c) { return a[row * columns + c] * right[c]; },
             [&](int64_t, float v) { sum.add(v); });
    return sum.sum();
  }
  GV_DEVICE Part join(Part p, Part q) const { return p + q; }
  GV_DEVICE void store(int64_t row, Part p) const { out[row] = double(left[row]) * p; }
};

/** sigma, the sum of n doubles, and its inverse. */
struct Total {
  using Part = double;
  const double* x;
  float *sigma, *inverse;

  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t) const {
    double sum = 0;
    for (int64_t r = first; r < end; r += step) sum += x[r];
    return sum;
  }
  GV_DEVICE Part join(Part p, Part q) const { return p + q; }
  GV_DEVICE void store(int64_t, Part p) const {
    *sigma = float(p);
    *inverse = float(1.0 / p);
  }
};

/** The inner product of a and b. */
struct Dot {
  using Part = double;
  const float *a, *b;
  double* out;

  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t) const {
    RunningSum sum;
    overRows(first, end, step, [&](int64_t i) { return a[i] * b[i]; }, [&](int64_t, float v) { sum.add(v); });
    return sum.sum();
  }
  GV_DEVICE Part join(Part p, Part q) const { return p + q; }
  GV_DEVICE void store(int64_t, Part p) const { *out = p; }
};

/** da = (gy - along left right^T) / sigma. */
struct GradOuter {
  const float *gy, *sigma, *left, *right;
  const double* along;
  float* da;
  int64_t columns;

  GV_DEVICE void operator()(int64_t, int64_t c, int64_t first, int64_t end, int64_t step) const {
    const float scale = float(1.0 / double(*sigma)), mine = right[c];
    const double whole = *along;
    overRows(first, end, step, [&](int64_t r) { return gy[r * columns + c]; }, [&](int64_t r, float g) {
      da[r * columns + c] = (g - float(whole * double(left[r])) * mine) * scale;
    });
  }
};

}  // namespace

namespace run {

void powerIteration(const Call& call) {
  const size_t weights = call.in.size() / 3;
  for (size_t g = 0; g < weights; g++)
    for (size_t k = 0; k < 2; k++)
      if (const Tensor& to = call.out[2 * g + k]; to.size() > 0)
        check(cudaMemcpyAsync(to.data<void>(), call.in[3 * g + 1 + k].data<void>(), to.bytes(),
                              cudaMemcpyDeviceToDevice, Context::current().stream),
              "copying on the device");
  for (size_t first = 0; first < weights; first += kMostMatrices)
    iterate(call, first, std::min<size_t>(weights - first, kMostMatrices));
}

void spectralNorm(const Call& call) {
  const float* const a = call.in[0].data<float>();
  float *const y = call.out[0].data<float>(), *const sigma = call.out[1].data<float>();
  const int64_t rows = call.in[1].size(), columns = call.in[2].size();
  if (rows * columns == 0) return forEach(1, [=] GV_DEVICE(int64_t) { *sigma = 0; });
  const Workspace products(call, size_t(rows) * sizeof(double)), number(call, sizeof(float));
  double* const each = products.as<double>();
  float* const inverse = number.as<float>();
  fold(call, {rows, columns, 1}, RowProducts{a, call.in[1].data<float>(), call.in[2].data<float>(), columns, each});
  fold(call, {1, rows, 1}, Total{each, sigma, inverse});
  forEach(rows * columns, [=] GV_DEVICE(int64_t i) { y[i] = a[i] * *inverse; });
}

void spectralNormGrad(const Call& call) {
  const float* const gy = call.in[0].data<float>();
  const int64_t rows = call.in[3].size(), columns = call.in[4].size();
  if (rows * columns == 0) return;
  const Workspace space(call, sizeof(double));
  double* const along = space.as<double>();
  fold(call, {1, rows * columns, 1}, Dot{gy, call.in[1].data<float>(), along});
  overColumns(1, rows, columns,
              GradOuter{gy, call.in[2].data<float>(), call.in[3].data<float>(), call.in[4].data<float>(), along,
                        call.out[0].data<float>(), columns});
}

}  // namespace run
}  // namespace gv::cuda
