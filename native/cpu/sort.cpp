// Kernel of ops/sort.h. An element becomes one 64-bit number, its rank in the order above its position, so that an
// ordinary sort is stable and compares whole numbers. Long rows are sorted by radix, in linear time.
#include "ops/sort.h"

#include <algorithm>
#include <cstring>

#include "cpu/pool.h"

namespace gv::cpu {
namespace {

constexpr int64_t kRadixFrom = 512;  // below, the histograms cost more than they save

/** Maps x to a number whose order is x's, NaN last. */
inline uint32_t orderOf(float x, bool descending) {
  if (x != x) return 0xFFFFFFFFu;
  x += 0.0f;  // -0 becomes 0
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t order = bits ^ (bits >> 31 ? 0xFFFFFFFFu : 0x80000000u);
  return descending ? ~order : order;
}
inline uint32_t orderOf(int32_t x, bool descending) {
  const uint32_t order = uint32_t(x) ^ 0x80000000u;
  return descending ? ~order : order;
}
inline uint32_t orderOf(uint8_t x, bool descending) { return descending ? 255u - x : x; }

/** Sorts by the upper halves, 11 bits at a time; what is equal there stays in order. Returns where the result lies. */
uint64_t* sortByRadix(uint64_t* keys, uint64_t* other, int64_t n) {
  constexpr int kBits = 11, kBins = 1 << kBits;
  for (int shift = 32; shift < 64; shift += kBits) {
    int64_t start[kBins + 1] = {};
    for (int64_t i = 0; i < n; i++) start[(keys[i] >> shift & (kBins - 1)) + 1]++;
    if (start[(keys[0] >> shift & (kBins - 1)) + 1] == n) continue;
    for (int b = 0; b < kBins; b++) start[b + 1] += start[b];
    for (int64_t i = 0; i < n; i++) other[start[keys[i] >> shift & (kBins - 1)]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

template <class T>
void sortRows(const Call& call) {
  const Shape shape = call.in[0].shape;
  const int64_t n = shape.last(), k = call.integer(1), rows = shape.count(0, shape.rank() - 1);
  const bool descending = call.integer(0) != 0;
  if (rows == 0 || k == 0) return;
  const T* const x = call.in[0].data<T>();
  T* const values = call.out[0].data<T>();
  int32_t* const positions = call.out[1].data<int32_t>();
  // As many rows at once as there are buffers: each chunk of rows sorts in its own.
  const int64_t chunk = std::max<int64_t>(1, 8192 / n), chunks = (rows - 1) / chunk + 1;
  const int64_t buffers = std::min<int64_t>(chunks, 64), size = n < kRadixFrom ? n : 2 * n;
  Workspace workspace(call, size_t(buffers * size) * sizeof(uint64_t));
  for (int64_t first = 0; first < chunks; first += buffers)
    parallelFor(std::min(buffers, chunks - first), [&](int64_t b) {
      uint64_t* const buffer = workspace.as<uint64_t>() + b * size;
      const int64_t begin = (first + b) * chunk, end = std::min(rows, begin + chunk);
      for (int64_t r = begin; r < end; r++) {
        const T* const row = x + r * n;
        uint64_t* keys = buffer;
        for (int64_t i = 0; i < n; i++) keys[i] = uint64_t(orderOf(row[i], descending)) << 32 | uint64_t(i);
        // The radix passes rely on the order of positions, which nth_element disturbs.
        const bool radix = k == n && n >= kRadixFrom;
        if (radix) keys = sortByRadix(keys, buffer + n, n);
        if (k < n / 8) {
          std::partial_sort(keys, keys + k, keys + n);
        } else if (!radix) {
          if (k < n) std::nth_element(keys, keys + k, keys + n);
          std::sort(keys, keys + k);
        }
        for (int64_t i = 0; i < k; i++) {
          const uint32_t from = uint32_t(keys[i]);
          positions[r * k + i] = int32_t(from);
          values[r * k + i] = row[from];
        }
      }
    });
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
}  // namespace gv::cpu
