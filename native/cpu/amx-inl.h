// The matrix unit's register kernel and its packed operand layout, for float32 (three bf16 pieces per number) and bf16.
// x86-64 only, compiled for AMX whatever the build's baseline: a caller asks amxAvailable() first. Which products to
// form in which order (blocking, threads) is the including file's business; see gemm_amx.cpp.
//
// A tile holds 16 rows of 16 pairs. Left operand: row = one row of the matrix, pairs along the depth. Right operand:
// row = one pair of depths, along it 16 columns of the matrix. float32 operands pair depth j with j + 16, bf16 ones
// 2j with 2j + 1: both spare a shuffle. A panel is [step of 32 depths][tile][piece][16][16] pairs, one or two tiles
// wide, padded with zeros.
#pragma once

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "hwy/base.h"
#include "ops/bf16.h"

#if HWY_COMPILER_GCC_ACTUAL && HWY_COMPILER_GCC_ACTUAL < 1300
// GCC bug 105593: its own AVX-512 header reads a vector that is meant to be undefined.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define GV_AMX_TARGET "avx512f,avx512bw,avx512dq,avx512vl,prfchw,amx-tile,amx-bf16"
HWY_PUSH_ATTRIBUTES(GV_AMX_TARGET)

namespace gv::cpu::amx {

constexpr int kTile = 16;                    // rows, and columns of the result
constexpr int kStep = 32;                    // depths of a tile
constexpr int kPanel = 2 * kTile;            // rows or columns of a whole panel
constexpr int64_t kTileWords = kTile * kStep;  // 16-bit words

/** Numbers are summed from so many products of pieces: a1 b1 + a1 b2 + a2 b1 + a1 b3 + a2 b2 + a3 b1 for float32. */
template <class T>
constexpr int kPieces = std::is_same_v<T, float> ? 3 : 1;

/** What the tile registers hold: 16 rows of 64 bytes each. Constant memory, as compilers see no read of it. */
struct TileConfig {
  uint8_t palette = 1, startRow = 0, reserved[14] = {};
  uint16_t rowBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {kTile, kTile, kTile, kTile, kTile, kTile, kTile, kTile};
};
alignas(64) inline constexpr TileConfig kTileConfig;

/** Tile registers are there while this is in scope; on each thread that multiplies. */
class TileScope {
 public:
  TileScope() { _tile_loadconfig(&kTileConfig); }
  ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

/** Where C begins, what is there already and what is valid of it. rounded, if set, takes the place of c. */
struct Target {
  float* c;
  ops::BF16* rounded;
  int64_t ldc;
  int rows, columns;
  float beta;
  const float* bias;
};

/** Results that do not cover whole tiles, or need more than adding to C. sums: [tile row][tile column][16][16]. */
inline void finishTarget(const Target& t, const float* sums, int tileColumns) {
  for (int i = 0; i < t.rows; i++) {
    for (int j = 0; j < t.columns; j += kTile) {
      const int count = std::min(kTile, t.columns - j);
      const __mmask16 mask = static_cast<__mmask16>((1u << count) - 1);
      __m512 v = _mm512_load_ps(sums + ((i / kTile * tileColumns + j / kTile) * kTile + i % kTile) * kTile);
      if (t.bias != nullptr) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(mask, t.bias + j));
      if (t.beta != 0.0f) {
        v = _mm512_fmadd_ps(_mm512_set1_ps(t.beta), _mm512_maskz_loadu_ps(mask, t.c + i * t.ldc + j), v);
      }
      if (t.rounded == nullptr) {
        _mm512_mask_storeu_ps(t.c + i * t.ldc + j, mask, v);
        continue;
      }
      const __m512i bits = _mm512_castps_si512(v);
      const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
      const __m512i even = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
      const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
      const __m512i result = _mm512_mask_mov_epi32(even, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), quiet);
      const __m256i half = _mm512_cvtepi32_epi16(_mm512_srli_epi32(result, 16));
      _mm256_mask_storeu_epi16(t.rounded + i * t.ldc + j, mask, half);
    }
  }
}

/** A left operand: a packed panel, or whole rows of a bf16 matrix where they lie (a depth of whole steps only). */
struct LeftPanel {
  const uint16_t* data;
  int64_t rowBytes, tileWords, stepWords;  // to the next row of a tile, the next tile, the next step

