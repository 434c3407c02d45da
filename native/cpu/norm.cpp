// channelNorm, its gradient, and affineAct of ops/norm.h, on the pieces of cpu/columns.h.
//
// Statistics: over blocks of 64 rows, sums of x - pivot and its square in f32, the pivot being the block's own first
// row; blocks, pieces and folded columns are then merged in double, in order (Chan, Golub & LeVeque 1983). No
// cancellation for any mean, one read of x, and the same result for any number of threads.
#include "ops/norm.h"

#include <algorithm>
#include <cmath>

#include "cpu/columns.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norm.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

#ifndef GV_CPU_NORM_ONCE
#define GV_CPU_NORM_ONCE
namespace gv::cpu {
namespace {

constexpr int64_t kBlockRows = 64;

/** Per wide column: y = act((x - mean) scale + shift), and with inner, outer: dx = scale g - outer - inner (x - mean). */
struct ColumnParams {
  const float *mean, *scale, *shift, *outer, *inner;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

template <int kRows>
HWY_INLINE void AddMoments(const float* HWY_RESTRICT x, int64_t stride, int64_t width,
                           const float* HWY_RESTRICT pivot, float* HWY_RESTRICT sum, float* HWY_RESTRICT squares) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V p = at.load(pivot + j);
    V s = hn::LoadU(D(), sum + j), q = hn::LoadU(D(), squares + j);
    for (int r = 0; r < kRows; r++) {
      const V d = hn::Sub(at.load(x + r * stride + j), p);
      s = hn::Add(s, d);
      q = hn::MulAdd(d, d, q);
    }
    hn::StoreU(s, D(), sum + j);
    hn::StoreU(q, D(), squares + j);
  });
}

/** Mean of each column of x [rows, width] and the sum of the squared deviations from it. */
void ColumnMoments(const float* HWY_RESTRICT x, int64_t rows, int64_t stride, int64_t width,
                   double* HWY_RESTRICT mean, double* HWY_RESTRICT squares) {
  constexpr int64_t kRoom = ColumnPlan::kMaxWidth + kLanes;
  HWY_ALIGN float s[kRoom], q[kRoom];
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    const float* block = x + first * stride;
    const int64_t n = std::min(kBlockRows, rows - first);
    std::fill_n(s, width + kLanes, 0.0f);
    std::fill_n(q, width + kLanes, 0.0f);
    int64_t r = 0;
    for (; r + 4 <= n; r += 4) AddMoments<4>(block + r * stride, stride, width, block, s, q);
    for (; r < n; r++) AddMoments<1>(block + r * stride, stride, width, block, s, q);
    const double inverse = 1.0 / double(n), share = double(n) / double(first + n), cross = double(first) * share;
    for (int64_t j = 0; j < width; j++) {
      const double own = double(s[j]) * inverse;
      const double delta = double(block[j]) + own - (first ? mean[j] : 0.0);
      const double around = std::max(double(q[j]) - own * double(s[j]), 0.0);
      mean[j] = (first ? mean[j] : 0.0) + delta * share;
      squares[j] = (first ? squares[j] : 0.0) + around + delta * delta * cross;
    }
  }
}

template <Activation A, int kRows>
HWY_INLINE void NormaliseSome(const float* HWY_RESTRICT x, float* HWY_RESTRICT y, int64_t stride, int64_t width,
                              const ColumnParams& p, V slope) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V mean = at.load(p.mean + j), scale = at.load(p.scale + j), shift = at.load(p.shift + j);
    for (int r = 0; r < kRows; r++) {
      const V d = hn::Sub(at.load(x + r * stride + j), mean);
      at.store(activate<A>(hn::MulAdd(d, scale, shift), slope), y + r * stride + j);
    }
  });
}

void Normalise(ActivationArgs activation, const float* x, float* y, int64_t rows, int64_t stride, int64_t width,
               ColumnParams p) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) NormaliseSome<A, 4>(x + r * stride, y + r * stride, stride, width, p, slope);
    for (; r < rows; r++) NormaliseSome<A, 1>(x + r * stride, y + r * stride, stride, width, p, slope);
  });
}

