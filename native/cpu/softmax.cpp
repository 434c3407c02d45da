// Kernels of ops/softmax.h: one row at a time, three passes over it that stay in cache (greatest element; exponentials
// and their sum; scaling). A NaN anywhere reaches the sum, so the greatest element need not look for it.
#include "ops/softmax.h"

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/softmax.cpp"
#include "cpu/simd.h"
#include "cpu/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

/** Calls f(i, count) for each vector of a row; count < kLanes at the end only. */
template <class F>
HWY_INLINE void EachVector(int64_t n, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, size_t(kLanes));
  if (i < n) f(i, size_t(n - i));
}

HWY_INLINE V LoadSome(const float* p, size_t count) {
  return count == size_t(kLanes) ? hn::LoadU(D(), p) : LoadFirst(p, count);
}
HWY_INLINE void StoreSome(V v, float* p, size_t count) {
  if (count == size_t(kLanes))
    hn::StoreU(v, D(), p);
  else
    StoreFirst(v, p, count);
}
/** v in the first lanes, `filler` in the others. */
HWY_INLINE V Only(V v, size_t count, V filler) {
  return count == size_t(kLanes) ? v : hn::IfThenElse(hn::FirstN(D(), count), v, filler);
}

HWY_INLINE float Greatest(const float* x, int64_t n) {
  const V lowest = vm::Constant(-std::numeric_limits<float>::infinity());
  V best = lowest;
  EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
    best = hn::Max(best, Only(LoadSome(x + i, count), count, lowest));
  });
  return hn::GetLane(hn::MaxOfLanes(D(), best));
}

HWY_INLINE float Total(V lanes) { return hn::GetLane(hn::SumOfLanes(D(), lanes)); }

void Softmax(const float* x, float* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, x += n, y += n) {
    const V greatest = vm::Constant(Greatest(x, n)), zero = hn::Zero(D());
    V sum = zero;
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      const V e = vm::Exp(hn::Sub(LoadSome(x + i, count), greatest));
      sum = hn::Add(sum, Only(e, count, zero));
      StoreSome(e, y + i, count);
    });
    const V scale = hn::Div(vm::Constant(1.0f), vm::Constant(Total(sum)));
    EachVector(n, [&](int64_t i, size_t count)
                   HWY_ATTR { StoreSome(hn::Mul(LoadSome(y + i, count), scale), y + i, count); });
  }
}

void LogSoftmax(const float* x, float* y, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, x += n, y += n) {
    const V greatest = vm::Constant(Greatest(x, n)), zero = hn::Zero(D());
    V sum = zero;
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      sum = hn::Add(sum, Only(vm::Exp(hn::Sub(LoadSome(x + i, count), greatest)), count, zero));
    });
    const V logSum = vm::Constant(std::log(Total(sum)));
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      StoreSome(hn::Sub(hn::Sub(LoadSome(x + i, count), greatest), logSum), y + i, count);
    });
  }
}

void SoftmaxGrad(const float* gy, const float* y, float* gx, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, gy += n, y += n, gx += n) {
    V dot = hn::Zero(D());
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      dot = hn::MulAdd(LoadSome(gy + i, count), LoadSome(y + i, count), dot);
    });
    const V total = vm::Constant(Total(dot));
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      const V g = hn::Sub(LoadSome(gy + i, count), total);
      StoreSome(hn::Mul(LoadSome(y + i, count), g), gx + i, count);
    });
  }
}

void LogSoftmaxGrad(const float* gy, const float* y, float* gx, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; r++, gy += n, y += n, gx += n) {
    V sum = hn::Zero(D());
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR { sum = hn::Add(sum, LoadSome(gy + i, count)); });
    const V total = vm::Constant(Total(sum));
    EachVector(n, [&](int64_t i, size_t count) HWY_ATTR {
      const V p = vm::Exp(LoadSome(y + i, count));
      StoreSome(hn::NegMulAdd(p, total, LoadSome(gy + i, count)), gx + i, count);
    });
  }
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(Softmax);
HWY_EXPORT(LogSoftmax);
HWY_EXPORT(SoftmaxGrad);
HWY_EXPORT(LogSoftmaxGrad);

namespace {

template <class F>
void eachRows(const Tensor& y, const F& f) {
  const int64_t n = y.shape.last();
  if (y.size() == 0) return;
  parallelRange(y.size() / n, std::max<int64_t>(1, 8192 / n), [&](int64_t begin, int64_t end) {
    f(begin * n, end - begin, n);
  });
}

template <class Kernel>
void forward(const Call& call, Kernel kernel) {
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  eachRows(call.out[0], [=](int64_t at, int64_t rows, int64_t n) { kernel(x + at, y + at, rows, n); });
}

template <class Kernel>
void backward(const Call& call, Kernel kernel) {
  const float *const gy = call.in[0].data<float>(), *const y = call.in[1].data<float>();
  float* const gx = call.out[0].data<float>();
  eachRows(call.out[0], [=](int64_t at, int64_t rows, int64_t n) { kernel(gy + at, y + at, gx + at, rows, n); });
}

}  // namespace

namespace run {
void softmax(const Call& call) { forward(call, HWY_DYNAMIC_DISPATCH(Softmax)); }
void logSoftmax(const Call& call) { forward(call, HWY_DYNAMIC_DISPATCH(LogSoftmax)); }
void softmaxGrad(const Call& call) { backward(call, HWY_DYNAMIC_DISPATCH(SoftmaxGrad)); }
void logSoftmaxGrad(const Call& call) { backward(call, HWY_DYNAMIC_DISPATCH(LogSoftmaxGrad)); }
}  // namespace run
}  // namespace gv::cpu
#endif
