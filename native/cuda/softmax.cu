// Kernels of ops/softmax.h: a team for each row, three passes over it that stay in cache. A NaN anywhere reaches the
// sum, so the greatest element need not look for it.
#include "../ops/softmax.h"

#include <cmath>

#include "rows.h"

namespace gv::cuda {
namespace {

struct Greater {
  GV_HD float operator()(float a, float b) const { return a > b ? a : b; }
};

template <class Team>
GV_DEVICE float greatest(const Team& team, const float* x, int64_t n) {
  float best = -INFINITY;
  for (int64_t j = team.thread; j < n; j += team.threads) best = Greater()(x[j], best);
  return team.reduce(best, Greater());
}

struct Forward {
  const float* x;
  float* y;
  int64_t n;
  bool logarithm;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const float* const from = x + team.index * n;
    float* const to = y + team.index * n;
    const float top = greatest(team, from, n);
    float sum = 0;
    for (int64_t j = team.thread; j < n; j += team.threads) {
      const float e = expf(from[j] - top);
      sum += e;
      if (!logarithm) to[j] = e;
    }
    sum = team.sum(sum);
    const float number = logarithm ? logf(sum) : 1.0f / sum;
    for (int64_t j = team.thread; j < n; j += team.threads)
      to[j] = logarithm ? from[j] - top - number : to[j] * number;
  }
};

struct Backward {
  const float *gy, *y;
  float* gx;
  int64_t n;
  bool logarithm;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const float *const g = gy + team.index * n, *const of = y + team.index * n;
    float* const to = gx + team.index * n;
    float sum = 0;
    for (int64_t j = team.thread; j < n; j += team.threads) sum += logarithm ? g[j] : g[j] * of[j];
    sum = team.sum(sum);
    for (int64_t j = team.thread; j < n; j += team.threads)
      to[j] = logarithm ? g[j] - expf(of[j]) * sum : of[j] * (g[j] - sum);
  }
};

template <class F>
void overRowsOf(const Tensor& t, F f) {
  if (t.size() > 0) eachRow(t.size() / f.n, f.n, f);
}

void forward(const Call& call, bool logarithm) {
  const Tensor& y = call.out[0];
  overRowsOf(y, Forward{call.in[0].data<float>(), y.data<float>(), y.shape.last(), logarithm});
}

void backward(const Call& call, bool logarithm) {
  const Tensor& gx = call.out[0];
  overRowsOf(gx, Backward{call.in[0].data<float>(), call.in[1].data<float>(), gx.data<float>(), gx.shape.last(),
                          logarithm});
}

}  // namespace

namespace run {
void softmax(const Call& call) { forward(call, false); }
void logSoftmax(const Call& call) { forward(call, true); }
void softmaxGrad(const Call& call) { backward(call, false); }
void logSoftmaxGrad(const Call& call) { backward(call, true); }
}  // namespace run
}  // namespace gv::cuda