template <Activation A, int kRows>
HWY_INLINE void AddGradSums(const float* HWY_RESTRICT gy, const float* HWY_RESTRICT x, int64_t stride, int64_t width,
                            const ColumnParams& p, V slope, float* HWY_RESTRICT sum, float* HWY_RESTRICT product) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V mean = at.load(p.mean + j), scale = at.load(p.scale + j), shift = at.load(p.shift + j);
    V s = hn::LoadU(D(), sum + j), q = hn::LoadU(D(), product + j);
    for (int r = 0; r < kRows; r++) {
      const V d = hn::Sub(at.load(x + r * stride + j), mean);
      const V g = activationGrad<A>(at.load(gy + r * stride + j), hn::MulAdd(d, scale, shift), slope);
      s = hn::Add(s, g);
      q = hn::MulAdd(g, d, q);
    }
    hn::StoreU(s, D(), sum + j);
    hn::StoreU(q, D(), product + j);
  });
}

/** For each column: the sums over rows of g and of g (x - mean), g being the gradient before the activation. */
void GradSums(ActivationArgs activation, const float* gy, const float* x, int64_t rows, int64_t stride, int64_t width,
              ColumnParams p, double* HWY_RESTRICT sum, double* HWY_RESTRICT product) {
  constexpr int64_t kRoom = ColumnPlan::kMaxWidth + kLanes;
  HWY_ALIGN float s[kRoom], q[kRoom];
  std::fill_n(sum, width, 0.0);
  std::fill_n(product, width, 0.0);
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    for (int64_t first = 0; first < rows; first += kBlockRows) {
      const int64_t end = std::min(first + kBlockRows, rows);
      std::fill_n(s, width + kLanes, 0.0f);
      std::fill_n(q, width + kLanes, 0.0f);
      int64_t r = first;
      for (; r + 4 <= end; r += 4) AddGradSums<A, 4>(gy + r * stride, x + r * stride, stride, width, p, slope, s, q);
      for (; r < end; r++) AddGradSums<A, 1>(gy + r * stride, x + r * stride, stride, width, p, slope, s, q);
      for (int64_t j = 0; j < width; j++) {
        sum[j] += double(s[j]);
        product[j] += double(q[j]);
      }
    }
  });
}

template <Activation A, int kRows>
HWY_INLINE void GradInputSome(const float* HWY_RESTRICT gy, const float* HWY_RESTRICT x, float* HWY_RESTRICT dx,
                              int64_t stride, int64_t width, const ColumnParams& p, V slope) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V mean = at.load(p.mean + j), scale = at.load(p.scale + j), shift = at.load(p.shift + j);
    const V outer = at.load(p.outer + j), inner = at.load(p.inner + j);
    for (int r = 0; r < kRows; r++) {
      const V d = hn::Sub(at.load(x + r * stride + j), mean);
      const V g = activationGrad<A>(at.load(gy + r * stride + j), hn::MulAdd(d, scale, shift), slope);
      at.store(hn::NegMulAdd(inner, d, hn::MulSub(scale, g, outer)), dx + r * stride + j);
    }
  });
}

void GradInput(ActivationArgs activation, const float* gy, const float* x, float* dx, int64_t rows, int64_t stride,
               int64_t width, ColumnParams p) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
      const int64_t at = r * stride;
      GradInputSome<A, 4>(gy + at, x + at, dx + at, stride, width, p, slope);
    }
    for (; r < rows; r++) {
      const int64_t at = r * stride;
      GradInputSome<A, 1>(gy + at, x + at, dx + at, stride, width, p, slope);
    }
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(ColumnMoments);
HWY_EXPORT(Normalise);
HWY_EXPORT(GradSums);
HWY_EXPORT(GradInput);

/** f(b) for each batch item, several threads: for the work on statistics between two passes over x. */
template <class F>
void overBatch(const ColumnPlan& plan, const F& f) {
  parallelRange(plan.batch, 1024 / std::max<int64_t>(plan.perBatch() * plan.width, 1) + 1,
                [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) f(b);
  });
}

