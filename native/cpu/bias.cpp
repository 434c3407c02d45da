// Kernels of ops/bias.h, on the pieces of cpu/columns.h. The gradient reads gy and y once: it writes dx and adds up
// db on the way, in f32 over blocks of 64 rows and in double, in order, beyond.
#include "ops/bias.h"

#include <algorithm>

#include "cpu/columns.h"
#include "cpu/floats.h"
#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/bias.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// T is float or BF16: what x, y, gy and dx are stored as.
template <Activation A, int kRows, class T>
HWY_INLINE void BiasRows(const T* HWY_RESTRICT x, T* HWY_RESTRICT y, int64_t stride, int64_t width,
                         const float* HWY_RESTRICT bias, const Finish& f) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    const V b = at.load(bias + j);
    for (int r = 0; r < kRows; r++)
      at.store(finish<A>(hn::Add(at.load(x + r * stride + j), b), f), y + r * stride + j);
  });
}

template <class T>
void BiasAll(FinishArgs finishArgs, const T* x, T* y, int64_t rows, int64_t stride, int64_t width,
             const float* bias) {
  withActivation(finishArgs.activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const Finish f(finishArgs);
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) BiasRows<A, 4>(x + r * stride, y + r * stride, stride, width, bias, f);
    for (; r < rows; r++) BiasRows<A, 1>(x + r * stride, y + r * stride, stride, width, bias, f);
  });
}

void Bias(FinishArgs finishArgs, Floats x, Floats y, int64_t rows, int64_t stride, int64_t width,
          const float* bias) {
  x.visit([&](auto* px) { BiasAll(finishArgs, px, y.like(px), rows, stride, width, bias); });
}

template <Activation A, int kRows, class T>
HWY_INLINE void BiasGradRows(const T* HWY_RESTRICT gy, const T* HWY_RESTRICT y, T* HWY_RESTRICT dx, int64_t stride,
                             int64_t width, const Finish& f, float* HWY_RESTRICT sum) {
  overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
    V s = hn::LoadU(D(), sum + j);
    for (int r = 0; r < kRows; r++) {
      const int64_t k = r * stride + j;
      const V g = finishGradFromResult<A>(at.load(gy + k), at.load(y + k), f);
      at.store(g, dx + k);
      s = hn::Add(s, g);
    }
    hn::StoreU(s, D(), sum + j);
  });
}

template <class T>
void BiasGradAll(FinishArgs finishArgs, const T* gy, const T* y, T* dx, int64_t rows, int64_t stride, int64_t width,
                 double* HWY_RESTRICT sum) {
  constexpr int64_t kBlockRows = 64;
  HWY_ALIGN float s[ColumnPlan::kMaxWidth + kLanes];
  std::fill_n(sum, width, 0.0);
  withActivation(finishArgs.activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const Finish f(finishArgs);
    for (int64_t r = 0; r < rows;) {
      const int64_t end = std::min(r + kBlockRows, rows);
      std::fill_n(s, width + kLanes, 0.0f);
      for (; r + 4 <= end; r += 4)
        BiasGradRows<A, 4>(gy + r * stride, y + r * stride, dx + r * stride, stride, width, f, s);
      for (; r < end; r++)
        BiasGradRows<A, 1>(gy + r * stride, y + r * stride, dx + r * stride, stride, width, f, s);
      for (int64_t j = 0; j < width; j++) sum[j] += double(s[j]);
    }
  });
}

void BiasGrad(FinishArgs finishArgs, Floats gy, Floats y, Floats dx, int64_t rows, int64_t stride, int64_t width,
              double* sum) {
  y.visit([&](auto* py) { BiasGradAll(finishArgs, gy.like(py), py, dx.like(py), rows, stride, width, sum); });
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
  const FinishArgs finishArgs = FinishArgs::decode(call, 0);
  const Floats x(call.in[0]), y(call.out[0]);
  const float* b = call.in[1].data<float>();
  Workspace space(call, size_t(plan.width) * sizeof(float));
  float* wide = space.as<float>();
  for (int64_t j = 0; j < plan.width; j++) wide[j] = b[j % plan.channels];
  const auto kernel = HWY_DYNAMIC_DISPATCH(Bias);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece p = plan.piece(k);
      kernel(finishArgs, x + p.offset, y + p.offset, p.rows, p.stride, p.width, wide + p.column);
    }
  });
}

void biasActGrad(const Call& call) {
  const Shape shape = call.in[0].shape;
  const ColumnPlan plan(1, shape.count(0, shape.rank() - 1), shape.last());
  const FinishArgs finishArgs = FinishArgs::decode(call, 0);
  const Floats gy(call.in[0]), y(call.in[1]), dx(call.out[0]);
  float* db = call.out[1].data<float>();
  Workspace space(call, size_t(plan.pieces * plan.pieceWidth + plan.channels) * sizeof(double));
  double *total = space.as<double>(), *partial = total + plan.channels;
  const auto kernel = HWY_DYNAMIC_DISPATCH(BiasGrad);
  parallelRange(plan.pieces, plan.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; k++) {
      const ColumnPlan::Piece p = plan.piece(k);
      kernel(finishArgs, gy + p.offset, y + p.offset, dx + p.offset, p.rows, p.stride, p.width,
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
