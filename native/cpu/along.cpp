// Kernels of ops/along.h. The work is split by lines along the axis: lines write to different places of the result, and
// each takes its elements in index order, so nothing depends on the number of threads.
#include "ops/along.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"

namespace gv::cpu {
namespace {

/** Where the indices and x meet: `inner` neighbours of a line are handled together. */
struct Lines {
  Shape shape, large;  // of the indices, of x
  int axis = 0;
  int64_t count = 0, inner = 1, step = 0, stride = 0, largeStride = 0;

  Lines(const Call& call, const Shape& indices, const Shape& x) : shape(indices), large(x), axis(int(call.integer(0))) {
    count = shape[axis];
    // Neighbours in the last dimension are neighbours in both; where it is the axis, a line stands alone.
    if (axis < shape.rank() - 1) inner = shape.last();
    stride = shape.count(axis + 1, shape.rank());
    largeStride = large.count(axis + 1, large.rank());
    step = large[axis];
  }

  bool single(int d) const { return d != axis && d != shape.rank() - 1; }
  int64_t groups() const {
    int64_t n = 1;
    for (int d = 0; d < shape.rank(); d++)
      if (single(d)) n *= shape[d];
    return n;
  }
  /** The first element of group g, in the indices and in x. */
  void start(int64_t g, int64_t& at, int64_t& from) const {
    at = from = 0;
    for (int d = shape.rank() - 1; d >= 0; d--) {
      if (!single(d)) continue;
      const int64_t i = g % shape[d];
      g /= shape[d];
      at += i * shape.count(d + 1, shape.rank());
      from += i * large.count(d + 1, large.rank());
    }
  }
};

/** Calls f(position in the indices, position in x) for every index, grouped into lines. */
template <class I, class F>
void eachIndex(const Call& call, const Tensor& indices, const Lines& lines, const F& f) {
  if (indices.size() == 0) return;
  const I* const p = indices.data<I>();
  const int64_t work = lines.count * lines.inner;
  parallelRange(lines.groups(), std::max<int64_t>(1, 8192 / work), [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; g++) {
      int64_t at, from;
      lines.start(g, at, from);
      for (int64_t i = 0; i < lines.count; i++, at += lines.stride)
        for (int64_t j = 0; j < lines.inner; j++) {
          const int64_t row = int64_t(p[at + j]);
          if (row < 0 || row >= lines.step)
            fail("ERR_INDEX", "%s: index %lld (element %lld of indices) is outside [0, %lld)", call.name(),
                 (long long)row, (long long)(at + j), (long long)lines.step);
          f(at + j, from + j + row * lines.largeStride);
        }
    }
  });
}

template <class F>
void eachPosition(const Call& call, const Tensor& indices, const Shape& x, const F& f) {
  const Lines lines(call, indices.shape, x);
  if (indices.dtype == DType::U8) return eachIndex<uint8_t>(call, indices, lines, f);
  eachIndex<int32_t>(call, indices, lines, f);
}

template <class T>
void take(const Call& call) {
  const T* const x = call.in[0].data<T>();
  T* const y = call.out[0].data<T>();
  eachPosition(call, call.in[1], call.in[0].shape, [=](int64_t i, int64_t at) { y[i] = x[at]; });
}

template <class T>
void put(const Call& call) {
  std::memcpy(call.out[0].data<char>(), call.in[0].data<char>(), call.out[0].bytes());
  const T* const updates = call.in[2].data<T>();
  T* const y = call.out[0].data<T>();
  eachPosition(call, call.in[1], call.out[0].shape, [=](int64_t i, int64_t at) { y[at] = updates[i]; });
}

template <class T>
void putSum(const Call& call) {
  const T* const updates = call.in[1].data<T>();
  T* const y = call.out[0].data<T>();
  constexpr int64_t kFillGrain = 65536;
  parallelRange(call.out[0].size(), kFillGrain, [=](int64_t begin, int64_t end) { std::fill(y + begin, y + end, T(0)); });
  eachPosition(call, call.in[0], call.out[0].shape, [=](int64_t i, int64_t at) { y[at] += updates[i]; });
}

/** run<T> with a T of the item's size: the values are only copied. */
template <template <class> class Copy>
void bySize(const Call& call) {
  switch (itemSize(call.in[0].dtype)) {
    case 1: return Copy<uint8_t>()(call);
    case 2: return Copy<uint16_t>()(call);
    default: return Copy<uint32_t>()(call);
  }
}
template <class T>
struct Take {
  void operator()(const Call& call) const { take<T>(call); }
};
template <class T>
struct Put {
  void operator()(const Call& call) const { put<T>(call); }
};

}  // namespace

namespace run {
void takeAlongAxis(const Call& call) { bySize<Take>(call); }
void scatterAlongAxis(const Call& call) { bySize<Put>(call); }
void scatterAddAlongAxis(const Call& call) {
  if (call.in[1].dtype == DType::I32) return putSum<uint32_t>(call);  // unsigned: overflow wraps
  putSum<float>(call);
}
}  // namespace run
}  // namespace gv::cpu