/** Merges the moments of batch item b's pieces into its mean and sum of squared deviations per channel. */
void mergeMoments(const ColumnPlan& plan, int64_t b, const double* means, const double* squares, double* mean,
                  double* total) {
  std::fill_n(mean, plan.channels, 0.0);
  std::fill_n(total, plan.channels, 0.0);
  // Rows seen so far; all channels of a row piece advance together, so it is counted at the last of them.
  double seen = 0;
  plan.forEachPartial(b, [&](int64_t from, int64_t channel, int64_t n, int64_t pieceRows) {
    const double rows = double(pieceRows), share = rows / (seen + rows), cross = seen * share;
    for (int64_t c = 0; c < n; c++) {
      const double delta = means[from + c] - mean[channel + c];
      mean[channel + c] += delta * share;
      total[channel + c] += squares[from + c] + delta * delta * cross;
    }
    if (channel + n == plan.channels) seen += rows;
  });
}

/** Repeats value(c) of batch item b along its wide row of `to` [batch, width]. */
template <class F>
void spread(const ColumnPlan& plan, int64_t b, float* to, const F& value) {
  float* row = to + b * plan.width;
  for (int64_t c = 0; c < plan.channels; c++) row[c] = value(c);
  for (int64_t j = plan.channels; j < plan.width; j++) row[j] = row[j - plan.channels];
}

ColumnParams at(const ColumnParams& p, const ColumnPlan& plan, const ColumnPlan::Piece& piece) {
  const int64_t k = piece.batch * plan.width + piece.column;
  return {p.mean + k, p.scale + k, p.shift + k, p.outer ? p.outer + k : nullptr, p.inner ? p.inner + k : nullptr};
}

void normalise(const ColumnPlan& plan, ActivationArgs activation, const float* x, float* y, const ColumnParams& p) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(Normalise);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece piece = plan.piece(k);
      kernel(activation, x + piece.offset, y + piece.offset, piece.rows, piece.stride, piece.width,
             at(p, plan, piece));
    }
  });
}

}  // namespace

namespace run {

void channelNorm(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byChannel(call.in[0].shape, args.group);
  const ColumnPlan plan(s.batch, s.rows, s.channels);
  const float* x = call.in[0].data<float>();
  const float *gamma = call.in[1].data<float>(), *beta = call.in[2].data<float>();
  float *mean = call.out[1].data<float>(), *rstd = call.out[2].data<float>();

  const int64_t partial = plan.pieces * plan.pieceWidth, statistics = s.batch * s.channels;
  Workspace sums(call, size_t(2 * (partial + statistics)) * sizeof(double));
  double* means = sums.as<double>();
  double *squares = means + partial, *exactMean = squares + partial, *total = exactMean + statistics;
  const double perRow = 1.0 / double(std::max<int64_t>(s.rows, 1));
  const auto moments = HWY_DYNAMIC_DISPATCH(ColumnMoments);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece piece = plan.piece(k);
      moments(x + piece.offset, piece.rows, piece.stride, piece.width, means + k * plan.pieceWidth,
              squares + k * plan.pieceWidth);
    }
  });

  const int64_t wide = plan.batch * plan.width, C = s.channels;
  Workspace space(call, size_t(3 * wide) * sizeof(float));
  float* wideMean = space.as<float>();
  float *scale = wideMean + wide, *shift = scale + wide;
  overBatch(plan, [&](int64_t b) {
    double *m = exactMean + b * C, *q = total + b * C;
    mergeMoments(plan, b, means, squares, m, q);
    for (int64_t c = 0; c < C; c++) {
      mean[b * C + c] = float(m[c]);
      rstd[b * C + c] = float(1.0 / std::sqrt(q[c] * perRow + args.eps));
    }
    spread(plan, b, wideMean, [&](int64_t c) { return mean[b * C + c]; });
    spread(plan, b, scale, [&](int64_t c) { return gamma[c] * rstd[b * C + c]; });
    // What rounding the mean to f32 lost goes into the shift, or a mean of 1e4 would cost four digits of y.
    spread(plan, b, shift, [&](int64_t c) {
      const double lost = m[c] - double(mean[b * C + c]);
      return float(double(beta[c]) - lost * double(gamma[c] * rstd[b * C + c]));
    });
  });
  normalise(plan, args.activation, x, call.out[0].data<float>(), {wideMean, scale, shift, nullptr, nullptr});
}

