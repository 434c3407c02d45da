// Ordering of rows by keys that all differ, which makes any sort a stable one: pieces of a row are sorted by one block
// each (bitonic, in shared memory; Batcher 1968), then merged pairwise, each element finding its place in the other
// piece by bisection.
#pragma once
#include "../engine/philox.h"
#include "call.h"

namespace gv::cuda {

/** What is compared in the upper half, a position in the lower. */
struct OrderKey {
  uint64_t bits;
  GV_HD static OrderKey of(uint32_t order, int64_t position) { return {uint64_t(order) << 32 | uint64_t(position)}; }
  GV_HD bool operator<(const OrderKey& o) const { return bits < o.bits; }
  GV_HD uint32_t order() const { return uint32_t(bits >> 32); }
  GV_HD int64_t position() const { return int64_t(bits & 0xFFFFFFFFu); }
  /** After all others. */
  GV_HD static OrderKey last() { return {~uint64_t(0)}; }
};

/** The same with 64 bits to compare. */
struct WideOrderKey {
  uint64_t order, position;
  GV_HD bool operator<(const WideOrderKey& o) const {
    return order < o.order || (order == o.order && position < o.position);
  }
  GV_HD static WideOrderKey last() { return {~uint64_t(0), ~uint64_t(0)}; }
};

/** Bits whose order is x's, -0 below 0, NaN at the ends. */
GV_HD inline uint64_t orderBits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits ^ (bits >> 63 ? ~uint64_t(0) : uint64_t(1) << 63);
}

/** Takes ordered keys into rows of n. */
template <class Key>
struct StoreKeys {
  Key* keys;
  int64_t n;
  GV_HD void operator()(int64_t row, int64_t place, const Key& key) const { keys[row * n + place] = key; }
};

namespace detail {

/** Sorts pieces of `width` (a power of two) and hands the first k keys of each to sink(row, place, key). */
template <int kThreads, class Key, class Make, class Sink>
void orderPieces(int64_t rows, int64_t n, int64_t k, int64_t width, Make make, Sink sink) {
  const int64_t pieces = (n + width - 1) / width;
  forBlocks<kThreads>(rows * pieces, size_t(width) * sizeof(Key), [=] GV_DEVICE(const Block& block) {
    Key* const keys = reinterpret_cast<Key*>(block.shared);
    const int64_t row = block.index / pieces, begin = block.index % pieces * width;
    const int size = int(width), filled = int(n - begin < width ? n - begin : width);
    for (int i = block.thread; i < size; i += block.threads) keys[i] = i < filled ? make(row, begin + i) : Key::last();
    block.sync();
    for (int run = 2; run <= size; run *= 2)
      for (int step = run / 2; step > 0; step /= 2) {
        for (int t = block.thread; t < size / 2; t += block.threads) {
          const int low = 2 * t - (t & (step - 1)), high = low + step;
          const Key a = keys[low], b = keys[high];
          if ((low & run) == 0 ? b < a : a < b) {
            keys[low] = b;
            keys[high] = a;
          }
        }
        block.sync();
      }
    for (int i = block.thread; i < filled && i < k; i += block.threads) sink(row, begin + i, keys[i]);
  });
}

/** Merges pieces of `width` pairwise, as far as their first k keys go. */
template <class Key, class Sink>
void mergePieces(const Key* keys, int64_t rows, int64_t n, int64_t k, int64_t width, Sink sink) {
  forEach(rows * n, [=] GV_DEVICE(int64_t i) {
    const int64_t row = i / n, at = i % n, mine = at / width * width, pair = at / (2 * width) * (2 * width);
    const int64_t mineFilled = n - mine < width ? n - mine : width, place = at - mine;
    if (place >= mineFilled || place >= k) return;
    const Key key = keys[i];
    const int64_t other = mine == pair ? mine + width : pair;
    int64_t low = 0, high = other < n ? (n - other < width ? n - other : width) : 0;
    if (high > k) high = k;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (keys[row * n + other + middle] < key)
        low = middle + 1;
      else
        high = middle;
    }
    if (place + low < k) sink(row, pair + place + low, key);
  });
}

}  // namespace detail

/**
 * Hands the first k of the n keys make(row, i) of each row to emit(row, place, key), in ascending order. Both are
 * functions of the device; the keys of a row differ.
 */
template <class Key, class Make, class Emit>
void orderRows(const Call& call, int64_t rows, int64_t n, int64_t k, Make make, Emit emit) {
  constexpr int64_t kMost = 32768 / int64_t(sizeof(Key));  // keys of a piece in shared memory
  if (rows == 0 || n == 0 || k == 0) return;
  if (n >= 0xFFFFFFFF) fail("ERR_SHAPE", "%s: cannot order %lld elements, 2^32 or more", call.name(), (long long)n);
  if (n <= kMost) {
    int64_t width = 1;
    while (width < n) width *= 2;
    if (width <= 64) return detail::orderPieces<32, Key>(rows, n, k, width, make, emit);
    if (width <= 512) return detail::orderPieces<128, Key>(rows, n, k, width, make, emit);
    return detail::orderPieces<512, Key>(rows, n, k, width, make, emit);
  }
  const size_t bytes = size_t(rows) * size_t(n) * sizeof(Key);
  Workspace first(call, bytes), second(call, 2 * kMost < n ? bytes : 0);
  Key *keys = first.as<Key>(), *other = second.as<Key>();
  detail::orderPieces<512, Key>(rows, n, k, kMost, make, StoreKeys<Key>{keys, n});
  int64_t width = kMost;
  for (; 2 * width < n; width *= 2) {
    detail::mergePieces(keys, rows, n, k, width, StoreKeys<Key>{other, n});
    std::swap(keys, other);
  }
  detail::mergePieces(keys, rows, n, k, width, emit);
}

}  // namespace gv::cuda
