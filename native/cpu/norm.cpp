// channelNorm, its gradient, and affineAct of ops/norm.h, on the pieces of cpu/columns.h; the loops over a piece are in
// norm_columns.h. What pieces and folded columns computed is merged in double, in order, so the result is the same for
// any number of threads.
#include "ops/norm.h"

#include <algorithm>
#include <cmath>

#include "cpu/columns.h"
#include "cpu/norm_columns.h"
#include "cpu/norm_sets.h"
#include "cpu/pool.h"

namespace gv::cpu {
namespace {

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

void normalise(const ColumnPlan& plan, ActivationArgs activation, Floats x, Floats y, const ColumnParams& p) {
  const auto kernel = columnKernels().normalise;
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
  const Floats x(call.in[0]);
  const float *gamma = call.in[1].data<float>(), *beta = call.in[2].data<float>();
  float *mean = call.out[1].data<float>(), *rstd = call.out[2].data<float>();
  const ChannelSharing sharing = ChannelSharing::decode(call);

  const int64_t partial = plan.pieces * plan.pieceWidth;
  const int64_t statistics = std::max<int64_t>(s.batch, 1) * s.channels;
  Workspace sums(call, size_t(2 * (partial + statistics)) * sizeof(double));
  double* means = sums.as<double>();
  double *squares = means + partial, *exactMean = squares + partial, *total = exactMean + statistics;
  const double inverse = 1.0 / elementsPerSet(s, sharing);
  const auto moments = columnKernels().moments;
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
  if (plan.batch == 0) std::fill_n(exactMean, 2 * statistics, 0.0);
  overBatch(plan, [&](int64_t b) { mergeMoments(plan, b, means, squares, exactMean + b * C, total + b * C); });
  shareMoments(s, sharing, exactMean, total);
  for (int64_t k = 0; k < call.out[1].size(); k++) {
    mean[k] = float(exactMean[k]);
    rstd[k] = float(1.0 / std::sqrt(total[k] * inverse + args.eps));
  }
  const int64_t ownScale = call.in[1].shape.rank() > 1 ? C : 0, ownSet = sharing.together ? 0 : C;
  overBatch(plan, [&](int64_t b) {
    const float *g = gamma + b * ownScale, *h = beta + b * ownScale, *m = mean + b * ownSet, *r = rstd + b * ownSet;
    spread(plan, b, wideMean, [&](int64_t c) { return m[c]; });
    spread(plan, b, scale, [&](int64_t c) { return g[c] * r[c]; });
    // What rounding the mean to f32 lost goes into the shift, or a mean of 1e4 would cost four digits of y.
    spread(plan, b, shift, [&](int64_t c) {
      const double lost = exactMean[b * ownSet + c] - double(m[c]);
      return float(double(h[c]) - lost * double(g[c] * r[c]));
    });
  });
  normalise(plan, args.activation, x, Floats(call.out[0]), {wideMean, scale, shift, nullptr, nullptr});
}

void channelNormGrad(const Call& call) {
  const NormArgs args = NormArgs::decode(call);
  const NormShape s = NormShape::byChannel(call.in[1].shape, args.group);
  const ColumnPlan plan(s.batch, s.rows, s.channels);
  const Floats gy(call.in[0]), x(call.in[1]), dx(call.out[0]);
  const float *gamma = call.in[2].data<float>(), *beta = call.in[3].data<float>();
  const float *mean = call.in[4].data<float>(), *rstd = call.in[5].data<float>();
  float *dgamma = call.out[1].data<float>(), *dbeta = call.out[2].data<float>();
  const ChannelSharing sharing = ChannelSharing::decode(call);
  const int64_t wide = plan.batch * plan.width, C = s.channels;
  const int64_t ownScale = call.in[2].shape.rank() > 1 ? C : 0, ownSet = sharing.together ? 0 : C;
  Workspace space(call, size_t(5 * wide) * sizeof(float));
  float* wideMean = space.as<float>();
  float *scale = wideMean + wide, *shift = scale + wide, *outer = shift + wide, *inner = outer + wide;
  overBatch(plan, [&](int64_t b) {
    const float *g = gamma + b * ownScale, *h = beta + b * ownScale, *r = rstd + b * ownSet;
    spread(plan, b, wideMean, [&](int64_t c) { return mean[b * ownSet + c]; });
    spread(plan, b, scale, [&](int64_t c) { return g[c] * r[c]; });
    spread(plan, b, shift, [&](int64_t c) { return h[c]; });
  });
  const ColumnParams p{wideMean, scale, shift, outer, inner};

  const int64_t partial = plan.pieces * plan.pieceWidth, statistics = s.batch * C, sets = call.in[4].size();
  Workspace sums(call, size_t(2 * (partial + statistics + sets)) * sizeof(double));
  double* partialSum = sums.as<double>();
  double *partialProduct = partialSum + partial, *sum = partialProduct + partial, *product = sum + statistics;
  double *sharedSum = product + statistics, *sharedProduct = sharedSum + sets;
  const auto gradSums = columnKernels().gradSums;
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece piece = plan.piece(k);
      gradSums(args.activation, gy + piece.offset, x + piece.offset, piece.rows, piece.stride, piece.width,
               at(p, plan, piece), partialSum + k * plan.pieceWidth, partialProduct + k * plan.pieceWidth);
    }
  });

  const double inverse = 1.0 / elementsPerSet(s, sharing);
  overBatch(plan, [&](int64_t b) {
    double *g = sum + b * C, *h = product + b * C;
    const float* r = rstd + b * ownSet;
    std::fill_n(g, C, 0.0);
    std::fill_n(h, C, 0.0);
    plan.forEachPartial(b, [&](int64_t from, int64_t channel, int64_t n, int64_t) {
      for (int64_t c = 0; c < n; c++) {
        g[channel + c] += partialSum[from + c];
        h[channel + c] += partialProduct[from + c];
      }
    });
    for (int64_t c = 0; c < C; c++) h[c] *= double(r[c]);
  });
  const auto scaleOf = [&](int64_t b, int64_t c) { return double(gamma[b * ownScale + c]); };
  shareSums(s, sharing, sharedSum, [&](int64_t b, int64_t c) { return scaleOf(b, c) * sum[b * C + c]; });
  shareSums(s, sharing, sharedProduct, [&](int64_t b, int64_t c) { return scaleOf(b, c) * product[b * C + c]; });
  overBatch(plan, [&](int64_t b) {
    const float* r = rstd + b * ownSet;
    const double *g = sharedSum + b * ownSet, *h = sharedProduct + b * ownSet;
    spread(plan, b, outer, [&](int64_t c) { return float(double(r[c]) * g[c] * inverse); });
    spread(plan, b, inner, [&](int64_t c) { return float(double(r[c]) * double(r[c]) * h[c] * inverse); });
  });
  // One row of parameter gradients per sample, or their sum over the samples.
  for (int64_t k = 0; k < call.out[1].size(); k++) {
    double g = 0, h = 0;
    for (int64_t at = k; at < statistics; at += ownScale ? statistics : C) {
      g += sum[at];
      h += product[at];
    }
    dgamma[k] = float(h);
    dbeta[k] = float(g);
  }
  const auto gradInput = columnKernels().gradInput;
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
  const NormShape s = NormShape::byChannel(x, call.in[1].shape.rank() > 1 ? call.in[1].shape[0] : 1);
  const ColumnPlan plan(s.batch, s.rows, s.channels);
  const int64_t wide = plan.batch * plan.width, ownScale = call.in[1].shape.rank() > 1 ? s.channels : 0;
  Workspace space(call, size_t(3 * wide) * sizeof(float));
  float* zero = space.as<float>();
  float *scale = zero + wide, *shift = scale + wide;
  std::fill_n(zero, wide, 0.0f);
  for (int64_t b = 0; b < plan.batch; b++) {
    spread(plan, b, scale, [&](int64_t c) { return call.in[1].data<float>()[b * ownScale + c]; });
    spread(plan, b, shift, [&](int64_t c) { return call.in[2].data<float>()[b * ownScale + c]; });
  }
  normalise(plan, ActivationArgs::decode(call, 0), Floats(call.in[0]), Floats(call.out[0]),
            {zero, scale, shift, nullptr, nullptr});
}

}  // namespace run
}  // namespace gv::cpu
