// rowNorm and its gradient of ops/norm.h (layer norm): x [R, D], statistics along the contiguous rows. A row that fits
// into a cache is one team's, which reads it from memory once; longer rows, of which there may be few, are folded by
// many blocks first.
#include "norm.h"
#include "rows.h"

namespace gv::cuda {
namespace {

constexpr int64_t kWholeRow = 8192;  // elements of a row that one team takes

/** y = act(((x - mean) rstd - lost) gamma + beta), lost being what rounding took from the mean, times rstd. */
template <class T>
struct Rows {
  ActivationArgs activation;
  int64_t rows, columns;
  const T* x;
  const float *gamma, *beta;
  float *mean, *rstd;
  double eps;
  T* y;

  GV_HD T normalised(float v, float middle, float r, float lost, float scale, float shift) const {
    return ops::Cast<T>()(activate(activation, ((v - middle) * r - lost) * scale + shift));
  }
};

template <class T>
struct WholeRow {
  Rows<T> a;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const int64_t n = a.columns, count = n > 0 ? n : 1;
    const T* const x = a.x + team.index * n;
    const float pivot = n > 0 ? widen(x[0]) : 0;
    RunningSum sum;
    for (int64_t j = team.thread; j < n; j += team.threads) sum.add(widen(x[j]) - pivot);
    const float mean = float(double(pivot) + team.sum(sum.sum()) / double(count));
    // Once more around the mean: nothing cancels, and what is left of the sum is what rounding took from the mean.
    RunningSum rest, squares;
    for (int64_t j = team.thread; j < n; j += team.threads) {
      const float d = widen(x[j]) - mean;
      rest.add(d);
      squares.add(d * d);
    }
    const TwoSums both = team.reduce(TwoSums{rest.sum(), squares.sum()}, AddTwoSums());
    const double lost = both.first / double(count), variance = both.second / double(count) - lost * lost;
    const float r = rstdOf(variance < 0 ? 0 : variance, a.eps), shift = float(lost * double(r));
    if (team.thread == 0) {
      a.mean[team.index] = mean;
      a.rstd[team.index] = r;
    }
    T* const y = a.y + team.index * n;
    for (int64_t j = team.thread; j < n; j += team.threads)
      y[j] = a.normalised(widen(x[j]), mean, r, shift, a.gamma[j], a.beta[j]);
  }
};

template <class T>
struct RowMoments {
  using Part = Moments;
  Rows<T> a;
  float* lost;

  GV_DEVICE Part part(int64_t row, int64_t first, int64_t end, int64_t step, int64_t) const {
    const T* const x = a.x + row * a.columns;
    RunningMoments m;
    overRows(first, end, step, [&](int64_t j) { return widen(x[j]); }, [&](int64_t, float v) { m.add(v); });
    return m.moments();
  }
  GV_DEVICE Part join(const Part& l, const Part& r) const { return joined(l, r); }
  GV_DEVICE void store(int64_t row, const Part& m) const {
    const float mean = float(m.mean), r = rstdOf(m.squares / m.n, a.eps);
    a.mean[row] = mean;
    a.rstd[row] = r;
    lost[row] = float((m.mean - double(mean)) * double(r));
  }
};

template <class T>
struct NormaliseLong {
  Rows<T> a;
  const float* lost;

  GV_DEVICE void operator()(int64_t, int64_t j, int64_t first, int64_t end, int64_t step) const {
    const float scale = a.gamma[j], shift = a.beta[j];
    overRows(first, end, step, [&](int64_t r) { return widen(a.x[r * a.columns + j]); }, [&](int64_t r, float v) {
      a.y[r * a.columns + j] = a.normalised(v, a.mean[r], a.rstd[r], lost[r], scale, shift);
    });
  }
};

/** What the gradient's passes read. */
template <class T>
struct RowGrads {
  ActivationArgs activation;
  int64_t rows, columns;
  const T *gy, *x;
  const float *gamma, *beta, *mean, *rstd;
  T* dx;

  struct Place {
    float g, xhat;
  };
  /** The gradient before the activation, and the normalised x. */
  GV_DEVICE Place at(int64_t row, int64_t j) const {
    const float xhat = (widen(x[row * columns + j]) - mean[row]) * rstd[row];
    return {activationGrad(activation, widen(gy[row * columns + j]), xhat * gamma[j] + beta[j]), xhat};
  }
  /** dx = rstd (h - mean(h) - xhat mean(h xhat)), h = g gamma. */
  GV_DEVICE void store(int64_t row, int64_t j, const Place& p, float meanH, float meanHX) const {
    dx[row * columns + j] = ops::Cast<T>()(rstd[row] * (p.g * gamma[j] - meanH - p.xhat * meanHX));
  }
};

/** The sums along a row of h and h xhat, of the columns that a thread takes. */
template <class T>
GV_DEVICE TwoSums rowSums(const RowGrads<T>& a, int64_t row, int64_t first, int64_t end, int64_t step) {
  using Place = typename RowGrads<T>::Place;
  RunningSum h, hx;
  overRows(first, end, step, [&](int64_t j) { return a.at(row, j); }, [&](int64_t j, const Place& p) {
    h.add(p.g * a.gamma[j]);
    hx.add(p.g * a.gamma[j] * p.xhat);
  });
  return {h.sum(), hx.sum()};
}

template <class T>
struct WholeRowGrad {
  RowGrads<T> a;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const int64_t row = team.index, n = a.columns;
    const TwoSums sums = team.reduce(rowSums(a, row, team.thread, n, team.threads), AddTwoSums());
    const float meanH = float(sums.first / double(n)), meanHX = float(sums.second / double(n));
    for (int64_t j = team.thread; j < n; j += team.threads) a.store(row, j, a.at(row, j), meanH, meanHX);
  }
};