  template <class T>
  static LeftPanel packed(const uint16_t* data, int rows) {
    constexpr int64_t words = kPieces<T> * kTileWords;
    return {data, 64, words, rows > kTile ? 2 * words : words};
  }
  static LeftPanel rows(const ops::BF16* data, int64_t ld) {
    return {reinterpret_cast<const uint16_t*>(data), ld * 2, kTile * ld, kStep};
  }
};

/** C (TM x TN tiles) = beta C + bias + A panel * B panel over `steps` steps. */
template <class T, int TM, int TN>
inline void multiplyPanels(const LeftPanel& left, const uint16_t* b, int64_t steps, const Target& t) {
  constexpr int P = kPieces<T>;
  constexpr int64_t kNextB = P * kTileWords;
  const uint16_t* a = left.data;
  const int64_t rowA = left.rowBytes, nextA = left.tileWords;
  // Sums begin at zero: what C holds already is added at the end, so that it does not coarsen every rounding.
  const bool direct = t.rounded == nullptr && t.bias == nullptr && t.beta == 0.0f && t.rows == TM * kTile &&
                      t.columns == TN * kTile;
  // The packed operands were written by ordinary stores, which the tile loads must not overtake in the compiler.
  asm volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
#define GV_LOAD_A(p)                                      \
  _tile_loadd(4, a + (p) * kTileWords, rowA);             \
  if (TM == 2) _tile_loadd(5, a + nextA + (p) * kTileWords, rowA)
#define GV_LOAD_B(p)                                      \
  _tile_loadd(6, b + (p) * kTileWords, 64);               \
  if (TN == 2) _tile_loadd(7, b + kNextB + (p) * kTileWords, 64)
#define GV_MULTIPLY()                   \
  _tile_dpbf16ps(0, 4, 6);              \
  if (TN == 2) _tile_dpbf16ps(1, 4, 7); \
  if (TM == 2) _tile_dpbf16ps(2, 5, 6); \
  if (TM == 2 && TN == 2) _tile_dpbf16ps(3, 5, 7)
  for (int64_t s = 0; s < steps; s++, a += left.stepWords, b += TN * kNextB) {
    if constexpr (P == 3) {
      // Each load replaces one operand of the product before.
      GV_LOAD_A(0);
      GV_LOAD_B(2);
      GV_MULTIPLY();
      GV_LOAD_B(1);
      GV_MULTIPLY();
      GV_LOAD_A(1);
      GV_MULTIPLY();
      GV_LOAD_B(0);
      GV_MULTIPLY();
      GV_LOAD_A(2);
      GV_MULTIPLY();
      GV_LOAD_A(0);
      GV_MULTIPLY();
    } else {
      GV_LOAD_A(0);
      GV_LOAD_B(0);
      GV_MULTIPLY();
    }
  }
#undef GV_LOAD_A
#undef GV_LOAD_B
#undef GV_MULTIPLY
  if (direct) {
    const int64_t rowBytes = t.ldc * 4;
    _tile_stored(0, t.c, rowBytes);
    if (TN == 2) _tile_stored(1, t.c + kTile, rowBytes);
    if (TM == 2) _tile_stored(2, t.c + kTile * t.ldc, rowBytes);
    if (TM == 2 && TN == 2) _tile_stored(3, t.c + kTile * t.ldc + kTile, rowBytes);
    return;
  }
  alignas(64) float sums[TM * TN * kTile * kTile];
  _tile_stored(0, sums, 64);
  if (TN == 2) _tile_stored(1, sums + 256, 64);
  if (TM == 2) _tile_stored(2, sums + 256 * TN, 64);
  if (TM == 2 && TN == 2) _tile_stored(3, sums + 768, 64);
  finishTarget(t, sums, TN);
}

/** multiplyPanels for panels as wide as the target asks for. */
template <class T>
inline void multiplyPanels(const LeftPanel& a, const uint16_t* b, int64_t steps, const Target& t) {
  if (t.rows > kTile) {
    t.columns > kTile ? multiplyPanels<T, 2, 2>(a, b, steps, t) : multiplyPanels<T, 2, 1>(a, b, steps, t);
  } else {
    t.columns > kTile ? multiplyPanels<T, 1, 2>(a, b, steps, t) : multiplyPanels<T, 1, 1>(a, b, steps, t);
  }
}

}  // namespace gv::cpu::amx

HWY_POP_ATTRIBUTES

#endif
