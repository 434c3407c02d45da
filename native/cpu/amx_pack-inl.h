// Packing for the matrix unit: cuts float32 numbers into three bf16 pieces and arranges operands as amx-inl.h has it.
// x86-64 only, compiled for AVX-512; no arithmetic but the split.
//
// The split: x1 = x rounded to 8 bits, x2 = x - x1 rounded to 8 bits, x3 = x - x1 - x2, which has at most 8 bits left:
// x = x1 + x2 + x3 exactly, short of underflow and overflow, which callers find out by the panel's largest magnitude.
#pragma once

#include "cpu/amx-inl.h"

#if defined(__x86_64__)

HWY_PUSH_ATTRIBUTES(GV_AMX_TARGET)

namespace gv::cpu::amx {

/** An operand in memory: element (w, d), w along rows of C (left) or columns of C (right), d along the depth. */
template <class T>
struct Source {
  const T* data;
  int64_t ld;
  bool alongDepth;  // neighbours in memory differ in d, not in w
  bool left;

  const T* at(int64_t w, int64_t d) const { return data + (alongDepth ? w * ld + d : d * ld + w); }
  /** Whether a tile's rows lie across memory. */
  bool transposed() const { return left != alongDepth; }
};

/** Transposes 16 x 16 words of 32 bits. */
inline void transpose16(__m512i (&r)[16]) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512i low0 = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88), high0 = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    const __m512i low1 = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    const __m512i high1 = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    t[i] = _mm512_shuffle_i32x4(low0, low1, 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(high0, high1, 0x88);
    t[i + 8] = _mm512_shuffle_i32x4(low0, low1, 0xdd);
    t[i + 12] = _mm512_shuffle_i32x4(high0, high1, 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) r[i] = t[i];
}

inline __mmask16 firstLanes(int64_t count) {
  return static_cast<__mmask16>((1u << std::clamp<int64_t>(count, 0, 16)) - 1);
}

/** One row of pairs (x lane i, y lane i), as three pieces kTileWords apart; the largest magnitude is kept, doubled. */
inline void splitPairs(__m512i x, __m512i y, uint16_t* out, __m512i& largest) {
  const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  constexpr __mmask32 kOddWords = 0xAAAAAAAA;
  largest = _mm512_max_epu32(largest, _mm512_max_epu32(_mm512_add_epi32(x, x), _mm512_add_epi32(y, y)));
#pragma GCC unroll 2
  for (int piece = 0; piece < 2; piece++) {
    const __m512i nearX = _mm512_and_si512(_mm512_add_epi32(x, half), upper);
    const __m512i nearY = _mm512_and_si512(_mm512_add_epi32(y, half), upper);
    _mm512_store_si512(out + piece * kTileWords, _mm512_mask_blend_epi16(kOddWords, _mm512_srli_epi32(nearX, 16), nearY));
    x = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(nearX)));
    y = _mm512_castps_si512(_mm512_sub_ps(_mm512_castsi512_ps(y), _mm512_castsi512_ps(nearY)));
  }
  _mm512_store_si512(out + 2 * kTileWords, _mm512_mask_blend_epi16(kOddWords, _mm512_srli_epi32(x, 16), y));
}

/** Up to 16 x 16 words of a matrix; rows and lanes beyond are zero and not read. */
struct SquareView {
  const float* first;
  int64_t ld, rows;
  __mmask16 lanes;

  template <bool whole>
  __m512i row(int i) const {
    if constexpr (whole) return _mm512_loadu_si512(first + i * ld);
    return i < rows ? _mm512_maskz_loadu_epi32(lanes, first + i * ld) : _mm512_setzero_si512();
  }
};

template <bool whole>
inline void packSquares(const SquareView& u, const SquareView& v, bool transposed, uint16_t* out, __m512i& largest) {
  if (!transposed) {
#pragma GCC unroll 4
    for (int i = 0; i < kTile; i++) {
      splitPairs(u.template row<whole>(i), v.template row<whole>(i), out + i * kStep, largest);
    }
    return;
  }
  __m512i x[kTile], y[kTile];
  alignas(64) int32_t kept[kTile][kTile];
#pragma GCC unroll 16
  for (int i = 0; i < kTile; i++) x[i] = u.template row<whole>(i);
  transpose16(x);
#pragma GCC unroll 16
  for (int i = 0; i < kTile; i++) _mm512_store_si512(kept[i], x[i]);
#pragma GCC unroll 16
  for (int i = 0; i < kTile; i++) y[i] = v.template row<whole>(i);
  transpose16(y);
#pragma GCC unroll 16
  for (int i = 0; i < kTile; i++) splitPairs(_mm512_load_si512(kept[i]), y[i], out + i * kStep, largest);
}