/** The means of h and h xhat of each row. */
template <class T>
struct RowSums {
  using Part = TwoSums;
  RowGrads<T> a;
  float *meanH, *meanHX;

  GV_DEVICE Part part(int64_t row, int64_t first, int64_t end, int64_t step, int64_t) const {
    return rowSums(a, row, first, end, step);
  }
  GV_DEVICE Part join(const Part& l, const Part& r) const { return AddTwoSums()(l, r); }
  GV_DEVICE void store(int64_t row, const Part& p) const {
    meanH[row] = float(p.first / double(a.columns));
    meanHX[row] = float(p.second / double(a.columns));
  }
};

template <class T>
struct LongRowGrad {
  RowGrads<T> a;
  const float *meanH, *meanHX;

  GV_DEVICE void operator()(int64_t, int64_t j, int64_t first, int64_t end, int64_t step) const {
    using Place = typename RowGrads<T>::Place;
    overRows(first, end, step, [&](int64_t r) { return a.at(r, j); },
             [&](int64_t r, const Place& p) { a.store(r, j, p, meanH[r], meanHX[r]); });
  }
};

/** The sums over rows of g xhat and g. */
template <class T>
struct RowParameterGrads {
  using Part = TwoSums;
  RowGrads<T> a;
  float *dgamma, *dbeta;

  GV_DEVICE Part part(int64_t, int64_t first, int64_t end, int64_t step, int64_t j) const {
    using Place = typename RowGrads<T>::Place;
    RunningSum scale, shift;
    overRows(first, end, step, [&](int64_t r) { return a.at(r, j); }, [&](int64_t, const Place& p) {
      scale.add(p.g * p.xhat);
      shift.add(p.g);
    });
    return {scale.sum(), shift.sum()};
  }
  GV_DEVICE Part join(const Part& l, const Part& r) const { return AddTwoSums()(l, r); }
  GV_DEVICE void store(int64_t j, const Part& p) const {
    dgamma[j] = float(p.first);
    dbeta[j] = float(p.second);
  }
};

template <class T>
void rowNormOf(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byRow(call.in[0].shape, args.group);
  const Rows<T> a{args.activation,          s.rows,
                  s.channels,               call.in[0].data<T>(),
                  call.in[1].data<float>(), call.in[2].data<float>(),
                  call.out[1].data<float>(), call.out[2].data<float>(),
                  args.eps,                 call.out[0].data<T>()};
  if (s.channels <= kWholeRow) return eachRow(s.rows, s.channels, WholeRow<T>{a});
  const Workspace lost(call, call.out[1].bytes());
  fold(call, {s.rows, s.channels, 1}, RowMoments<T>{a, lost.as<float>()});
  overColumns(1, s.rows, s.channels, NormaliseLong<T>{a, lost.as<float>()});
}

template <class T>
void rowNormGradOf(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byRow(call.in[1].shape, args.group);
  float *const dgamma = call.out[1].data<float>(), *const dbeta = call.out[2].data<float>();
  if (s.rows == 0)
    return forEach(s.channels, [=] GV_DEVICE(int64_t j) { dgamma[j] = dbeta[j] = 0; });
  const RowGrads<T> a{args.activation,          s.rows,
                      s.channels,               call.in[0].data<T>(),
                      call.in[1].data<T>(),     call.in[2].data<float>(),
                      call.in[3].data<float>(), call.in[4].data<float>(),
                      call.in[5].data<float>(), call.out[0].data<T>()};
  fold(call, {1, s.rows, s.channels}, RowParameterGrads<T>{a, dgamma, dbeta});
  if (s.channels <= kWholeRow) return eachRow(s.rows, s.channels, WholeRowGrad<T>{a});
  const Workspace means(call, size_t(2 * s.rows) * sizeof(float));
  float *const meanH = means.as<float>(), *const meanHX = meanH + s.rows;
  fold(call, {s.rows, s.channels, 1}, RowSums<T>{a, meanH, meanHX});
  overColumns(1, s.rows, s.channels, LongRowGrad<T>{a, meanH, meanHX});
}

}  // namespace

namespace run {

void rowNorm(const Call& call) {
  if (call.in[0].dtype == DType::BF16) return rowNormOf<ops::BF16>(call);
  rowNormOf<float>(call);
}

void rowNormGrad(const Call& call) {
  if (call.in[1].dtype == DType::BF16) return rowNormGradOf<ops::BF16>(call);
  rowNormGradOf<float>(call);
}

}  // namespace run
}  // namespace gv::cuda
