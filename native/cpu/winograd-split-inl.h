// Transformed tiles and filters of the Winograd convolutions as operands of the matrix unit: each number is cut into
// three bf16 pieces while it lies in a register. AVX-512 only; see winograd_amx.h for the layout and the products.
//
// The pieces are the upper 16 bits of x, of what is left of it, and the rest, of 8 significant bits each, so that
// x = x1 + x2 + x3 exactly, short of overflow and underflow. Whoever reads the numbers to be transformed keeps their
// largest magnitude (Magnitude): a product whose operands do not fit is left to the vector kernels.
#if defined(GV_CPU_WINOGRAD_SPLIT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_SPLIT_INL_H
#undef GV_CPU_WINOGRAD_SPLIT_INL_H
#else
#define GV_CPU_WINOGRAD_SPLIT_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/winograd-tiles-inl.h"
#include "cpu/winograd_amx.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX3

/** The largest magnitude of what was read, as the bits of a float; NaN and infinity are larger than any number. */
struct Magnitude {
  __m512i doubled;

  // An implicit constructor would not be compiled for this target.
  HWY_INLINE Magnitude() : doubled(_mm512_setzero_si512()) {}
  HWY_INLINE void See(V v) {
    const __m512i bits = _mm512_castps_si512(v.raw);
    doubled = _mm512_max_epu32(doubled, _mm512_add_epi32(bits, bits));
  }
  HWY_INLINE uint32_t Largest() const { return _mm512_reduce_max_epu32(doubled) >> 1; }
};

/** A Read of Transform whose elements are seen by a Magnitude. */
template <class Read>
struct ReadSeen {
  const Read& read;
  Magnitude& magnitude;
  HWY_INLINE V operator()(int i, int j) const {
    const V v = read(i, j);
    magnitude.See(v);
    return v;
  }
};

/** Whether neither pieces nor sums of products of numbers up to these magnitudes overflow or underflow. */
static HWY_INLINE bool SplitFits(uint32_t largestA, uint32_t largestB, int64_t terms) {
  // A transform multiplies magnitudes by less than 2^kGrowth, and divides them by less.
  constexpr int kBias = 127, kGrowth = 8, kSmallest = -92, kLargest = 126 - kGrowth;
  const int a = static_cast<int>(largestA >> 23) - kBias, b = static_cast<int>(largestB >> 23) - kBias;
  if (a > kLargest || b > kLargest) return false;
  if (largestA == 0 || largestB == 0) return true;
  int bits = 0;
  while (terms >> bits > 0) bits++;
  return a >= kSmallest && b >= kSmallest && a + b >= kSmallest && a + b + bits + kGrowth <= kLargest;
}

/** One row of pairs (x lane i, y lane i), as three pieces. */
HWY_INLINE void StorePairs(V first, V second, uint16_t* out) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  constexpr __mmask32 kOddWords = 0xAAAAAAAA;
  __m512 x = first.raw, y = second.raw;
#pragma GCC unroll 3
  for (int piece = 0; piece < 3; piece++) {
    const __m512i bitsX = _mm512_castps_si512(x), bitsY = _mm512_castps_si512(y);
    _mm512_store_si512(out + piece * kSplitPiece,
                       _mm512_mask_blend_epi16(kOddWords, _mm512_srli_epi32(bitsX, 16), bitsY));
    if (piece == 2) break;
    x = _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_and_si512(bitsX, upper)));
    y = _mm512_sub_ps(y, _mm512_castsi512_ps(_mm512_and_si512(bitsY, upper)));
  }
}

/** A transformed tile's first half of pairs, until the other half is there. */
template <int N>
struct HalfPairs {
  HWY_ALIGN float at[N * N * kLanes];
};

template <int N>
struct WriteHalf {
  HalfPairs<N>& half;
  HWY_INLINE void operator()(int i, int j, V v) const { hn::Store(v, D(), half.at + (i * N + j) * kLanes); }
};

/** Writes rows of pairs, `plane` words apart, of the elements in `half` and those it is given. */
template <int N>
struct WritePairs {
  const HalfPairs<N>& half;
  uint16_t* out;
  int64_t plane;
  HWY_INLINE void operator()(int i, int j, V v) const {
    StorePairs(hn::Load(D(), half.at + (i * N + j) * kLanes), v, out + (i * N + j) * plane);
  }
};

