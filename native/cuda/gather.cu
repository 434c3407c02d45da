// Kernels of ops/gather.h. scatterAdd brings the updates into the order of their rows first and sums each row's in
// index order, as the CPU does: no float atomics, the same sums on every run.
#include "../ops/gather.h"

#include "indices.h"
#include "order.h"
#include "units.h"

namespace gv::cuda {
namespace {

/** x [outer, limit, inner] at rows `indices` (count of them); inner in units T. */
template <class T, class I>
void takeRows(const Call& call, const Indices& rows, int64_t outer, int64_t count, int64_t inner) {
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  const Indices indices = rows;
  forEach(outer * count * inner, [=] GV_DEVICE(int64_t i) {
    const I to = I(i) / I(inner), o = to / I(count);
    const int64_t j = int64_t(I(i) - to * I(inner)), element = int64_t(to - o * I(count));
    const int64_t row = indices[element];
    if (indices.inside(row)) {
      y[i] = x[(int64_t(o) * indices.limit + row) * inner + j];
    } else {
      y[i] = T{};
      if (j == 0) indices.refuse(row, element);
    }
  });
}

/** Updates by their row, those of a row in index order. */
struct MakeRowKey {
  Indices indices;
  GV_DEVICE OrderKey operator()(int64_t, int64_t i) const {
    const int64_t row = indices[i];
    if (indices.inside(row)) return OrderKey::of(uint32_t(row), i);
    indices.refuse(row, i);
    return OrderKey::of(kRefused, i);
  }
};

/** updates [outer, count, inner] into zeroed x [outer, limit, inner]; sums in T. */
template <class T>
void addRows(const Call& call, const Indices& indices, int64_t outer, int64_t count, int64_t inner) {
  Workspace workspace(call, size_t(count) * sizeof(OrderKey));
  OrderKey* const keys = workspace.as<OrderKey>();
  orderRows<OrderKey>(call, 1, count, count, MakeRowKey{indices}, StoreKeys<OrderKey>{keys, count});
  const T* const updates = call.in[1].data<T>();
  T* const x = call.out[0].data<T>();
  const int64_t size = indices.limit;
  // The thread of a row's first update adds them all up.
  forEach(outer * count * inner, [=] GV_DEVICE(int64_t i) {
    const int64_t j = i % inner, first = i / inner % count, o = i / inner / count;
    const uint32_t row = keys[first].order();
    if (row == kRefused || (first > 0 && keys[first - 1].order() == row)) return;
    T sum = 0;
    for (int64_t k = first; k < count && keys[k].order() == row; k++)
      sum += updates[(o * count + keys[k].position()) * inner + j];
    x[(o * size + row) * inner + j] = sum;
  });
}

}  // namespace

namespace run {

void gather(const Call& call) {
  const int axis = GatherArgs::decode(call).axis;
  const Tensor &x = call.in[0], &y = call.out[0];
  const int64_t count = call.in[1].size(), outer = x.shape.count(0, axis);
  const Indices indices(call, call.in[1], x.shape[axis]);
  if (y.size() == 0) return indices.checkAll(count);
  const int item = int(itemSize(x.dtype));
  const int64_t inner = x.shape.count(axis + 1, x.shape.rank());
  const int unit =
      widestUnit(item, addressBits(x.data<void>()) | addressBits(y.data<void>()) | uint64_t(inner * item));
  const int64_t units = inner / (unit / item);
  byUnit(unit, [&](auto t) {
    byIndex(outer * count * units,
            [&](auto i) { takeRows<decltype(t), decltype(i)>(call, indices, outer, count, units); });
  });
}

void scatterAdd(const Call& call) {
  const ScatterAddArgs a = ScatterAddArgs::decode(call);
  const Tensor &updates = call.in[1], &x = call.out[0];
  const int64_t count = call.in[0].size(), outer = updates.shape.count(0, a.axis);
  const int64_t inner = updates.shape.count(a.axis + call.in[0].shape.rank(), updates.shape.rank());
  const Indices indices(call, call.in[0], a.size);
  if (x.size() == 0) return indices.checkAll(count);
  check(cudaMemsetAsync(x.data<void>(), 0, x.bytes(), Context::current().stream), "clearing memory");
  if (count == 0) return;
  if (x.dtype == DType::I32)
    addRows<uint32_t>(call, indices, outer, count, inner);  // unsigned: overflow wraps
  else
    addRows<float>(call, indices, outer, count, inner);
}

}  // namespace run
}  // namespace gv::cuda