/** The tile of w .. w + 15 and d .. d + 31, of which `width` and `depth` are valid. */
inline void packTile(const Source<float>& s, int64_t w, int64_t width, int64_t d, int64_t depth, uint16_t* out,
                     __m512i& largest) {
  const auto half = [&](int64_t from) {
    const int64_t rest = depth - from;
    return SquareView{s.at(w, d + from), s.ld, s.alongDepth ? width : rest, firstLanes(s.alongDepth ? rest : width)};
  };
  if (width == kTile && depth == kStep) {
    packSquares<true>(half(0), half(kTile), s.transposed(), out, largest);
  } else {
    packSquares<false>(half(0), half(kTile), s.transposed(), out, largest);
  }
}

/** The same of bf16, whose pairs are neighbours in depth. */
inline void packTile(const Source<ops::BF16>& s, int64_t w, int64_t width, int64_t d, int64_t depth, uint16_t* out,
                     __m512i&) {
  const ops::BF16* const first = s.at(w, d);
  __m512i r[kTile];
  if (s.alongDepth) {
    const __mmask32 lanes = depth >= kStep ? 0xffffffffu : (1u << depth) - 1;
#pragma GCC unroll 16
    for (int i = 0; i < kTile; i++) {
      r[i] = i < width ? _mm512_maskz_loadu_epi16(lanes, first + i * s.ld) : _mm512_setzero_si512();
    }
  } else {
    const __mmask16 lanes = firstLanes(width);
#pragma GCC unroll 16
    for (int i = 0; i < kTile; i++) {
      __m256i even = _mm256_setzero_si256(), odd = even;
      if (2 * i < depth) even = _mm256_maskz_loadu_epi16(lanes, first + 2 * i * s.ld);
      if (2 * i + 1 < depth) odd = _mm256_maskz_loadu_epi16(lanes, first + (2 * i + 1) * s.ld);
      r[i] = _mm512_or_si512(_mm512_cvtepu16_epi32(even), _mm512_slli_epi32(_mm512_cvtepu16_epi32(odd), 16));
    }
  }
  if (s.transposed()) transpose16(r);
#pragma GCC unroll 16
  for (int i = 0; i < kTile; i++) _mm512_store_si512(out + i * kStep, r[i]);
}

/** Fetches a tile's source into the second-level cache; its rows may share a set of the first level. */
template <class T>
inline void fetchTile(const Source<T>& s, int64_t w, int64_t width, int64_t d, int64_t depth) {
  const T* const first = s.at(w, d);
  const int64_t rows = s.alongDepth ? std::min<int64_t>(kTile, width) : std::min<int64_t>(kStep, depth);
  const int64_t columns = s.alongDepth ? kStep : kTile;
  for (int64_t i = 0; i < rows; i++) {
    for (int64_t j = 0; j < columns; j += 64 / int64_t{sizeof(T)}) __builtin_prefetch(first + i * s.ld + j, 0, 2);
  }
}

/**
 * Packs one panel: columns or rows w .. w + width - 1 (1 to kPanel), depths d .. d + depth - 1.
 * Returns the bits of the largest magnitude; float32 only.
 */
template <class T>
inline uint32_t packPanel(const Source<T>& s, int64_t w, int64_t width, int64_t d, int64_t depth, uint16_t* out) {
  constexpr int64_t kAhead = 2 * kStep;
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < depth; i += kStep) {
    for (int64_t j = 0; j < width; j += kTile, out += kPieces<T> * kTileWords) {
      if (i + kAhead < depth) fetchTile(s, w + j, width - j, d + i + kAhead, depth - i - kAhead);
      packTile(s, w + j, std::min<int64_t>(kTile, width - j), d + i, std::min<int64_t>(kStep, depth - i), out, largest);
    }
  }
  return _mm512_reduce_max_epu32(largest) >> 1;
}

}  // namespace gv::cpu::amx

HWY_POP_ATTRIBUTES

#endif
