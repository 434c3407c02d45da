// The kernel of `where` (ops/binary.h): loops that the compiler vectorises, compiled per target. The condition is read
// in its own type; converted to an integer, 0.5 would be lost.
#include "cpu/broadcast.h"
#include "cpu/pool.h"
#include "ops/binary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/where.cpp"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace {

template <class C, class T>
void Select(const C* condition, const T* a, const T* b, T* HWY_RESTRICT y, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    const T va = a[i], vb = b[i];  // both are read, so that no branch remains
    y[i] = condition[i] != C(0) ? va : vb;
  }
}

// A choice between structures would not be vectorised.
template <class C>
void Select(const C* condition, const ops::BF16* a, const ops::BF16* b, ops::BF16* y, int64_t n) {
  Select(condition, &a->bits, &b->bits, &y->bits, n);
}

template <class C, class T>
void Where(const Call& call) {
  const Shape& shape = call.out[0].shape;
  const Operand<C> condition(call.in[0], shape);
  const Operand<T> a(call.in[1], shape), b(call.in[2], shape);
  T* const y = call.out[0].data<T>();
  parallelRange(shape.size(), 16384, [&](int64_t begin, int64_t end) {
    typename Operand<C>::Reader readCondition(condition);
    typename Operand<T>::Reader readA(a), readB(b);
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t n = std::min(kPiece, end - i);
      Select(readCondition.at(i, n), readA.at(i, n), readB.at(i, n), y + i, n);
    }
  });
}

template <class T>
void WhereInto(const Call& call) {
  switch (call.in[0].dtype) {
    case DType::F32: return Where<float, T>(call);
    case DType::BF16: return Where<float, T>(call);
    case DType::I32: return Where<int32_t, T>(call);
    case DType::U8: return Where<uint8_t, T>(call);
  }
}

void WhereAny(const Call& call) {
  switch (call.out[0].dtype) {
    case DType::F32: return WhereInto<float>(call);
    case DType::BF16: return WhereInto<ops::BF16>(call);
    case DType::I32: return WhereInto<int32_t>(call);
    case DType::U8: return WhereInto<uint8_t>(call);
  }
}

}  // namespace
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WhereAny);

namespace run {
void where(const Call& call) { HWY_DYNAMIC_DISPATCH(WhereAny)(call); }
}  // namespace run
}  // namespace gv::cpu
#endif
