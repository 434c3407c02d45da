// The functions of linalg_host.h. Matrices that are not finite give NaN without being decomposed.
#include "linalg_host.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <limits>

namespace gv::ops {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using MatrixF32 = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/** Eigen's iteration does not end for a NaN as it does for numbers, so it never sees one. */
template <class M>
bool solvable(const M& x) {
  return x.allFinite();
}

Matrix widen(const float* x, int64_t n) { return Eigen::Map<const MatrixF32>(x, n, n).cast<double>(); }

}  // namespace

void eighOf(const float* data, int64_t n, float* values, float* vectors) {
  const Matrix x = widen(data, n);
  Eigen::Map<Eigen::VectorXf> lambda(values, n);
  Eigen::Map<MatrixF32> columns(vectors, n, n);
  if (!solvable(x)) {
    lambda.setConstant(float(kNaN));
    columns.setConstant(float(kNaN));
    return;
  }
  const Solver solver(x);
  lambda = solver.eigenvalues().cast<float>();
  columns = solver.eigenvectors().cast<float>();
}

void sqrtmOf(const float* data, int64_t n, float* y) {
  const Matrix x = widen(data, n);
  Eigen::Map<MatrixF32> root(y, n, n);
  if (!solvable(x)) {
    root.setConstant(float(kNaN));
    return;
  }
  const Solver solver(x);
  const Eigen::VectorXd values = solver.eigenvalues().cwiseMax(0.0).cwiseSqrt();
  const Eigen::MatrixXd& vectors = solver.eigenvectors();
  root = (vectors * values.asDiagonal() * vectors.transpose()).cast<float>();
}

/** With a = Pᵀ L D Lᵀ P, the eigenvalues of ab are those of √D Lᵀ (P b Pᵀ) L √D, which is symmetric. */
double traceSqrtProductOf(const double* left, const double* right, int64_t n) {
  if (n == 0) return 0;
  const Eigen::Map<const Matrix> a(left, n, n), b(right, n, n);
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

}  // namespace gv::ops
