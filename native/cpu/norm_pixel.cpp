// Kernels of pixelNorm and its gradient in ops/norm.h: each pixel is one contiguous row of channels, read twice while it
// is in cache. Short rows sum in f32 lanes; the lanes are combined in double.
#include "ops/norm.h"

#include <algorithm>
#include <cmath>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norm_pixel.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

/** The inner product of two rows; partial sums of at most 4096 elements are held in f32. */
HWY_INLINE double RowDot(const float* a, const float* b, int64_t n) {
  double total = 0;
  for (int64_t first = 0; first < n; first += 4096) {
    V sum = hn::Zero(D());
    overLanes(std::min<int64_t>(n - first, 4096), [&](int64_t j, auto at) HWY_ATTR {
      sum = hn::MulAdd(at.load(a + first + j), at.load(b + first + j), sum);
    });
    total += double(hn::GetLane(hn::SumOfLanes(D(), sum)));
  }
  return total;
}

}  // namespace

void PixelNormRows(const float* x, float* y, float* rstd, int64_t rows, int64_t n, double eps) {
  for (int64_t r = 0; r < rows; r++, x += n, y += n) {
    rstd[r] = float(1.0 / std::sqrt(RowDot(x, x, n) / double(n) + eps));
    const V scale = hn::Set(D(), rstd[r]);
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR { at.store(hn::Mul(at.load(x + j), scale), y + j); });
  }
}

void PixelNormGradRows(const float* gy, const float* x, const float* rstd, float* dx, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, gy += n, x += n, dx += n) {
    const double inverse = double(rstd[r]);
    const V scale = hn::Set(D(), rstd[r]);
    const V along = hn::Set(D(), float(inverse * inverse * inverse * RowDot(gy, x, n) / double(n)));
    overLanes(n, [&](int64_t j, auto at) HWY_ATTR {
      at.store(hn::NegMulAdd(at.load(x + j), along, hn::Mul(at.load(gy + j), scale)), dx + j);
    });
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(PixelNormRows);
HWY_EXPORT(PixelNormGradRows);

/** f(first, count) over pixels of n channels, several threads. */
template <class F>
void overPixels(int64_t pixels, int64_t n, const F& f) {
  parallelRange(pixels, 16384 / std::max<int64_t>(n, 1) + 1,
                [&](int64_t begin, int64_t end) { f(begin, end - begin); });
}

}  // namespace

namespace run {

void pixelNorm(const Call& call) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(PixelNormRows);
  const int64_t n = call.in[0].shape.last();
  const double eps = call.number(0);
  const float* x = call.in[0].data<float>();
  float *y = call.out[0].data<float>(), *rstd = call.out[1].data<float>();
  overPixels(call.out[1].size(), n, [=](int64_t first, int64_t count) {
    kernel(x + first * n, y + first * n, rstd + first, count, n, eps);
  });
}

void pixelNormGrad(const Call& call) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(PixelNormGradRows);
  const int64_t n = call.in[1].shape.last();
  const float *gy = call.in[0].data<float>(), *x = call.in[1].data<float>(), *rstd = call.in[2].data<float>();
  float* dx = call.out[0].data<float>();
  overPixels(call.in[2].size(), n, [=](int64_t first, int64_t count) {
    kernel(gy + first * n, x + first * n, rstd + first, dx + first * n, count, n);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
