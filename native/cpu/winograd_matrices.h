// The matrices of Winograd's minimal filtering F(M, R): M results of an R-tap filter from N = M + R - 1 products,
//   y = A^T [(G g) .* (B^T d)],   y[j] = sum_k d[j + k] g[k].
// They come from Toom-Cook interpolation at N - 1 finite points and infinity, at compile time (Lavin & Gray, "Fast
// algorithms for convolutional neural networks", 2016; Blahut, "Fast algorithms for signal processing", 2010). The
// 1 / prod(p_i - p_k) of Lagrange's formula is in G, so that A and B hold small numbers with short fractions.
#pragma once

namespace gv::cpu {

template <int Rows, int Cols>
struct SmallMatrix {
  static constexpr int kRows = Rows;
  static constexpr int kCols = Cols;
  float at[Rows][Cols] = {};

  constexpr SmallMatrix<Cols, Rows> transposed() const {
    SmallMatrix<Cols, Rows> result;
    for (int i = 0; i < Rows; i++) {
      for (int j = 0; j < Cols; j++) result.at[j][i] = at[i][j];
    }
    return result;
  }
};

/**
 * Rows `row` and row + 1 belong to points p and -p: the same but for the sign of the odd elements, or of the even
 * ones. Returns the sign of the even elements, 0 where it is not so.
 */
template <class Matrix>
constexpr int pairedRows(const Matrix& m, int row) {
  if (row + 1 >= Matrix::kRows) return 0;
  int sign = 0;
  bool even = false, odd = false;  // both kinds of elements must be there
  for (int col = 0; col < Matrix::kCols; col++) {
    const float a = m.at[row][col], b = col % 2 == 0 ? m.at[row + 1][col] : -m.at[row + 1][col];
    if (a == 0 && b == 0) continue;
    if (a != b && a != -b) return 0;
    const int here = a == b ? 1 : -1;
    if (sign != 0 && sign != here) return 0;
    sign = here;
    (col % 2 == 0 ? even : odd) = true;
  }
  return even && odd ? sign : 0;
}

/** The same of columns: a matrix with such columns is that of the sums and differences of their factors, `folded`. */
template <class Matrix>
constexpr int pairedColumns(const Matrix& m, int col) {
  return pairedRows(m.transposed(), col);
}

/** The matrix that takes in[col] + in[col + 1] and in[col] - in[col + 1] where two columns pair up. */
template <class Matrix>
constexpr Matrix folded(const Matrix& m) {
  Matrix result = m;
  for (int col = 0; col + 1 < Matrix::kCols; col++) {
    const int sign = pairedColumns(m, col);
    if (sign == 0) continue;
    for (int row = 0; row < Matrix::kRows; row++) {
      const bool sum = (row % 2 == 0) == (sign == 1);
      result.at[row][col] = sum ? m.at[row][col] : 0;
      result.at[row][col + 1] = sum ? 0 : m.at[row][col];
    }
    col++;
  }
  return result;
}

struct Points {
  double at[5];
};

/**
 * The finite points, +-p side by side where they pair up (then a transform shares the work of both). Chosen by
 * search among short binary fractions: half the error of the usual 0, 1, -1, 2, -2 for four and five points.
 */
constexpr Points pointsFor(int count) {
  if (count == 2) return {{1, -1}};
  if (count == 3) return {{0, 1, -1}};
  if (count == 4) return {{0.5, -0.5, 1.25, -1.25}};
  return {{0, 0.75, -0.75, 1.5, -1.5}};
}

template <int M, int R>
struct Winograd {
  static constexpr int kM = M;
  static constexpr int kR = R;
  static constexpr int kN = M + R - 1;
  static constexpr int kPlanes = kN * kN;  // products per tile and pair of channels, of a two-dimensional tile

  static constexpr Points kPoints = pointsFor(kN - 1);

  /** Coefficients of the product of (x - p_k) over the finite points, leaving out point `skip`. */
  struct Polynomial {
    double coefficient[kN] = {1};
  };
  static constexpr Polynomial product(int skip) {
    Polynomial p;
    int degree = 0;
    for (int k = 0; k < kN - 1; k++) {
      if (k == skip) continue;
      degree++;
      for (int i = degree; i > 0; i--) p.coefficient[i] = p.coefficient[i - 1] - kPoints.at[k] * p.coefficient[i];
      p.coefficient[0] *= -kPoints.at[k];
    }
    return p;
  }

  static constexpr SmallMatrix<M, kN> makeAT() {
    SmallMatrix<M, kN> m;
    for (int i = 0; i < kN - 1; i++) {
      double power = 1;
      for (int j = 0; j < M; j++, power *= kPoints.at[i]) m.at[j][i] = static_cast<float>(power);
    }
    m.at[M - 1][kN - 1] = 1;
    return m;
  }

  static constexpr SmallMatrix<kN, R> makeG() {
    SmallMatrix<kN, R> m;
    for (int i = 0; i < kN - 1; i++) {
      double scale = 1;
      for (int k = 0; k < kN - 1; k++) scale *= k == i ? 1 : kPoints.at[i] - kPoints.at[k];
      double power = 1;
      for (int j = 0; j < R; j++, power *= kPoints.at[i]) m.at[i][j] = static_cast<float>(power / scale);
    }
    m.at[kN - 1][R - 1] = 1;
    return m;
  }

  static constexpr SmallMatrix<kN, kN> makeBT() {
    SmallMatrix<kN, kN> m;
    for (int i = 0; i < kN; i++) {
      const Polynomial p = product(i < kN - 1 ? i : -1);
      for (int j = 0; j < kN; j++) m.at[i][j] = static_cast<float>(p.coefficient[j]);
    }
    return m;
  }

  static constexpr SmallMatrix<M, kN> kAT = makeAT();
  static constexpr SmallMatrix<kN, M> kA = kAT.transposed();
  static constexpr SmallMatrix<kN, R> kG = makeG();
  static constexpr SmallMatrix<R, kN> kGT = kG.transposed();
  static constexpr SmallMatrix<kN, kN> kBT = makeBT();
  static constexpr SmallMatrix<kN, kN> kB = kBT.transposed();
};

}  // namespace gv::cpu
