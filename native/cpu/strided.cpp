// Strided copies. The view is first collapsed to as few dimensions as possible; then rows that are contiguous on
// both sides are memcpy, a source contiguous along another dimension is transposed in tiles, the rest is a loop.
#include "cpu/strided.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/strided.cpp"
#include "cpu/simd.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/** out[a, b] = in[b, a] for 32-bit elements, rows of `out` and of `in` being toStride and fromStride apart. */
void TransposeTile32(uint32_t* HWY_RESTRICT out, int64_t toStride, const uint32_t* HWY_RESTRICT in,
                     int64_t fromStride, int64_t rows, int64_t columns) {
  int64_t a = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<uint32_t, 4> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const auto wide = [&](auto v) HWY_ATTR { return hn::BitCast(d64, v); };
  for (; a + 4 <= rows; a += 4) {
    int64_t b = 0;
    for (; b + 4 <= columns; b += 4) {
      const uint32_t* p = in + b * fromStride + a;
      const auto r0 = hn::LoadU(d, p), r1 = hn::LoadU(d, p + fromStride);
      const auto r2 = hn::LoadU(d, p + 2 * fromStride), r3 = hn::LoadU(d, p + 3 * fromStride);
      const auto low01 = wide(hn::InterleaveLower(d, r0, r1)), high01 = wide(hn::InterleaveUpper(d, r0, r1));
      const auto low23 = wide(hn::InterleaveLower(d, r2, r3)), high23 = wide(hn::InterleaveUpper(d, r2, r3));
      uint32_t* q = out + a * toStride + b;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, q);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, q + toStride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, q + 2 * toStride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, q + 3 * toStride);
    }
    for (; b < columns; b++)
      for (int64_t k = 0; k < 4; k++) out[(a + k) * toStride + b] = in[b * fromStride + a + k];
  }
#endif
  for (; a < rows; a++)
    for (int64_t b = 0; b < columns; b++) out[a * toStride + b] = in[b * fromStride + a];
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
namespace {

HWY_EXPORT(TransposeTile32);

constexpr int64_t kGrain = 16384;  // elements worth a thread's attention
constexpr int64_t kTile = 64;      // a tile's rows and columns: 16 kB on each side

void collapse(StridedCopy& v) {
  StridedCopy c;
  for (int i = 0; i < v.rank; i++) {
    if (v.size[i] == 1) continue;
    const int last = c.rank - 1;
    if (last >= 0 && c.from[last] == v.from[i] * v.size[i] && c.to[last] == v.to[i] * v.size[i]) {
      c.size[last] *= v.size[i];
      c.from[last] = v.from[i];
      c.to[last] = v.to[i];
    } else {
      c.push(v.size[i], v.from[i], v.to[i]);
    }
  }
  v = c;
}

/** Where element `index` of dimensions [0, rank) of the view lies on both sides. */
void locate(const StridedCopy& v, int rank, int64_t index, int64_t& from, int64_t& to) {
  from = to = 0;
  for (int i = rank - 1; i >= 0; i--) {
    const int64_t k = index % v.size[i];
    index /= v.size[i];
    from += k * v.from[i];
    to += k * v.to[i];
  }
}

// A short row's copy must not become a call of memcpy, hence the fixed sizes.
template <size_t kBytes>
void copyFixed(char* out, const char* in, int64_t rows, int64_t toStride, int64_t fromStride) {
  for (int64_t r = 0; r < rows; r++) std::memcpy(out + r * toStride, in + r * fromStride, kBytes);
}

void copyRows(char* out, const char* in, int64_t rows, int64_t toStride, int64_t fromStride, size_t bytes) {
  switch (bytes) {
    case 1: return copyFixed<1>(out, in, rows, toStride, fromStride);
    case 2: return copyFixed<2>(out, in, rows, toStride, fromStride);
    case 3: return copyFixed<3>(out, in, rows, toStride, fromStride);
    case 4: return copyFixed<4>(out, in, rows, toStride, fromStride);
    case 8: return copyFixed<8>(out, in, rows, toStride, fromStride);
    case 12: return copyFixed<12>(out, in, rows, toStride, fromStride);
    case 16: return copyFixed<16>(out, in, rows, toStride, fromStride);
    case 32: return copyFixed<32>(out, in, rows, toStride, fromStride);
    default:
      for (int64_t r = 0; r < rows; r++) std::memcpy(out + r * toStride, in + r * fromStride, bytes);
  }
}

/** `rows` rows of n elements; strides of the elements inside a row: from0, to0, between rows: from1, to1. */
template <class T>
void copy2d(T* out, const T* in, int64_t rows, int64_t from1, int64_t to1, int64_t n, int64_t from0, int64_t to0) {
  if (from0 == 1 && to0 == 1) {
    const int64_t item = sizeof(T);
    copyRows(reinterpret_cast<char*>(out), reinterpret_cast<const char*>(in), rows, to1 * item, from1 * item,
             size_t(n) * sizeof(T));
  } else if (to0 == 1) {
    for (int64_t r = 0; r < rows; r++) {
      T* q = out + r * to1;
      const T* p = in + r * from1;
      if (from0 == 0)
        std::fill_n(q, n, *p);
      else
        for (int64_t j = 0; j < n; j++) q[j] = p[j * from0];
    }
  } else {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t j = 0; j < n; j++) out[r * to1 + j * to0] = in[r * from1 + j * from0];
  }
}

