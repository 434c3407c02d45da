// Kernels of ops/bias.h, on the pieces of cpu/columns.h. The gradient reads gy and y once: it writes dx and adds up
// db on the way, in f32 over blocks of 64 rows and in double, in order, beyond.
#include "ops/bias.h"

#include <algorithm>

#include "cpu/columns.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/bias.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

template <Activation A, int kRows>
HWY_INLINE void BiasRows(const float* HWY_RESTRICT x, float* HWY_RESTRICT y, int64_t stride, int64_t width,
                         const float* HWY_RESTRICT bias, V slope) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V b = at.load(bias + j);
    for (int r = 0; r < kRows; r++)
      at.store(activate<A>(hn::Add(at.load(x + r * stride + j), b), slope), y + r * stride + j);
  });
}

void Bias(ActivationArgs activation, const float* x, float* y, int64_t rows, int64_t stride, int64_t width,
          const float* bias) {
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) BiasRows<A, 4>(x + r * stride, y + r * stride, stride, width, bias, slope);
    for (; r < rows; r++) BiasRows<A, 1>(x + r * stride, y + r * stride, stride, width, bias, slope);
  });
}

template <Activation A, int kRows>
HWY_INLINE void BiasGradRows(const float* HWY_RESTRICT gy, const float* HWY_RESTRICT y, float* HWY_RESTRICT dx,
                             int64_t stride, int64_t width, V slope, float* HWY_RESTRICT sum) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    V s = hn::LoadU(D(), sum + j);
    for (int r = 0; r < kRows; r++) {
      const int64_t k = r * stride + j;
      const V g = activationGradFromResult<A>(at.load(gy + k), at.load(y + k), slope);
      at.store(g, dx + k);
      s = hn::Add(s, g);
    }
    hn::StoreU(s, D(), sum + j);
  });
}

void BiasGrad(ActivationArgs activation, const float* gy, const float* y, float* dx, int64_t rows, int64_t stride,
              int64_t width, double* HWY_RESTRICT sum) {
  constexpr int64_t kBlockRows = 64;
  HWY_ALIGN float s[ColumnPlan::kMaxWidth + kLanes];
  std::fill_n(sum, width, 0.0);
  withActivation(activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const V slope = hn::Set(D(), activation.slope);
    for (int64_t r = 0; r < rows;) {
      const int64_t end = std::min(r + kBlockRows, rows);
      std::fill_n(s, width + kLanes, 0.0f);
      for (; r + 4 <= end; r += 4)
        BiasGradRows<A, 4>(gy + r * stride, y + r * stride, dx + r * stride, stride, width, slope, s);
      for (; r < end; r++)
        BiasGradRows<A, 1>(gy + r * stride, y + r * stride, dx + r * stride, stride, width, slope, s);
      for (int64_t j = 0; j < width; j++) sum[j] += double(s[j]);
    }
  });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(Bias);
HWY_EXPORT(BiasGrad);

}  // namespace

namespace run {

void biasAct(const Call& call) {
  const Shape shape = call.in[0].shape;
  const ColumnPlan plan(1, shape.count(0, shape.rank() - 1), shape.last());
  const ActivationArgs activation = ActivationArgs::decode(call, 0);
  const float *x = call.in[0].data<float>(), *b = call.in[1].data<float>();
  float* y = call.out[0].data<float>();
  Workspace space(call, size_t(plan.width) * sizeof(float));
  float* wide = space.as<float>();
  for (int64_t j = 0; j < plan.width; j++) wide[j] = b[j % plan.channels];
  const auto kernel = HWY_DYNAMIC_DISPATCH(Bias);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece p = plan.piece(k);
      kernel(activation, x + p.offset, y + p.offset, p.rows, p.stride, p.width, wide + p.column);
    }
  });
}

void biasActGrad(const Call& call) {
  const Shape shape = call.in[0].shape;
  const ColumnPlan plan(1, shape.count(0, shape.rank() - 1), shape.last());
  const ActivationArgs activation = ActivationArgs::decode(call, 0);
  const float *gy = call.in[0].data<float>(), *y = call.in[1].data<float>();
  float *dx = call.out[0].data<float>(), *db = call.out[1].data<float>();
  Workspace space(call, size_t(plan.pieces * plan.pieceWidth + plan.channels) * sizeof(double));
  double *total = space.as<double>(), *partial = total + plan.channels;
  const auto kernel = HWY_DYNAMIC_DISPATCH(BiasGrad);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece p = plan.piece(k);
      kernel(activation, gy + p.offset, y + p.offset, dx + p.offset, p.rows, p.stride, p.width,
             partial + k * plan.pieceWidth);
    }
  });
  std::fill_n(total, plan.channels, 0.0);
  plan.forEachPartial(0, [&](int64_t from, int64_t channel, int64_t n, int64_t) {
    for (int64_t c = 0; c < n; c++) total[channel + c] += partial[from + c];
  });
  for (int64_t c = 0; c < plan.channels; c++) db[c] = float(total[c]);
}

}  // namespace run
}  // namespace gv::cpu
#endif
