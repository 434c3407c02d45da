// The cast kernel of ops/unary.h: one loop per pair of types, compiled per target.
#include "cpu/cast.h"

#include "cpu/pool.h"
#include "ops/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cast.cpp"
#include "cpu/simd.h"
#include "cpu/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

using Kernel = void (*)(const void* x, void* y, int64_t n);

template <class From, class To>
void Convert(const void* x, void* y, int64_t n) {
  const From* const from = static_cast<const From*>(x);
  To* const HWY_RESTRICT to = static_cast<To*>(y);
  const ops::Cast<To> cast;
  for (int64_t i = 0; i < n; i++) to[i] = cast(from[i]);
}

// f32 from and to bf16, on vectors.
template <class From, class To>
void ConvertLanes(const void* x, void* y, int64_t n) {
  const From* const from = static_cast<const From*>(x);
  To* const to = static_cast<To*>(y);
  overLanes(n, [&](int64_t i, auto at) HWY_ATTR { at.store(at.load(from + i), to + i); });
}

template <class From>
Kernel PickTo(DType to) {
  switch (to) {
    case DType::F32: return Convert<From, float>;
    case DType::I32: return Convert<From, int32_t>;
    case DType::U8: return Convert<From, uint8_t>;
    case DType::BF16: return Convert<From, ops::BF16>;
  }
  return nullptr;
}

Kernel PickCast(DType from, DType to) {
  if (from == DType::F32 && to == DType::BF16) return ConvertLanes<float, ops::BF16>;
  if (from == DType::BF16 && to == DType::F32) return ConvertLanes<ops::BF16, float>;
  switch (from) {
    case DType::F32: return PickTo<float>(to);
    case DType::I32: return PickTo<int32_t>(to);
    case DType::U8: return PickTo<uint8_t>(to);
    case DType::BF16: return PickTo<ops::BF16>(to);
  }
  return nullptr;
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(PickCast);

void convert(const Tensor& x, const Tensor& y) {
  const auto kernel = HWY_DYNAMIC_DISPATCH(PickCast)(x.dtype, y.dtype);
  const char* const from = x.data<char>();
  char* const to = y.data<char>();
  const int64_t fromSize = int64_t(itemSize(x.dtype)), toSize = int64_t(itemSize(y.dtype));
  parallelRange(x.size(), 16384, [=](int64_t begin, int64_t end) {
    kernel(from + begin * fromSize, to + begin * toSize, end - begin);
  });
}

void widen(const ops::BF16* x, int64_t n, float* y) {
  HWY_DYNAMIC_DISPATCH(PickCast)(DType::BF16, DType::F32)(x, y, n);
}

namespace run {
void cast(const Call& call) { convert(call.in[0], call.out[0]); }
}  // namespace run
}  // namespace gv::cpu
#endif
