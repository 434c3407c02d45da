// Kernels of epilogue.h, per target; the bias is optional here.
#include "cpu/epilogue.h"

#include <algorithm>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/epilogue.cpp"
#include "cpu/simd.h"
#include "cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// T is float or BF16.
template <class T>
HWY_INLINE void FinishAll(const Epilogue& end, T* y, int64_t rows, int64_t stride, int64_t width) {
  withActivation(end.finish.activation.kind, [&](auto tag) HWY_ATTR {
    constexpr Activation A = decltype(tag)::value;
    const Finish f(end.finish);
    for (int64_t r = 0; r < rows; r++, y += stride) {
      overLanes(width, [&](int64_t j, auto at) HWY_ATTR {
        V z = at.load(y + j);
        if (end.bias != nullptr) z = hn::Add(z, at.load(end.bias + j));
        at.store(finish<A>(z, f), y + j);
      });
    }
  });
}

void FinishFloats(const Epilogue& end, float* y, int64_t rows, int64_t stride, int64_t width) {
  FinishAll(end, y, rows, stride, width);
}

void FinishBF16(const Epilogue& end, ops::BF16* y, int64_t rows, int64_t stride, int64_t width) {
  FinishAll(end, y, rows, stride, width);
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(FinishFloats);
HWY_EXPORT(FinishBF16);

constexpr int64_t kGrain = 16384;

void finishBlock(const Epilogue& end, float* y, int64_t rows, int64_t stride, int64_t width) {
  HWY_DYNAMIC_DISPATCH(FinishFloats)(end, y, rows, stride, width);
}

void finishBlock(const Epilogue& end, ops::BF16* y, int64_t rows, int64_t stride, int64_t width) {
  HWY_DYNAMIC_DISPATCH(FinishBF16)(end, y, rows, stride, width);
}

}  // namespace

void finishRows(const FinishArgs& finish, float* y, int64_t rows, int64_t stride, int64_t width) {
  finishBlock({nullptr, finish}, y, rows, stride, width);
}

void finishRows(const FinishArgs& finish, ops::BF16* y, int64_t rows, int64_t stride, int64_t width) {
  finishBlock({nullptr, finish}, y, rows, stride, width);
}

void applyEpilogue(const Epilogue& end, float* y, int64_t rows, int64_t channels) {
  if (end.bias == nullptr && !end.finishes()) return;
  parallelRange(rows, kGrain / std::max<int64_t>(channels, 1), [&](int64_t begin, int64_t stop) {
    finishBlock(end, y + begin * channels, stop - begin, channels, channels);
  });
}

}  // namespace gv::cpu
#endif
