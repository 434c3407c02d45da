// Kernels of ops/gather.h. scatterAdd splits the work by destination columns, each of which takes its updates in
// index order on one thread: no atomics, and the same sum for any number of threads.
#include "ops/gather.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"

namespace gv::cpu {
namespace {

/** The indices as 64-bit row numbers, each checked against `size`. */
template <class T>
void readIndices(const Tensor& indices, int64_t size, int64_t* rows) {
  const T* p = indices.data<T>();
  const int64_t n = indices.size();
  for (int64_t i = 0; i < n; i++) {
    const int64_t row = int64_t(p[i]);
    if (row < 0 || row >= size)
      fail("ERR_INDEX", "index %lld (element %lld of indices) is outside [0, %lld)", (long long)row, (long long)i,
           (long long)size);
    rows[i] = row;
  }
}

void readIndices(const Tensor& indices, int64_t size, int64_t* rows) {
  if (indices.dtype == DType::U8) return readIndices<uint8_t>(indices, size, rows);
  readIndices<int32_t>(indices, size, rows);
}

/** updates [outer, count, inner] into x [outer, size, inner]. */
template <class T>
void addRows(const Call& call, const int64_t* rows, int64_t outer, int64_t count, int64_t inner, int64_t size) {
  const T* updates = call.in[1].data<T>();
  T* x = call.out[0].data<T>();
  // At least a cache line of columns, and enough of them to be worth a thread's attention.
  const int64_t height = std::max(count, size);
  const int64_t width = std::min(inner, std::max<int64_t>(16, 16384 / height));
  const int64_t pieces = (inner + width - 1) / width;
  parallelRange(outer * pieces, 16384 / (height * width) + 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; piece++) {
      const int64_t o = piece / pieces, column = piece % pieces * width, n = std::min(width, inner - column);
      T* to = x + o * size * inner + column;
      const T* from = updates + o * count * inner + column;
      for (int64_t r = 0; r < size; r++) std::fill_n(to + r * inner, n, T(0));
      for (int64_t i = 0; i < count; i++) {
        T* q = to + rows[i] * inner;
        const T* p = from + i * inner;
        for (int64_t j = 0; j < n; j++) q[j] += p[j];
      }
    }
  });
}

}  // namespace

namespace run {

void gather(const Call& call) {
  const int axis = GatherArgs::decode(call).axis;
  const Shape x = call.in[0].shape;
  const int64_t count = call.in[1].size(), outer = x.count(0, axis), size = x[axis];
  const int64_t bytes = x.count(axis + 1, x.rank()) * int64_t(itemSize(call.in[0].dtype));
  Workspace workspace(call, size_t(count) * sizeof(int64_t));
  const int64_t* rows = workspace.as<int64_t>();
  readIndices(call.in[1], size, workspace.as<int64_t>());
  if (call.out[0].size() == 0) return;
  const char* in = call.in[0].data<char>();
  char* out = call.out[0].data<char>();
  parallelRange(outer * count, 65536 / bytes + 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const char* from = in + (r / count * size + rows[r % count]) * bytes;
      if (bytes == 4)
        std::memcpy(out + r * 4, from, 4);
      else
        std::memcpy(out + r * bytes, from, size_t(bytes));
    }
  });
}

void scatterAdd(const Call& call) {
  const ScatterAddArgs a = ScatterAddArgs::decode(call);
  const Shape updates = call.in[1].shape;
  const int64_t count = call.in[0].size(), outer = updates.count(0, a.axis);
  const int64_t inner = updates.count(a.axis + call.in[0].shape.rank(), updates.rank());
  Workspace workspace(call, size_t(count) * sizeof(int64_t));
  readIndices(call.in[0], a.size, workspace.as<int64_t>());
  if (call.out[0].size() == 0) return;
  if (call.in[1].dtype == DType::I32)
    addRows<uint32_t>(call, workspace.as<int64_t>(), outer, count, inner, a.size);  // unsigned: overflow wraps
  else
    addRows<float>(call, workspace.as<int64_t>(), outer, count, inner, a.size);
}

}  // namespace run
}  // namespace gv::cpu
