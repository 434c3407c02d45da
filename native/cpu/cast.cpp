// The cast kernel of ops/unary.h: one loop per pair of types, compiled per target.
#include "cpu/pool.h"
#include "ops/unary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/cast.cpp"
#include "cpu/simd.h"

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

namespace run {

void cast(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const auto kernel = HWY_DYNAMIC_DISPATCH(PickCast)(x.dtype, y.dtype);
  const char* const from = x.data<char>();
  char* const to = y.data<char>();
  const int64_t fromSize = int64_t(itemSize(x.dtype)), toSize = int64_t(itemSize(y.dtype));
  parallelRange(x.size(), 16384, [=](int64_t begin, int64_t end) {
    kernel(from + begin * fromSize, to + begin * toSize, end - begin);
  });
}

}  // namespace run
}  // namespace gv::cpu
#endif
