// rowNorm and its gradient of ops/norm.h (layer norm): x [R, D], statistics along the contiguous rows.
//
// The work is cut into tiles of rows x segments of D, by shape alone; sums of a segment are merged in double, in
// order. Long rows (few images, many pixels) and short ones (many tokens, few features) fill the threads alike.
#include <algorithm>
#include <cmath>

#include "cpu/floats.h"
#include "cpu/pool.h"
#include "ops/norm.h"
#include "ops/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norm_rows.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

#ifndef GV_CPU_NORM_ROWS_ONCE
#define GV_CPU_NORM_ROWS_ONCE
namespace gv::cpu {
namespace {

constexpr int64_t kSegment = 2048;  // columns of a tile: its column sums stay in L1

/** Of one row: y = act((x - mean) rstd gamma + rest); the gradient also needs the means of h and of h xhat. */
struct RowParams {
  float mean, rstd, lost;  // lost: (mean in double - mean) rstd
  float meanH, meanHX;
};

struct Tiles {
  int64_t rows, columns;          // R and D
  int64_t segments, tileRows, rowTiles;

  Tiles(int64_t r, int64_t d)
      : rows(r),
        columns(d),
        segments((d + kSegment - 1) / kSegment),
        tileRows(std::clamp<int64_t>(65536 / std::max<int64_t>(std::min(d, kSegment), 1), 1, 512)),
        rowTiles((r + tileRows - 1) / tileRows) {}
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

HWY_INLINE double SumLanes(V v) { return double(hn::GetLane(hn::SumOfLanes(D(), v))); }

// T is float or BF16: what x, y, gy and dx are stored as.
template <class T>
void RowMomentsOf(const T* HWY_RESTRICT x, int64_t n, double* mean, double* squares) {
  const ops::Cast<float> widen;
  const V pivot = hn::Set(D(), widen(x[0]));
  V s0 = hn::Zero(D()), s1 = s0, q0 = s0, q1 = s0;
  int64_t j = 0;
  for (; j + 2 * kLanes <= n; j += 2 * kLanes) {
    const V a = hn::Sub(LoadLanes(x + j), pivot), b = hn::Sub(LoadLanes(x + j + kLanes), pivot);
    s0 = hn::Add(s0, a);
    s1 = hn::Add(s1, b);
    q0 = hn::MulAdd(a, a, q0);
    q1 = hn::MulAdd(b, b, q1);
  }
  double s = SumLanes(hn::Add(s0, s1)), q = SumLanes(hn::Add(q0, q1));
  for (; j < n; j++) {
    const double d = double(widen(x[j])) - double(widen(x[0]));
    s += d;
    q += d * d;
  }
  *mean = double(widen(x[0])) + s / double(n);
  *squares = std::max(q - s * s / double(n), 0.0);
}

/** Mean of n >= 1 numbers and the sum of their squared deviations from it. */
void RowMoments(Floats x, int64_t n, double* mean, double* squares) {
  x.visit([&](auto* px) { RowMomentsOf(px, n, mean, squares); });
}

template <class T>
void RowNormaliseAll(ActivationArgs activation, const T* HWY_RESTRICT x, T* HWY_RESTRICT y,
                     const float* HWY_RESTRICT gamma, const float* HWY_RESTRICT beta, int64_t n, const RowParams& p) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope), mean = hn::Set(D(), p.mean);
    const V rstd = hn::Set(D(), p.rstd), lost = hn::Set(D(), p.lost);
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      const V h = hn::MulSub(hn::Sub(at.load(x + j), mean), rstd, lost);
      at.store(activate<A>(hn::MulAdd(h, at.load(gamma + j), at.load(beta + j)), slope), y + j);
    });
  });
}

void RowNormalise(ActivationArgs activation, Floats x, Floats y, const float* gamma, const float* beta, int64_t n,
                  RowParams p) {
  x.visit([&](auto* px) { RowNormaliseAll(activation, px, y.like(px), gamma, beta, n, p); });
}

