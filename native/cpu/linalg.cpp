// Decompositions of ops/linalg.h, by Eigen (MPL-2.0) in f64 on one thread. Covariances: scatter.cpp.
#include "ops/linalg.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <limits>

#include "cpu/pool.h"

namespace gv::cpu::run {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixF32 = Eigen::Map<Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
using Solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/** Calls f(index, matrix) for each matrix of a batch, in f64. */
template <class F>
void eachMatrix(const Tensor& x, const F& f) {
  const int64_t n = x.shape.last();
  if (n == 0) return;
  parallelFor(x.size() / (n * n), [&](int64_t i) { f(i, MatrixF32(x.data<float>() + i * n * n, n, n).cast<double>()); });
}

/** Eigen's iteration does not end for a NaN as it does for numbers, so it never sees one. */
template <class M>
bool solvable(const M& x) {
  return x.allFinite();
}

Eigen::Map<const Matrix> matrixF64(const Tensor& t) {
  return {reinterpret_cast<const double*>(t.data<int32_t>()), t.shape[0], t.shape[0]};
}

/** tr √(ab): with a = Pᵀ L D Lᵀ P, the eigenvalues of ab are those of √D Lᵀ (P b Pᵀ) L √D, which is symmetric. */
double traceSqrt(const Eigen::Map<const Matrix>& a, const Eigen::Map<const Matrix>& b) {
  if (!solvable(a) || !solvable(b)) return kNaN;
  const Eigen::LDLT<Eigen::MatrixXd> factors(a);
  // b is symmetric: swapping rows, transposing and swapping rows again swaps its columns too.
  Eigen::MatrixXd middle = factors.transpositionsP() * b;
  middle = (factors.transpositionsP() * middle.transpose()).eval();
  const Eigen::MatrixXd lower = factors.matrixL();
  const Eigen::VectorXd root = factors.vectorD().cwiseMax(0.0).cwiseSqrt();
  middle = middle * lower.triangularView<Eigen::UnitLower>();
  middle = lower.triangularView<Eigen::UnitLower>().transpose() * middle;
  middle = root.asDiagonal() * middle * root.asDiagonal();
  return Solver(middle, Eigen::EigenvaluesOnly).eigenvalues().cwiseMax(0.0).cwiseSqrt().sum();
}

}  // namespace

void eigh(const Call& call) {
  float *const values = call.out[0].data<float>(), *const vectors = call.out[1].data<float>();
  const int64_t n = call.in[0].shape.last();
  eachMatrix(call.in[0], [=](int64_t i, const Matrix& x) {
    Eigen::Map<Eigen::VectorXf> lambda(values + i * n, n);
    MatrixF32 columns(vectors + i * n * n, n, n);
    if (!solvable(x)) {
      lambda.setConstant(float(kNaN));
      columns.setConstant(float(kNaN));
      return;
    }
    const Solver solver(x);
    lambda = solver.eigenvalues().cast<float>();
    columns = solver.eigenvectors().cast<float>();
  });
}

void sqrtm(const Call& call) {
  float* const y = call.out[0].data<float>();
  const int64_t n = call.in[0].shape.last();
  eachMatrix(call.in[0], [=](int64_t i, const Matrix& x) {
    MatrixF32 root(y + i * n * n, n, n);
    if (!solvable(x)) {
      root.setConstant(float(kNaN));
      return;
    }
    const Solver solver(x);
    const Eigen::VectorXd values = solver.eigenvalues().cwiseMax(0.0).cwiseSqrt();
    const Eigen::MatrixXd& vectors = solver.eigenvectors();
    root = (vectors * values.asDiagonal() * vectors.transpose()).cast<float>();
  });
}

void traceSqrtProduct(const Call& call) {
  double* const y = reinterpret_cast<double*>(call.out[0].data<int32_t>());
  *y = call.in[0].size() == 0 ? 0 : traceSqrt(matrixF64(call.in[0]), matrixF64(call.in[1]));
}

}  // namespace gv::cpu::run