/** The last dimension is a row; long rows are cut, short ones are taken together. */
template <class T>
void copyByRows(T* out, const T* in, const StridedCopy& v) {
  const int last = v.rank - 1;
  const int64_t n = v.size[last], from0 = v.from[last], to0 = v.to[last];
  int64_t rows = 1;
  for (int i = 0; i < last; i++) rows *= v.size[i];
  if (n >= 2 * kGrain) {
    const int64_t pieces = (n + kGrain - 1) / kGrain;
    parallelFor(rows * pieces, [&](int64_t chunk) {
      int64_t from, to;
      locate(v, last, chunk / pieces, from, to);
      const int64_t begin = chunk % pieces * kGrain, count = std::min(kGrain, n - begin);
      copy2d(out + to + begin * to0, in + from + begin * from0, 1, 0, 0, count, from0, to0);
    });
    return;
  }
  const int64_t inner = last > 0 ? v.size[last - 1] : 1;
  const int64_t from1 = last > 0 ? v.from[last - 1] : 0, to1 = last > 0 ? v.to[last - 1] : 0;
  parallelRange(rows, kGrain / n + 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end;) {
      const int64_t count = std::min(end - row, inner - row % inner);
      int64_t from, to;
      locate(v, last, row, from, to);
      copy2d(out + to, in + from, count, from1, to1, n, from0, to0);
      row += count;
    }
  });
}

/** The source is contiguous along dimension `along`, the destination along the last one. */
template <class T>
void copyTransposed(T* out, const T* in, const StridedCopy& v, int along) {
  const int last = v.rank - 1;
  StridedCopy outer;
  for (int i = 0; i < last; i++)
    if (i != along) outer.push(v.size[i], v.from[i], v.to[i]);
  int64_t batches = 1;
  for (int i = 0; i < outer.rank; i++) batches *= outer.size[i];
  const int64_t rows = v.size[along], columns = v.size[last], toStride = v.to[along], fromStride = v.from[last];
  const int64_t tilesA = (rows + kTile - 1) / kTile, tilesB = (columns + kTile - 1) / kTile;
  const int64_t tileElements = std::min(rows, kTile) * std::min(columns, kTile);
  const auto transpose32 = HWY_DYNAMIC_DISPATCH(TransposeTile32);
  parallelRange(batches * tilesA * tilesB, kGrain / tileElements + 1, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; tile++) {
      int64_t from, to;
      locate(outer, outer.rank, tile / (tilesA * tilesB), from, to);
      const int64_t a0 = tile / tilesB % tilesA * kTile, b0 = tile % tilesB * kTile;
      const int64_t na = std::min(kTile, rows - a0), nb = std::min(kTile, columns - b0);
      T* q = out + to + a0 * toStride + b0;
      const T* p = in + from + b0 * fromStride + a0;
      if constexpr (sizeof(T) == 4) {
        transpose32(q, toStride, p, fromStride, na, nb);
      } else {
        for (int64_t a = 0; a < na; a++)
          for (int64_t b = 0; b < nb; b++) q[a * toStride + b] = p[b * fromStride + a];
      }
    }
  });
}

template <class T>
void copyItems(void* out, const void* in, const StridedCopy& v) {
  T* q = static_cast<T*>(out);
  const T* p = static_cast<const T*>(in);
  if (v.rank == 0) {
    *q = *p;
    return;
  }
  const int last = v.rank - 1;
  if (v.from[last] != 1 && v.to[last] == 1) {
    for (int along = 0; along < last; along++)
      if (v.from[along] == 1 && v.size[along] >= 4) return copyTransposed(q, p, v, along);
  }
  copyByRows(q, p, v);
}

}  // namespace

void stridedCopy(void* out, const void* in, StridedCopy view, size_t itemSize) {
  for (int i = 0; i < view.rank; i++)
    if (view.size[i] == 0) return;
  collapse(view);
  switch (itemSize) {
    case 1: return copyItems<uint8_t>(out, in, view);
    case 2: return copyItems<uint16_t>(out, in, view);
    default: return copyItems<uint32_t>(out, in, view);
  }
}

}  // namespace gv::cpu
#endif
