// Kernels of ops/along.h. Where several elements go to one place, who wins or in which order they add up does not
// depend on which thread comes first: the last position is found by a maximum, and sums are taken in index order.
#include "../ops/along.h"

#include "indices.h"
#include "order.h"
#include "units.h"

namespace gv::cuda {
namespace {

/** Where elements of the indices lie in x: position `row` of the element's line there. */
struct Places {
  int rank, axis;
  int64_t size[kMaxRank];    // of the indices
  int64_t stride[kMaxRank];  // of x

  Places(const Shape& indices, const Shape& x, int along) : rank(indices.rank()), axis(along) {
    for (int d = 0; d < rank; d++) {
      size[d] = indices[d];
      stride[d] = x.count(d + 1, rank);
    }
  }

  GV_HD int64_t step() const { return stride[axis]; }

  /** The first element, in x, of the line that element i of the indices is in; `at` is i's place in the line. */
  GV_HD int64_t line(int64_t i, int64_t& at) const {
    int64_t first = 0;
    at = 0;
    for (int d = rank - 1; d >= 0; d--) {
      const int64_t q = i / size[d], k = i - q * size[d];
      if (d == axis)
        at = k;
      else
        first += k * stride[d];
      i = q;
    }
    return first;
  }
};

template <class T>
void take(const Call& call) {
  const Tensor &x = call.in[0], &y = call.out[0];
  const int axis = int(call.integer(0));
  const Indices indices(call, call.in[1], x.shape[axis]);
  const Places places(call.in[1].shape, x.shape, axis);
  const T* const from = x.data<T>();
  T* const to = y.data<T>();
  forEach(y.size(), [=] GV_DEVICE(int64_t i) {
    const int64_t row = indices[i];
    T value{};
    if (indices.inside(row)) {
      int64_t at;
      const int64_t line = places.line(i, at);
      value = from[line + row * places.step()];
    } else {
      indices.refuse(row, i);
    }
    to[i] = value;
  });
}

template <class T>
void put(const Call& call) {
  const Tensor& y = call.out[0];
  const int axis = int(call.integer(0));
  const int64_t n = call.in[1].size();
  const Indices indices(call, call.in[1], y.shape[axis]);
  if (y.size() == 0) return indices.checkAll(n);
  const cudaStream_t stream = Context::current().stream;
  check(cudaMemcpyAsync(y.data<void>(), call.in[0].data<void>(), y.bytes(), cudaMemcpyDeviceToDevice, stream),
        "copying on the device");
  if (n == 0) return;
  const Places places(call.in[1].shape, y.shape, axis);
  // For each element of y the last place in a line, counted from 1, that points to it.
  Workspace workspace(call, size_t(y.size()) * sizeof(unsigned));
  unsigned* const winner = workspace.as<unsigned>();
  check(cudaMemsetAsync(winner, 0, size_t(y.size()) * sizeof(unsigned), stream), "clearing memory");
  forEach(n, [=] GV_DEVICE(int64_t i) {
    const int64_t row = indices[i];
    if (!indices.inside(row)) return indices.refuse(row, i);
    int64_t at;
    const int64_t line = places.line(i, at);
    atomicMax(winner + line + row * places.step(), unsigned(at + 1));
  });
  const T* const updates = call.in[2].data<T>();
  T* const to = y.data<T>();
  forEach(n, [=] GV_DEVICE(int64_t i) {
    const int64_t row = indices[i];
    if (!indices.inside(row)) return;
    int64_t at;
    const int64_t place = places.line(i, at) + row * places.step();
    if (winner[place] == unsigned(at + 1)) to[place] = updates[i];
  });
}

/** The indices as [outer, count, inner], lines numbered by outer and inner. */
struct IndexLines {
  int64_t count, inner;
  GV_HD int64_t element(int64_t line, int64_t at) const { return (line / inner * count + at) * inner + line % inner; }
};

struct MakePlaceKey {
  Indices indices;
  IndexLines lines;
  GV_DEVICE OrderKey operator()(int64_t line, int64_t at) const {
    const int64_t i = lines.element(line, at), row = indices[i];
    if (indices.inside(row)) return OrderKey::of(uint32_t(row), at);
    indices.refuse(row, i);
    return OrderKey::of(kRefused, at);
  }
};

/** Sums in T. */
template <class T>
void putSum(const Call& call) {
  const Tensor& y = call.out[0];
  const Shape shape = call.in[0].shape;
  const int axis = int(call.integer(0));
  const int64_t n = call.in[0].size();
  const Indices indices(call, call.in[0], y.shape[axis]);
  if (y.size() == 0) return indices.checkAll(n);
  check(cudaMemsetAsync(y.data<void>(), 0, y.bytes(), Context::current().stream), "clearing memory");
  if (n == 0) return;
  const IndexLines lines{shape[axis], shape.count(axis + 1, shape.rank())};
  const Places places(shape, y.shape, axis);
  const int64_t count = lines.count;
  Workspace workspace(call, size_t(n) * sizeof(OrderKey));
  OrderKey* const keys = workspace.as<OrderKey>();
  orderRows<OrderKey>(call, n / count, count, count, MakePlaceKey{indices, lines}, StoreKeys<OrderKey>{keys, count});
  const T* const updates = call.in[1].data<T>();
  T* const to = y.data<T>();
  // The thread of a place's first update adds them all up.
  forEach(n, [=] GV_DEVICE(int64_t i) {
    const int64_t line = i / count, first = i % count;
    const OrderKey* const own = keys + line * count;
    const uint32_t row = own[first].order();
    if (row == kRefused || (first > 0 && own[first - 1].order() == row)) return;
    T sum = 0;
    for (int64_t k = first; k < count && own[k].order() == row; k++)
      sum += updates[lines.element(line, own[k].position())];
    int64_t at;
    to[places.line(lines.element(line, first), at) + row * places.step()] = sum;
  });
}

}  // namespace

namespace run {
void takeAlongAxis(const Call& call) {
  byUnit(int(itemSize(call.in[0].dtype)), [&](auto t) { take<decltype(t)>(call); });
}
void scatterAlongAxis(const Call& call) {
  byUnit(int(itemSize(call.in[0].dtype)), [&](auto t) { put<decltype(t)>(call); });
}
void scatterAddAlongAxis(const Call& call) {
  if (call.in[1].dtype == DType::I32) return putSum<uint32_t>(call);  // unsigned: overflow wraps
  putSum<float>(call);
}
}  // namespace run
}  // namespace gv::cuda
