// Kernels of ops/shape.h: all but pad are strided copies.
#include "ops/shape.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"
#include "cpu/strided.h"

namespace gv::cpu {
namespace {

struct Strides {
  int64_t of[kMaxRank];
  explicit Strides(const Shape& s) {
    int64_t n = 1;
    for (int i = s.rank() - 1; i >= 0; i--) {
      of[i] = n;
      n *= s[i];
    }
  }
};

/** `value` in the bytes of one element. */
uint32_t itemBits(double value, DType dtype) {
  uint32_t bits = 0;
  if (dtype == DType::I32) return uint32_t(int32_t(value));
  if (dtype == DType::U8) return uint8_t(value);
  const float v = float(value);
  std::memcpy(&bits, &v, sizeof bits);
  if (dtype == DType::F32) return bits;
  if (v != v) return 0x7fc0;
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;  // to the nearest bf16, ties to even
}

/** Padding with the dimensions that have no border of their own merged into the one before: longer rows. */
struct Border {
  int rank = 1;  // there is always a row, for a scalar too
  int64_t size[kMaxRank + 1] = {1}, before[kMaxRank + 1] = {}, after[kMaxRank + 1] = {};

  Border(const Shape& x, const PadArgs& a) {
    for (int i = 0; i < x.rank(); i++) {
      if (a.before[i] == 0 && a.after[i] == 0) {
        size[rank - 1] *= x[i];
        before[rank - 1] *= x[i];
        after[rank - 1] *= x[i];
      } else {
        size[rank] = x[i];
        before[rank] = a.before[i];
        after[rank] = a.after[i];
        rank++;
      }
    }
  }
  int64_t padded(int i) const { return before[i] + size[i] + after[i]; }
};

/** A row, the last dimension, is border as a whole, or border, data, border. */
template <class T>
void padRows(const Call& call, const PadArgs& a) {
  const Border b(call.in[0].shape, a);
  const int last = b.rank - 1;
  const int64_t n = b.padded(last), inside = b.size[last], before = b.before[last];
  const T fill = T(itemBits(a.value, call.in[0].dtype));
  const T* in = call.in[0].data<T>();
  T* out = call.out[0].data<T>();
  parallelRange(call.out[0].size() / n, 16384 / n + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      int64_t index = row, from = 0, stride = inside;
      bool border = inside == 0;
      for (int i = last - 1; i >= 0; i--) {
        const int64_t k = index % b.padded(i) - b.before[i];
        index /= b.padded(i);
        border = border || k < 0 || k >= b.size[i];
        from += k * stride;
        stride *= b.size[i];
      }
      T* q = out + row * n;
      if (border) {
        std::fill_n(q, n, fill);
        continue;
      }
      std::fill_n(q, before, fill);
      std::memcpy(q + before, in + from, size_t(inside) * sizeof(T));
      std::fill_n(q + before + inside, b.after[last], fill);
    }
  });
}

}  // namespace

namespace run {

void transpose(const Call& call) {
  const TransposeArgs a = TransposeArgs::decode(call);
  const Shape x = call.in[0].shape, y = call.out[0].shape;
  const Strides from(x), to(y);
  StridedCopy view;
  for (int i = 0; i < y.rank(); i++) view.push(y[i], from.of[a.perm[i]], to.of[i]);
  stridedCopy(call.out[0].data<void>(), call.in[0].data<void>(), view, itemSize(call.in[0].dtype));
}

void slice(const Call& call) {
  if (call.out[0].size() == 0) return;
  const SliceArgs a = SliceArgs::decode(call);
  const Shape x = call.in[0].shape, y = call.out[0].shape;
  const Strides from(x), to(y);
  const size_t item = itemSize(call.in[0].dtype);
  StridedCopy view;
  int64_t offset = 0;
  for (int i = 0; i < y.rank(); i++) {
    // A step over a single element can be any number; its product with the stride may not.
    view.push(y[i], y[i] > 1 ? from.of[i] * a.step[i] : 0, to.of[i]);
    offset += a.begin[i] * from.of[i];
  }
  stridedCopy(call.out[0].data<void>(), call.in[0].data<char>() + offset * int64_t(item), view, item);
}

void concat(const Call& call) {
  if (call.out[0].size() == 0) return;
  const int axis = ConcatArgs::decode(call).axis;
  const Shape y = call.out[0].shape;
  const int64_t outer = y.count(0, axis), inner = y.count(axis + 1, y.rank()), row = y[axis] * inner;
  const size_t item = itemSize(call.out[0].dtype);
  char* out = call.out[0].data<char>();
  for (const Tensor& part : call.in) {
    const int64_t n = part.shape[axis] * inner;
    StridedCopy view;
    view.push(outer, n, row);
    view.push(n, 1, 1);
    stridedCopy(out, part.data<void>(), view, item);
    out += n * int64_t(item);
  }
}

void pad(const Call& call) {
  if (call.out[0].size() == 0) return;
  const PadArgs a = PadArgs::decode(call);
  const size_t item = itemSize(call.in[0].dtype);
  if (item == 1) return padRows<uint8_t>(call, a);
  if (item == 2) return padRows<uint16_t>(call, a);
  padRows<uint32_t>(call, a);
}

void broadcastTo(const Call& call) {
  const Shape x = call.in[0].shape, y = call.out[0].shape;
  const Strides from(x), to(y);
  const int missing = y.rank() - x.rank();
  StridedCopy view;
  for (int i = 0; i < y.rank(); i++) {
    const bool repeats = i < missing || x[i - missing] == 1;
    view.push(y[i], repeats ? 0 : from.of[i - missing], to.of[i]);
  }
  stridedCopy(call.out[0].data<void>(), call.in[0].data<void>(), view, itemSize(call.in[0].dtype));
}

}  // namespace run
}  // namespace gv::cpu