/** Writes rows of pairs whose other half is zero. */
template <int N>
HWY_INLINE void WriteUnpaired(const HalfPairs<N>& half, uint16_t* out, int64_t plane) {
  for (int i = 0; i < N * N; i++) {
    StorePairs(hn::Load(D(), half.at + i * kLanes), hn::Zero(D()), out + i * plane);
  }
}

/** Calls body(access) for the first `count` >= 1 lanes. */
template <class Body>
HWY_INLINE void withLanes(int64_t count, const Body& body) {
  if (count >= kLanes) {
    body(WholeVector());
  } else {
    body(PartVector{static_cast<size_t>(count)});
  }
}

/**
 * A row of the left operand: up to 32 channels of a transformed tile. transform(c, access, write) transforms the
 * vector that begins with channel c.
 */
template <int N, class TransformVector>
HWY_INLINE void SplitRow(int64_t channels, uint16_t* out, int64_t plane, const TransformVector& transform) {
  HalfPairs<N> half;
  withLanes(channels, [&](auto access) HWY_ATTR { transform(0, access, WriteHalf<N>{half}); });
  if (channels <= kLanes) return WriteUnpaired<N>(half, out, plane);
  withLanes(channels - kLanes, [&](auto access) HWY_ATTR { transform(kLanes, access, WritePairs<N>{half, out, plane}); });
}

/** Where a tile's row of block 0 and plane 0 lies in an operand of the data passes. */
HWY_INLINE int64_t SplitRowAt(int64_t tile) {
  return tile / kSplitTile * kSplitTileWords + tile % kSplitTile * 2 * kSplitTile;
}

/** TransformImages and TransformResults of the data passes: blocks firstBlock to endBlock alone, `plane` words from
 * plane to plane. */
template <int M, int R>
HWY_INLINE void SplitImages(const WinogradPlan& plan, const TileGroup& group, int64_t firstBlock, int64_t endBlock,
                            const float* images, const float* zeros, uint16_t* out, int64_t plane,
                            Magnitude& magnitude) {
  constexpr int N = M + R - 1;
  for (int64_t block = firstBlock; block < endBlock; block++, out += N * N * plane) {
    const int64_t phase = block / plan.phaseBlocks, channel = block % plan.phaseBlocks * kBlock;
    ForEachTile<N * N, const float>(
        plan, group,
        [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
          FindImagePixels<M, N, const float>(plan, tile, phase, images, zeros, 0, nullptr, pixels);
        },
        [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
          SplitRow<N>(plan.imageChannels(block), out + SplitRowAt(t), plane,
                      [&](int64_t c, auto access, const auto& write) HWY_ATTR {
                        const ReadPixels<N, decltype(access)> read{pixels, later, channel + c, access};
                        Transform<Winograd<M, R>::kBT>(ReadSeen<decltype(read)>{read, magnitude}, write);
                      });
        });
  }
}

template <int M, int R>
HWY_INLINE void SplitResults(const WinogradPlan& plan, const TileGroup& group, int64_t firstBlock, int64_t endBlock,
                             const float* results, const float* zeros, uint16_t* out, int64_t plane,
                             Magnitude& magnitude) {
  constexpr int N = M + R - 1;
  ForEachTile<M * M, const float>(
      plan, group,
      [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
        FindResultPixels<M, const float>(plan.shape, tile, results, zeros, pixels);
      },
      [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
        for (int64_t block = firstBlock; block < endBlock; block++) {
          SplitRow<N>(plan.resultChannels(block), out + (block - firstBlock) * N * N * plane + SplitRowAt(t), plane,
                      [&](int64_t c, auto access, const auto& write) HWY_ATTR {
                        const ReadPixels<M, decltype(access)> read{pixels, later, block * kBlock + c, access};
                        Transform<Winograd<M, R>::kA>(ReadSeen<decltype(read)>{read, magnitude}, write);
                      });
        }
      });
}

#endif  // HWY_AVX3
}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
