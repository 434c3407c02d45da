// Kernels of ops/spectral.h. A power iteration is two passes over each weight, bound by memory: the rows of all weights
// together are cut into pieces that depend on the shapes alone, and each pass is one parallel region over all of them.
#include "ops/spectral.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/spectral.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

double SpectralDot(const float* a, const float* b, int64_t n) {
  double total = 0;
  for (int64_t first = 0; first < n; first += 4096) {
    V sum0 = hn::Zero(D()), sum1 = hn::Zero(D());
    const int64_t count = std::min<int64_t>(n - first, 4096);
    const float *p = a + first, *q = b + first;
    int64_t j = 0;
    for (; j + 2 * kLanes <= count; j += 2 * kLanes) {
      sum0 = hn::MulAdd(hn::LoadU(D(), p + j), hn::LoadU(D(), q + j), sum0);
      sum1 = hn::MulAdd(hn::LoadU(D(), p + j + kLanes), hn::LoadU(D(), q + j + kLanes), sum1);
    }
    overLanes(count - j, [&](int64_t k, auto at) HWY_ATTR {
      sum0 = hn::MulAdd(at.load(p + j + k), at.load(q + j + k), sum0);
    });
    total += double(hn::GetLane(hn::SumOfLanes(D(), hn::Add(sum0, sum1))));
  }
  return total;
}

/** out[r] = row r of a times x. */
void SpectralRows(const float* a, const float* x, float* out, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++) out[r] = float(SpectralDot(a + r * n, x, n));
}

/** out = the rows of a, row r weighted with x[r], added up. */
void SpectralColumns(const float* a, const float* x, float* HWY_RESTRICT out, int64_t rows, int64_t n) {
  std::fill_n(out, n, 0.0f);
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4, a += 4 * n) {
    const V x0 = hn::Set(D(), x[r]), x1 = hn::Set(D(), x[r + 1]), x2 = hn::Set(D(), x[r + 2]),
            x3 = hn::Set(D(), x[r + 3]);
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      V sum = hn::MulAdd(at.load(a + j), x0, at.load(out + j));
      sum = hn::MulAdd(at.load(a + n + j), x1, sum);
      sum = hn::MulAdd(at.load(a + 2 * n + j), x2, sum);
      at.store(hn::MulAdd(at.load(a + 3 * n + j), x3, sum), out + j);
    });
  }
  for (; r < rows; r++, a += n) {
    const V x0 = hn::Set(D(), x[r]);
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      at.store(hn::MulAdd(at.load(a + j), x0, at.load(out + j)), out + j);
    });
  }
}

void SpectralScale(const float* x, double by, float* y, int64_t n) {
  const V scale = hn::Set(D(), float(by));
  overLanes(n, [&](int64_t j, auto at) HWY_ATTR { at.store(hn::Mul(at.load(x + j), scale), y + j); });
}

