// Kernel of ops/sort.h. As on the CPU, an element becomes one number: its rank in the order above its position.
#include "../ops/sort.h"

#include "order.h"

namespace gv::cuda {
namespace {

/** Maps x to a number whose order is x's, NaN last. */
GV_HD inline uint32_t orderOf(float x, bool descending) {
  if (x != x) return 0xFFFFFFFFu;
  x += 0.0f;  // -0 becomes 0
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t order = bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u);
  return descending ? ~order : order;
}
GV_HD inline uint32_t orderOf(int32_t x, bool descending) {
  const uint32_t order = uint32_t(x) ^ 0x80000000u;
  return descending ? ~order : order;
}
GV_HD inline uint32_t orderOf(uint8_t x, bool descending) { return descending ? 255u - x : x; }

template <class T>
struct MakeKey {
  const T* x;
  int64_t n;
  bool descending;
  GV_HD OrderKey operator()(int64_t row, int64_t i) const {
    return OrderKey::of(orderOf(x[row * n + i], descending), i);
  }
};

template <class T>
struct Emit {
  const T* x;
  T* values;
  int32_t* positions;
  int64_t n, k;
  GV_HD void operator()(int64_t row, int64_t place, const OrderKey& key) const {
    positions[row * k + place] = int32_t(key.position());
    values[row * k + place] = x[row * n + key.position()];
  }
};

template <class T>
void sortRows(const Call& call) {
  const Shape shape = call.in[0].shape;
  const int64_t n = shape.last(), k = call.integer(1), rows = shape.count(0, shape.rank() - 1);
  const T* const x = call.in[0].data<T>();
  orderRows<OrderKey>(call, rows, n, k, MakeKey<T>{x, n, call.integer(0) != 0},
                      Emit<T>{x, call.out[0].data<T>(), call.out[1].data<int32_t>(), n, k});
}

}  // namespace

namespace run {
void sort(const Call& call) {
  switch (call.in[0].dtype) {
    case DType::U8: return sortRows<uint8_t>(call);
    case DType::I32: return sortRows<int32_t>(call);
    default: return sortRows<float>(call);
  }
}
}  // namespace run
}  // namespace gv::cuda
