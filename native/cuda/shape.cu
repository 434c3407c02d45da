// Kernels of ops/shape.h. All but pad are strided copies: dense ones are left to the driver, those that turn a matrix
// over go through tiles in shared memory, so that both sides are read and written along rows.
#include "../ops/shape.h"

#include "../ops/bf16.h"
#include "call.h"
#include "units.h"

namespace gv::cuda {
namespace {

constexpr int kTile = 32;
constexpr int kTileThreads = 256;

/** to[i, j, ...] = from[i, j, ...] by strides in elements, outermost first. */
struct Copy {
  int rank = 0;
  int64_t size[kMaxRank] = {}, from[kMaxRank] = {}, to[kMaxRank] = {};

  /** Neighbouring dimensions are merged where that changes nothing; there is always one. */
  void push(int64_t n, int64_t f, int64_t t) {
    if (rank > 0 && n == 1) return;
    const int k = rank - 1;
    if (rank > 0 && (size[k] == 1 || (from[k] == f * n && to[k] == t * n))) {
      size[k] *= n;
      from[k] = f;
      to[k] = t;
      return;
    }
    size[rank] = n;
    from[rank] = f;
    to[rank++] = t;
  }
  int64_t elements() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= size[i];
    return n;
  }
};

struct Strides {
  int64_t of[kMaxRank];
  explicit Strides(const Shape& s) {
    for (int i = 0; i < s.rank(); i++) of[i] = s.count(i + 1, s.rank());
  }
};

template <class T, class I>
void copyElements(void* out, const void* in, const Copy& c) {
  T* const y = static_cast<T*>(out);
  const T* const x = static_cast<const T*>(in);
  const Copy copy = c;
  forEach(copy.elements(), [=] GV_DEVICE(int64_t i) {
    I rest = I(i);
    int64_t from = 0, to = 0;
    for (int d = copy.rank - 1; d > 0; d--) {
      const I q = rest / I(copy.size[d]);
      const int64_t k = int64_t(rest - q * I(copy.size[d]));
      from += k * copy.from[d];
      to += k * copy.to[d];
      rest = q;
    }
    y[to + int64_t(rest) * copy.to[0]] = x[from + int64_t(rest) * copy.from[0]];
  });
}

/** Where x runs along dimension `across` and y along the last one. */
template <class T>
void copyTiles(void* out, const void* in, const Copy& c, int across) {
  T* const y = static_cast<T*>(out);
  const T* const x = static_cast<const T*>(in);
  const Copy copy = c;
  const int last = copy.rank - 1;
  const int64_t wide = (copy.size[last] + kTile - 1) / kTile, high = (copy.size[across] + kTile - 1) / kTile;
  const int64_t matrices = copy.elements() / copy.size[last] / copy.size[across];
  constexpr int kPitch = kTile + 1;  // no two rows of a column in one bank
  forBlocks<kTileThreads>(matrices * wide * high, kTile * kPitch * sizeof(T), [=] GV_DEVICE(const Block& block) {
    T* const tile = reinterpret_cast<T*>(block.shared);
    const int64_t left = block.index % wide * kTile, top = block.index / wide % high * kTile;
    int64_t rest = block.index / wide / high, from = 0, to = 0;
    for (int d = last - 1; d >= 0; d--) {
      if (d == across) continue;
      const int64_t k = rest % copy.size[d];
      rest /= copy.size[d];
      from += k * copy.from[d];
      to += k * copy.to[d];
    }
    const int lane = block.thread % kTile, rows = block.threads / kTile;
    for (int r = block.thread / kTile; r < kTile; r += rows)
      if (left + r < copy.size[last] && top + lane < copy.size[across])
        tile[r * kPitch + lane] = x[from + (left + r) * copy.from[last] + top + lane];
    block.sync();
    for (int r = block.thread / kTile; r < kTile; r += rows)
      if (top + r < copy.size[across] && left + lane < copy.size[last])
        y[to + (top + r) * copy.to[across] + left + lane] = tile[lane * kPitch + r];
  });
}

void copyStrided(void* out, const void* in, Copy copy, int item) {
  const int64_t elements = copy.elements();
  if (elements == 0) return;
  const int last = copy.rank - 1;
  if (copy.from[last] == 1 && copy.to[last] == 1) {
    if (copy.rank == 1)
      return check(cudaMemcpyAsync(out, in, size_t(elements) * size_t(item), cudaMemcpyDeviceToDevice,
                                   Context::current().stream),
                   "copying on the device");
    uint64_t bits = addressBits(out) | addressBits(in) | uint64_t(copy.size[last] * item);
    for (int d = 0; d < last; d++) bits |= uint64_t(copy.from[d] * item) | uint64_t(copy.to[d] * item);
    const int unit = widestUnit(item, bits), times = unit / item;
    copy.size[last] /= times;
    for (int d = 0; d < last; d++) {
      copy.from[d] /= times;
      copy.to[d] /= times;
    }
    item = unit;
  } else if (copy.to[last] == 1 && copy.size[last] >= kTile / 2) {
    for (int d = 0; d < last; d++)
      if (copy.from[d] == 1 && copy.size[d] >= kTile / 2)
        return byUnit(item, [&](auto t) { copyTiles<decltype(t)>(out, in, copy, d); });
  }
  byUnit(item, [&](auto t) {
    byIndex(elements, [&](auto i) { copyElements<decltype(t), decltype(i)>(out, in, copy); });
  });
}

/** `value` in the bytes of one element. */
uint32_t itemBits(double value, DType dtype) {
  uint32_t bits = 0;
  if (dtype == DType::I32) return uint32_t(int32_t(value));
  if (dtype == DType::U8) return uint8_t(value);
  if (dtype == DType::BF16) return ops::toBF16(float(value)).bits;
  const float v = float(value);
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

/** Padding with the dimensions that have no border of their own merged into the one before. */
struct Border {
  int rank = 1;
  int64_t size[kMaxRank + 1] = {1}, before[kMaxRank + 1] = {}, padded[kMaxRank + 1] = {1};

  Border(const Shape& x, const PadArgs& a) {
    for (int i = 0; i < x.rank(); i++) {
      if (a.before[i] == 0 && a.after[i] == 0) {
        size[rank - 1] *= x[i];
        before[rank - 1] *= x[i];
        padded[rank - 1] *= x[i];
      } else {
        size[rank] = x[i];
        before[rank] = a.before[i];
        padded[rank++] = a.before[i] + x[i] + a.after[i];
      }
    }
  }
};

template <class T, class I>
void padElements(void* out, const void* in, int64_t n, const Border& b, uint32_t fill, int item) {
  T* const y = static_cast<T*>(out);
  const T* const x = static_cast<const T*>(in);
  const Border border = b;
  T value{};
  for (size_t at = 0; at < sizeof value; at += size_t(item))
    std::memcpy(reinterpret_cast<char*>(&value) + at, &fill, size_t(item));  // the low bytes come first
  forEach(n, [=] GV_DEVICE(int64_t i) {
    I rest = I(i);
    int64_t from = 0, stride = 1;
    bool inside = true;
    for (int d = border.rank - 1; d >= 0; d--) {
      const I q = rest / I(border.padded[d]);
      const int64_t k = int64_t(rest - q * I(border.padded[d])) - border.before[d];
      inside = inside && k >= 0 && k < border.size[d];
      from += k * stride;
      stride *= border.size[d];
      rest = q;
    }
    y[i] = inside ? x[from] : value;
  });
}

}  // namespace

namespace run {

void transpose(const Call& call) {
  const TransposeArgs a = TransposeArgs::decode(call);
  const Shape y = call.out[0].shape;
  const Strides from(call.in[0].shape), to(y);
  Copy copy;
  copy.push(1, 0, 0);
  for (int i = 0; i < y.rank(); i++) copy.push(y[i], from.of[a.perm[i]], to.of[i]);
  copyStrided(call.out[0].data<void>(), call.in[0].data<void>(), copy, int(itemSize(call.in[0].dtype)));
}

void slice(const Call& call) {
  if (call.out[0].size() == 0) return;
  const SliceArgs a = SliceArgs::decode(call);
  const Shape y = call.out[0].shape;
  const Strides from(call.in[0].shape), to(y);
  const int item = int(itemSize(call.in[0].dtype));
  Copy copy;
  copy.push(1, 0, 0);
  int64_t offset = 0;
  for (int i = 0; i < y.rank(); i++) {
    // A step over a single element can be any number; its product with the stride may not.
    copy.push(y[i], y[i] > 1 ? from.of[i] * a.step[i] : 0, to.of[i]);
    offset += a.begin[i] * from.of[i];
  }
  copyStrided(call.out[0].data<void>(), call.in[0].data<char>() + offset * item, copy, item);
}

void concat(const Call& call) {
  if (call.out[0].size() == 0) return;
  const int axis = ConcatArgs::decode(call).axis;
  const Shape y = call.out[0].shape;
  const int64_t outer = y.count(0, axis), inner = y.count(axis + 1, y.rank()), row = y[axis] * inner;
  const int item = int(itemSize(call.out[0].dtype));
  char* out = call.out[0].data<char>();
  for (const Tensor& part : call.in) {
    const int64_t n = part.shape[axis] * inner;
    Copy copy;
    copy.push(outer, n, row);
    copy.push(n, 1, 1);
    copyStrided(out, part.data<void>(), copy, item);
    out += n * item;
  }
}

void pad(const Call& call) {
  if (call.out[0].size() == 0) return;
  const PadArgs a = PadArgs::decode(call);
  const Tensor &x = call.in[0], &y = call.out[0];
  const int item = int(itemSize(x.dtype));
  Border border(x.shape, a);
  const int last = border.rank - 1;
  const uint64_t row = uint64_t((border.size[last] | border.before[last] | border.padded[last]) * item);
  const int unit = widestUnit(item, addressBits(x.data<void>()) | addressBits(y.data<void>()) | row);
  border.size[last] /= unit / item;
  border.before[last] /= unit / item;
  border.padded[last] /= unit / item;
  const int64_t n = y.size() / (unit / item);
  const uint32_t fill = itemBits(a.value, x.dtype);
  byUnit(unit, [&](auto t) {
    byIndex(n, [&](auto i) {
      padElements<decltype(t), decltype(i)>(y.data<void>(), x.data<void>(), n, border, fill, item);
    });
  });
}

void broadcastTo(const Call& call) {
  const Shape x = call.in[0].shape, y = call.out[0].shape;
  const Strides from(x), to(y);
  const int missing = y.rank() - x.rank();
  Copy copy;
  copy.push(1, 0, 0);
  for (int i = 0; i < y.rank(); i++) {
    const bool repeats = i < missing || x[i - missing] == 1;
    copy.push(y[i], repeats ? 0 : from.of[i - missing], to.of[i]);
  }
  copyStrided(call.out[0].data<void>(), call.in[0].data<void>(), copy, int(itemSize(call.in[0].dtype)));
}

}  // namespace run
}  // namespace gv::cuda