void channelNormGrad(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byChannel(call.in[1].shape, args.group);
  const ColumnPlan plan(s.batch, s.rows, s.channels);
  const float *gy = call.in[0].data<float>(), *x = call.in[1].data<float>();
  const float *gamma = call.in[2].data<float>(), *beta = call.in[3].data<float>();
  const float *mean = call.in[4].data<float>(), *rstd = call.in[5].data<float>();
  float *dx = call.out[0].data<float>(), *dgamma = call.out[1].data<float>(), *dbeta = call.out[2].data<float>();
  const int64_t wide = plan.batch * plan.width, C = s.channels;
  Workspace space(call, size_t(5 * wide) * sizeof(float));
  float* wideMean = space.as<float>();
  float *scale = wideMean + wide, *shift = scale + wide, *outer = shift + wide, *inner = outer + wide;
  overBatch(plan, [&](int64_t b) {
    spread(plan, b, wideMean, [&](int64_t c) { return mean[b * C + c]; });
    spread(plan, b, scale, [&](int64_t c) { return gamma[c] * rstd[b * C + c]; });
    spread(plan, b, shift, [&](int64_t c) { return beta[c]; });
  });
  const ColumnParams p{wideMean, scale, shift, outer, inner};

  const int64_t partial = plan.pieces * plan.pieceWidth, statistics = s.batch * C;
  Workspace sums(call, size_t(2 * (partial + statistics)) * sizeof(double));
  double* partialSum = sums.as<double>();
  double *partialProduct = partialSum + partial, *sum = partialProduct + partial, *product = sum + statistics;
  const auto gradSums = HWY_DYNAMIC_DISPATCH(GradSums);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece piece = plan.piece(k);
      gradSums(args.activation, gy + piece.offset, x + piece.offset, piece.rows, piece.stride, piece.width,
               at(p, plan, piece), partialSum + k * plan.pieceWidth, partialProduct + k * plan.pieceWidth);
    }
  });

  const double perRow = 1.0 / double(std::max<int64_t>(s.rows, 1));
  overBatch(plan, [&](int64_t b) {
    double *g = sum + b * C, *h = product + b * C;
    const float* r = rstd + b * C;
    std::fill_n(g, C, 0.0);
    std::fill_n(h, C, 0.0);
    plan.forEachPartial(b, [&](int64_t from, int64_t channel, int64_t n, int64_t) {
      for (int64_t c = 0; c < n; c++) {
        g[channel + c] += partialSum[from + c];
        h[channel + c] += partialProduct[from + c];
      }
    });
    for (int64_t c = 0; c < C; c++) h[c] *= double(r[c]);
    spread(plan, b, outer, [&](int64_t c) { return float(double(gamma[c] * r[c]) * g[c] * perRow); });
    spread(plan, b, inner, [&](int64_t c) { return float(double(gamma[c] * r[c]) * double(r[c]) * h[c] * perRow); });
  });
  for (int64_t c = 0; c < C; c++) {
    double g = 0, h = 0;
    for (int64_t b = 0; b < s.batch; b++) {
      g += sum[b * C + c];
      h += product[b * C + c];
    }
    dgamma[c] = float(h);
    dbeta[c] = float(g);
  }
  const auto gradInput = HWY_DYNAMIC_DISPATCH(GradInput);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece piece = plan.piece(k);
      gradInput(args.activation, gy + piece.offset, x + piece.offset, dx + piece.offset, piece.rows, piece.stride,
                piece.width, at(p, plan, piece));
    }
  });
}

void affineAct(const Call& call) {
  const Shape x = call.in[0].shape;
  const ColumnPlan plan(1, x.count(0, x.rank() - 1), x.last());
  Workspace space(call, size_t(3 * plan.width) * sizeof(float));
  float* zero = space.as<float>();
  float *scale = zero + plan.width, *shift = scale + plan.width;
  std::fill_n(zero, plan.width, 0.0f);
  spread(plan, 0, scale, [&](int64_t c) { return call.in[1].data<float>()[c]; });
  spread(plan, 0, shift, [&](int64_t c) { return call.in[2].data<float>()[c]; });
  normalise(plan, ActivationArgs::decode(call, 0), call.in[0].data<float>(), call.out[0].data<float>(),
            {zero, scale, shift, nullptr, nullptr});
}

}  // namespace run
}  // namespace gv::cpu
#endif
