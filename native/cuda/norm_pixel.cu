// Kernels of pixelNorm and its gradient in ops/norm.h: a team for each pixel, whose channels are one contiguous row.
#include "norm.h"
#include "rows.h"

namespace gv::cuda {
namespace {

/** The sum of a[j] b[j] over the team's row. */
template <class Team>
GV_DEVICE double rowDot(const Team& team, const float* a, const float* b, int64_t n) {
  RunningSum sum;
  for (int64_t j = team.thread; j < n; j += team.threads) sum.add(a[j] * b[j]);
  return team.sum(sum.sum());
}

struct Forward {
  const float* x;
  float *y, *rstd;
  int64_t n;
  double eps;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const int64_t row = team.index * n;
    const float r = rstdOf(rowDot(team, x + row, x + row, n) / double(n), eps);
    if (team.thread == 0) rstd[team.index] = r;
    for (int64_t j = team.thread; j < n; j += team.threads) y[row + j] = x[row + j] * r;
  }
};

struct Backward {
  const float *gy, *x, *rstd;
  float* dx;
  int64_t n;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const int64_t row = team.index * n;
    const float r = rstd[team.index];
    const double inverse = double(r), dot = rowDot(team, gy + row, x + row, n);
    const float along = float(inverse * inverse * inverse * dot / double(n));
    for (int64_t j = team.thread; j < n; j += team.threads) dx[row + j] = gy[row + j] * r - x[row + j] * along;
  }
};

}  // namespace

namespace run {

void pixelNorm(const Call& call) {
  const int64_t n = call.in[0].shape.last();
  eachRow(call.out[1].size(), n,
          Forward{call.in[0].data<float>(), call.out[0].data<float>(), call.out[1].data<float>(), n, call.number(0)});
}

void pixelNormGrad(const Call& call) {
  const int64_t n = call.in[1].shape.last();
  eachRow(call.in[2].size(), n,
          Backward{call.in[0].data<float>(), call.in[1].data<float>(), call.in[2].data<float>(),
                   call.out[0].data<float>(), n});
}

}  // namespace run
}  // namespace gv::cuda