template <class T>
void RowGradSumsOf(ActivationArgs activation, const T* HWY_RESTRICT gy, const T* HWY_RESTRICT x,
                   const float* HWY_RESTRICT gamma, const float* HWY_RESTRICT beta, int64_t n, const RowParams& p,
                   float* HWY_RESTRICT dgamma, float* HWY_RESTRICT dbeta, double* sumH, double* sumHX) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope), mean = hn::Set(D(), p.mean), rstd = hn::Set(D(), p.rstd);
    V s = hn::Zero(D()), q = s;
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      const V xhat = hn::Mul(hn::Sub(at.load(x + j), mean), rstd), scale = at.load(gamma + j);
      const V z = hn::MulAdd(xhat, scale, at.load(beta + j));
      const V g = activationGrad<A>(at.load(gy + j), z, slope);
      const V h = hn::Mul(g, scale);
      s = hn::Add(s, h);
      q = hn::MulAdd(h, xhat, q);
      at.store(hn::MulAdd(g, xhat, at.load(dgamma + j)), dgamma + j);
      at.store(hn::Add(g, at.load(dbeta + j)), dbeta + j);
    });
    *sumH = SumLanes(s);
    *sumHX = SumLanes(q);
  });
}

/**
 * For one row: adds g xhat and g to the column sums, and returns the sums along the row of h = g gamma and h xhat,
 * g being the gradient before the activation.
 */
void RowGradSums(ActivationArgs activation, Floats gy, Floats x, const float* gamma, const float* beta, int64_t n,
                 RowParams p, float* dgamma, float* dbeta, double* sumH, double* sumHX) {
  x.visit([&](auto* px) {
    RowGradSumsOf(activation, gy.like(px), px, gamma, beta, n, p, dgamma, dbeta, sumH, sumHX);
  });
}

template <class T>
void RowGradInputAll(ActivationArgs activation, const T* HWY_RESTRICT gy, const T* HWY_RESTRICT x,
                     const float* HWY_RESTRICT gamma, const float* HWY_RESTRICT beta, T* HWY_RESTRICT dx, int64_t n,
                     const RowParams& p) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope), mean = hn::Set(D(), p.mean), rstd = hn::Set(D(), p.rstd);
    const V meanH = hn::Set(D(), p.meanH), meanHX = hn::Set(D(), p.meanHX);
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      const V xhat = hn::Mul(hn::Sub(at.load(x + j), mean), rstd), scale = at.load(gamma + j);
      const V z = hn::MulAdd(xhat, scale, at.load(beta + j));
      const V g = activationGrad<A>(at.load(gy + j), z, slope);
      const V centred = hn::MulSub(g, scale, meanH);
      at.store(hn::Mul(rstd, hn::NegMulAdd(xhat, meanHX, centred)), dx + j);
    });
  });
}

/** dx = rstd (h - mean(h) - xhat mean(h xhat)). */
void RowGradInput(ActivationArgs activation, Floats gy, Floats x, const float* gamma, const float* beta, Floats dx,
                  int64_t n, RowParams p) {
  x.visit([&](auto* px) { RowGradInputAll(activation, gy.like(px), px, gamma, beta, dx.like(px), n, p); });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(RowMoments);
HWY_EXPORT(RowNormalise);
HWY_EXPORT(RowGradSums);
HWY_EXPORT(RowGradInput);

/** f(row, segment, first column, columns) for every row and segment of the tiles, in parallel. */
template <class F>
void overTiles(const Tiles& t, const F& f) {
  const int64_t elements = t.tileRows * std::min(t.columns, kSegment);
  parallelRange(t.rowTiles * t.segments, 16384 / std::max<int64_t>(elements, 1) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; tile++) {
      const int64_t first = tile / t.segments * t.tileRows, last = std::min(first + t.tileRows, t.rows);
      const int64_t segment = tile % t.segments, column = segment * kSegment;
      const int64_t n = std::min(kSegment, t.columns - column);
      for (int64_t row = first; row < last; row++) f(row, segment, column, n);
    }
  });
}

}  // namespace

