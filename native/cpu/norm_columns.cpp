// Kernels of norm_columns.h. Statistics: over blocks of 64 rows, sums of x - pivot and its square in f32, the pivot
// being the block's own first row; blocks are then merged in double, in order (Chan, Golub & LeVeque 1983). No
// cancellation for any mean, and one read of x.
#include "cpu/norm_columns.h"

#include <algorithm>

#include "cpu/columns.h"
#include "ops/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/norm_columns.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

constexpr int64_t kBlockRows = 64;

template <int kRows, class T>
HWY_INLINE void AddMoments(const T* HWY_RESTRICT x, int64_t stride, int64_t width, const T* HWY_RESTRICT pivot,
                           float* HWY_RESTRICT sum, float* HWY_RESTRICT squares) {
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

template <class T>
void MomentsOf(const T* HWY_RESTRICT x, int64_t rows, int64_t stride, int64_t width, double* HWY_RESTRICT mean,
               double* HWY_RESTRICT squares) {
  constexpr int64_t kRoom = ColumnPlan::kMaxWidth + kLanes;
  HWY_ALIGN float s[kRoom], q[kRoom];
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    const T* block = x + first * stride;
    const int64_t n = std::min(kBlockRows, rows - first);
    std::fill_n(s, width + kLanes, 0.0f);
    std::fill_n(q, width + kLanes, 0.0f);
    int64_t r = 0;
    for (; r + 4 <= n; r += 4) AddMoments<4>(block + r * stride, stride, width, block, s, q);
    for (; r < n; r++) AddMoments<1>(block + r * stride, stride, width, block, s, q);
    const double inverse = 1.0 / double(n), share = double(n) / double(first + n), cross = double(first) * share;
    for (int64_t j = 0; j < width; j++) {
      const double own = double(s[j]) * inverse;
      const double delta = double(ops::Cast<float>()(block[j])) + own - (first ? mean[j] : 0.0);
      const double around = std::max(double(q[j]) - own * double(s[j]), 0.0);
      mean[j] = (first ? mean[j] : 0.0) + delta * share;
      squares[j] = (first ? squares[j] : 0.0) + around + delta * delta * cross;
    }
  }
}

void ColumnMoments(Floats x, int64_t rows, int64_t stride, int64_t width, double* mean, double* squares) {
  x.visit([&](auto* px) { MomentsOf(px, rows, stride, width, mean, squares); });
}

template <Activation A, int kRows, class T>
HWY_INLINE void NormaliseSome(const T* HWY_RESTRICT x, T* HWY_RESTRICT y, int64_t stride, int64_t width,
                              const ColumnParams& p, V slope) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V mean = at.load(p.mean + j), scale = at.load(p.scale + j), shift = at.load(p.shift + j);
    for (int r = 0; r < kRows; r++) {
      const V d = hn::Sub(at.load(x + r * stride + j), mean);
      at.store(activate<A>(hn::MulAdd(d, scale, shift), slope), y + r * stride + j);
    }
  });
}

template <class T>
void NormaliseAll(ActivationArgs activation, const T* x, T* y, int64_t rows, int64_t stride, int64_t width,
                  const ColumnParams& p) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) NormaliseSome<A, 4>(x + r * stride, y + r * stride, stride, width, p, slope);
    for (; r < rows; r++) NormaliseSome<A, 1>(x + r * stride, y + r * stride, stride, width, p, slope);
  });
}

void Normalise(ActivationArgs activation, Floats x, Floats y, int64_t rows, int64_t stride, int64_t width,
               ColumnParams p) {
  x.visit([&](auto* px) { NormaliseAll(activation, px, y.like(px), rows, stride, width, p); });
}

template <Activation A, int kRows, class T>
HWY_INLINE void AddGradSums(const T* HWY_RESTRICT gy, const T* HWY_RESTRICT x, int64_t stride, int64_t width,
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

template <class T>
void GradSumsOf(ActivationArgs activation, const T* gy, const T* x, int64_t rows, int64_t stride, int64_t width,
                const ColumnParams& p, double* HWY_RESTRICT sum, double* HWY_RESTRICT product) {
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

void GradSums(ActivationArgs activation, Floats gy, Floats x, int64_t rows, int64_t stride, int64_t width,
              ColumnParams p, double* sum, double* product) {
  x.visit([&](auto* px) { GradSumsOf(activation, gy.like(px), px, rows, stride, width, p, sum, product); });
}

template <Activation A, int kRows, class T>
HWY_INLINE void GradInputSome(const T* HWY_RESTRICT gy, const T* HWY_RESTRICT x, T* HWY_RESTRICT dx, int64_t stride,
                              int64_t width, const ColumnParams& p, V slope) {
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

template <class T>
void GradInputAll(ActivationArgs activation, const T* gy, const T* x, T* dx, int64_t rows, int64_t stride,
                  int64_t width, const ColumnParams& p) {
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

void GradInput(ActivationArgs activation, Floats gy, Floats x, Floats dx, int64_t rows, int64_t stride, int64_t width,
               ColumnParams p) {
  x.visit([&](auto* px) { GradInputAll(activation, gy.like(px), px, dx.like(px), rows, stride, width, p); });
}

ColumnKernels PickColumnKernels() { return {ColumnMoments, Normalise, GradSums, GradInput}; }

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickColumnKernels);
ColumnKernels columnKernels() { return HWY_DYNAMIC_DISPATCH(PickColumnKernels)(); }
}  // namespace gv::cpu
#endif