/** y = (g - along right) scale. */
void SpectralGradRow(const float* g, const float* right, float along, float scale, float* y, int64_t n) {
  const V a = hn::Set(D(), along), s = hn::Set(D(), scale);
  overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
    at.store(hn::Mul(hn::NegMulAdd(at.load(right + j), a, at.load(g + j)), s), y + j);
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(SpectralDot);
HWY_EXPORT(SpectralRows);
HWY_EXPORT(SpectralColumns);
HWY_EXPORT(SpectralScale);
HWY_EXPORT(SpectralGradRow);

constexpr int64_t kPieceElements = 131072;  // partial columns of a piece are small beside its share of the weight

int64_t rowsOfPiece(int64_t columns) { return std::max<int64_t>(1, kPieceElements / std::max<int64_t>(columns, 1)); }

/** One weight of a powerIteration. */
struct Matrix {
  const float* a;
  int64_t rows, columns;
  float *left, *right;
  bool transposed;
  int64_t piece, pieces, partial;  // its first piece, how many, and where its partial columns begin
};

std::vector<Matrix> matricesOf(const Call& call, int64_t& pieces, int64_t& partials) {
  std::vector<Matrix> matrices;
  for (size_t g = 0; 3 * g < call.in.size(); g++) {
    const Tensor &u = call.out[2 * g], &v = call.out[2 * g + 1];
    const bool transposed = call.attrs[2 + g] != 0;
    const Tensor &left = transposed ? v : u, &right = transposed ? u : v;
    Matrix m{call.in[3 * g].data<float>(), left.size(), right.size(), left.data<float>(), right.data<float>(),
             transposed, pieces, 0, partials};
    m.pieces = (m.rows + rowsOfPiece(m.columns) - 1) / rowsOfPiece(m.columns);
    pieces += m.pieces;
    partials += m.pieces * m.columns;
    matrices.push_back(m);
  }
  return matrices;
}

void normaliseVector(float* x, int64_t n, double eps) {
  const double norm = std::sqrt(HWY_DYNAMIC_DISPATCH(SpectralDot)(x, x, n));
  HWY_DYNAMIC_DISPATCH(SpectralScale)(x, 1.0 / (norm > eps || norm != norm ? norm : eps), x, n);
}

/** One half of an iteration for all weights: the new u (from v), or the new v (from u). */
void halfIteration(const std::vector<Matrix>& matrices, int64_t pieces, bool updateU, float* partials, double eps) {
  const auto rowsKernel = HWY_DYNAMIC_DISPATCH(SpectralRows);
  const auto columnsKernel = HWY_DYNAMIC_DISPATCH(SpectralColumns);
  parallelFor(pieces, [&](int64_t piece) {
    const auto after = std::upper_bound(matrices.begin(), matrices.end(), piece,
                                        [](int64_t k, const Matrix& m) { return k < m.piece; });
    const Matrix& m = *(after - 1);
    const int64_t k = piece - m.piece, first = k * rowsOfPiece(m.columns);
    const int64_t rows = std::min(rowsOfPiece(m.columns), m.rows - first);
    const float* a = m.a + first * m.columns;
    if (updateU != m.transposed)
      rowsKernel(a, m.right, m.left + first, rows, m.columns);
    else
      columnsKernel(a, m.left + first, partials + m.partial + k * m.columns, rows, m.columns);
  });
  parallelFor(int64_t(matrices.size()), [&](int64_t g) {
    const Matrix& m = matrices[size_t(g)];
    if (updateU != m.transposed) return normaliseVector(m.left, m.rows, eps);
    for (int64_t c = 0; c < m.columns; c++) {
      double sum = 0;
      for (int64_t k = 0; k < m.pieces; k++) sum += double(partials[m.partial + k * m.columns + c]);
      m.right[c] = float(sum);
    }
    normaliseVector(m.right, m.columns, eps);
  });
}

/** The sum over pieces of a matrix of value(first row, rows), in order. */
template <class F>
double sumOverRows(const Call& call, int64_t rows, int64_t columns, const F& value) {
  const int64_t step = rowsOfPiece(columns), pieces = (rows + step - 1) / step;
  Workspace space(call, size_t(pieces) * sizeof(double));
  double* const parts = space.as<double>();
  parallelFor(pieces, [&](int64_t k) { parts[k] = value(k * step, std::min(step, rows - k * step)); });
  double sum = 0;
  for (int64_t k = 0; k < pieces; k++) sum += parts[k];
  return sum;
}

}  // namespace

namespace run {

void powerIteration(const Call& call) {
  int64_t pieces = 0, partials = 0;
  const std::vector<Matrix> matrices = matricesOf(call, pieces, partials);
  for (size_t g = 0; g < matrices.size(); g++)
    for (size_t k = 0; k < 2; k++)
      std::copy_n(call.in[3 * g + 1 + k].data<float>(), call.out[2 * g + k].size(), call.out[2 * g + k].data<float>());
  Workspace space(call, size_t(partials) * sizeof(float));
  for (int64_t i = 0; i < call.integer(0); i++) {
    halfIteration(matrices, pieces, true, space.as<float>(), call.number(1));
    halfIteration(matrices, pieces, false, space.as<float>(), call.number(1));
  }
}

void spectralNorm(const Call& call) {
  const float *a = call.in[0].data<float>(), *left = call.in[1].data<float>(), *right = call.in[2].data<float>();
  float* const y = call.out[0].data<float>();
  const int64_t R = call.in[1].size(), K = call.in[2].size();
  const auto dot = HWY_DYNAMIC_DISPATCH(SpectralDot);
  const double sigma = sumOverRows(call, R, K, [&](int64_t first, int64_t rows) {
    double sum = 0;
    for (int64_t r = first; r < first + rows; r++) sum += double(left[r]) * dot(a + r * K, right, K);
    return sum;
  });
  call.out[1].data<float>()[0] = float(sigma);
  const auto scale = HWY_DYNAMIC_DISPATCH(SpectralScale);
  parallelRange(R * K, 16384, [&](int64_t begin, int64_t end) { scale(a + begin, 1.0 / sigma, y + begin, end - begin); });
}

void spectralNormGrad(const Call& call) {
  const float *gy = call.in[0].data<float>(), *y = call.in[1].data<float>(), *sigma = call.in[2].data<float>();
  const float *left = call.in[3].data<float>(), *right = call.in[4].data<float>();
  float* const da = call.out[0].data<float>();
  const int64_t R = call.in[3].size(), K = call.in[4].size();
  const auto dot = HWY_DYNAMIC_DISPATCH(SpectralDot);
  const double along = sumOverRows(call, R, K, [&](int64_t first, int64_t rows) {
    return dot(gy + first * K, y + first * K, rows * K);
  });
  const auto kernel = HWY_DYNAMIC_DISPATCH(SpectralGradRow);
  const float scale = float(1.0 / double(sigma[0]));
  parallelRange(R, 16384 / std::max<int64_t>(K, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++)
      kernel(gy + r * K, right, float(along * double(left[r])), scale, da + r * K, K);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