namespace run {

void rowNorm(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byRow(call.in[0].shape, args.group);
  const Tiles tiles(s.rows, s.channels);
  const Floats x(call.in[0]), y(call.out[0]);
  const float *gamma = call.in[1].data<float>(), *beta = call.in[2].data<float>();
  float *mean = call.out[1].data<float>(), *rstd = call.out[2].data<float>();

  const int64_t partial = s.rows * tiles.segments;
  Workspace sums(call, size_t(2 * partial) * sizeof(double));
  double *means = sums.as<double>(), *squares = means + partial;
  Workspace space(call, size_t(s.rows) * sizeof(RowParams));
  RowParams* params = space.as<RowParams>();

  const auto moments = HWY_DYNAMIC_DISPATCH(RowMoments);
  const auto normalise = HWY_DYNAMIC_DISPATCH(RowNormalise);
  const auto merge = [&](int64_t row) {
    double seen = 0, m = 0, q = 0;
    for (int64_t k = 0; k < tiles.segments; k++) {
      const double n = double(std::min(kSegment, s.channels - k * kSegment)), share = n / (seen + n);
      const double delta = means[row * tiles.segments + k] - m;
      m += delta * share;
      q += squares[row * tiles.segments + k] + delta * delta * seen * share;
      seen += n;
    }
    mean[row] = float(m);
    rstd[row] = float(1.0 / std::sqrt((s.channels ? q / double(s.channels) : 0.0) + args.eps));
    params[row] = {mean[row], rstd[row], float((m - double(mean[row])) * double(rstd[row])), 0, 0};
  };
  // A row of one segment is normalised at once, while it is in the cache.
  overTiles(tiles, [&](int64_t row, int64_t segment, int64_t column, int64_t n) {
    const int64_t at = row * s.channels + column, k = row * tiles.segments + segment;
    moments(x + at, n, means + k, squares + k);
    if (tiles.segments > 1) return;
    merge(row);
    normalise(args.activation, x + at, y + at, gamma, beta, n, params[row]);
  });
  if (tiles.segments == 1) return;
  for (int64_t row = 0; row < s.rows; row++) merge(row);
  overTiles(tiles, [&](int64_t row, int64_t, int64_t column, int64_t n) {
    const int64_t at = row * s.channels + column;
    normalise(args.activation, x + at, y + at, gamma + column, beta + column, n, params[row]);
  });
}

void rowNormGrad(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byRow(call.in[1].shape, args.group);
  const int64_t n = s.channels;
  const Tiles tiles(s.rows, n);
  const Floats gy(call.in[0]), x(call.in[1]), dx(call.out[0]);
  const float *gamma = call.in[2].data<float>(), *beta = call.in[3].data<float>();
  const float *mean = call.in[4].data<float>(), *rstd = call.in[5].data<float>();
  float *dgamma = call.out[1].data<float>(), *dbeta = call.out[2].data<float>();

  const int64_t partial = s.rows * tiles.segments, columns = tiles.rowTiles * n;
  Workspace sums(call, size_t(2 * partial) * sizeof(double));
  double *sumH = sums.as<double>(), *sumHX = sumH + partial;
  Workspace space(call, size_t(2 * columns) * sizeof(float));
  float *partGamma = space.as<float>(), *partBeta = partGamma + columns;
  const auto paramsOf = [&](int64_t row) { return RowParams{mean[row], rstd[row], 0, 0, 0}; };

  const auto gradSums = HWY_DYNAMIC_DISPATCH(RowGradSums);
  overTiles(tiles, [&](int64_t row, int64_t segment, int64_t column, int64_t width) {
    const int64_t at = row * n + column, k = row * tiles.segments + segment;
    const int64_t part = row / tiles.tileRows * n + column;
    if (row % tiles.tileRows == 0) {
      std::fill_n(partGamma + part, width, 0.0f);
      std::fill_n(partBeta + part, width, 0.0f);
    }
    gradSums(args.activation, gy + at, x + at, gamma + column, beta + column, width, paramsOf(row), partGamma + part,
             partBeta + part, sumH + k, sumHX + k);
  });
  parallelRange(n, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      double g = 0, h = 0;
      for (int64_t t = 0; t < tiles.rowTiles; t++) {
        g += double(partGamma[t * n + c]);
        h += double(partBeta[t * n + c]);
      }
      dgamma[c] = float(g);
      dbeta[c] = float(h);
    }
  });

  const auto gradInput = HWY_DYNAMIC_DISPATCH(RowGradInput);
  overTiles(tiles, [&](int64_t row, int64_t, int64_t column, int64_t width) {
    double h = 0, hx = 0;
    for (int64_t k = row * tiles.segments; k < (row + 1) * tiles.segments; k++) {
      h += sumH[k];
      hx += sumHX[k];
    }
    RowParams p = paramsOf(row);
    p.meanH = float(h / double(n));
    p.meanHX = float(hx / double(n));
    const int64_t at = row * n + column;
    gradInput(args.activation, gy + at, x + at, gamma + column, beta + column, dx + at, width, p);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
