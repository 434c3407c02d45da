// The register kernel under every matrix product and implicit-GEMM convolution, with its packed operand layouts.
// Per target, header only. What to multiply in which order (blocking, threads) is the including file's business.
//
// C tile (up to kMR rows x two vectors) += A panel * B panel, as in Goto & van de Geijn, "Anatomy of
// high-performance matrix multiplication", 2008.
//   B panel: [k][kNR], the right operand's rows; the last panel of a matrix may be one vector wide.
//   A panel, kRowsA:    [k / 16][row][16]: sixteen neighbours of a row stay together, so packing copies cache lines.
//   A panel, kColumnsA: [k][row]: for a left operand whose columns are contiguous (a transposed matrix).
#if defined(GV_CPU_GEMM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_GEMM_INL_H
#undef GV_CPU_GEMM_INL_H
#else
#define GV_CPU_GEMM_INL_H
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cpu/simd-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// As many rows as the register file carries with two vectors of B and one of A beside the sums.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kMR = 12;
#elif HWY_TARGET == HWY_SCALAR
constexpr int kMR = 4;
#else
constexpr int kMR = 6;
#endif
constexpr int kNR = 2 * kLanes;
constexpr int kBlockK = 16;  // the row piece of the kRowsA layout: one cache line

enum ALayout { kRowsA, kColumnsA };

HWY_INLINE void PrefetchL2(const float* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  __builtin_prefetch(p, 0, 2);
#else
  hwy::Prefetch(p);
#endif
}

/** Floats of one A panel: whole blocks in the kRowsA layout. */
template <ALayout layout>
HWY_INLINE int64_t PanelStrideA(int rows, int64_t k) {
  return rows * (layout == kRowsA ? (k + kBlockK - 1) / kBlockK * kBlockK : k);
}

/**
 * Memory that will be packed next, as addresses of two cache lines each. The kernels fetch a share of them into L2
 * with every tile, so that packing, which would otherwise wait for the last-level cache, finds its source close by.
 */
struct FetchList {
  const float* const* lines = nullptr;
  int count = 0;
};

/** One tile: rows[i][0 .. columns) = beta * rows[i] + A panel * B panel (+ bias); beta == 0 never reads C. */
struct Tile {
  const float* a;
  const float* nextA;  // what to fetch into L1 meanwhile: the next A panel, or `a` again if there is none
  const float* b;
  int64_t strideB;     // floats from one k to the next: the panel's width, or more when B is read where it lies
  int64_t k;
  float* const* rows;  // where each row of the tile starts
  int columns;         // 1 .. kNR
  float beta;
  const float* bias;  // nullable, `columns` long
  FetchList fetch;
};

template <int NV>
HWY_INLINE void StoreRow(const Tile& tile, float* row, V sum0, V sum1) {
  const D d;
  const int last = tile.columns - (NV - 1) * kLanes;  // valid lanes of the last vector
  float* tail = row + (NV - 1) * kLanes;
  V end = NV == 2 ? sum1 : sum0;
  if (tile.bias != nullptr) {
    if (NV == 2) sum0 = hn::Add(sum0, hn::LoadU(d, tile.bias));
    end = hn::Add(end, LoadFirst(tile.bias + (NV - 1) * kLanes, last));
  }
  if (tile.beta == 1.0f) {
    if (NV == 2) sum0 = hn::Add(sum0, hn::LoadU(d, row));
    end = hn::Add(end, LoadFirst(tail, last));
  } else if (tile.beta != 0.0f) {
    const V beta = hn::Set(d, tile.beta);
    if (NV == 2) sum0 = hn::MulAdd(beta, hn::LoadU(d, row), sum0);
    end = hn::MulAdd(beta, LoadFirst(tail, last), end);
  }
  if (NV == 2) hn::StoreU(sum0, d, row);
  if (last == kLanes) {
    hn::StoreU(end, d, tail);
  } else {
    StoreFirst(end, tail, last);
  }
}

/** The tile of MR rows and NV vectors. The sums live in registers from the first k to the last. */
template <int MR, int NV, ALayout layout>
void TileKernel(const Tile& tile) {
  const D d;
  const float* HWY_RESTRICT a = tile.a;
  const float* nextA = tile.nextA;
  const float* HWY_RESTRICT b = tile.b;
  const int64_t strideB = tile.strideB;
  V sum0[MR], sum1[MR];
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) {
    sum0[i] = hn::Zero(d);
    sum1[i] = hn::Zero(d);
  }
  const auto step = [&](const float* HWY_RESTRICT ak) HWY_ATTR {
    // One of the two operands streams in from L2: fetching ahead keeps the multipliers busy (x1.5 and more).
    hwy::Prefetch(b + 12 * strideB);
    if (NV == 2) hwy::Prefetch(b + 12 * strideB + kLanes);
    const V b0 = hn::LoadU(d, b);
    const V b1 = NV == 2 ? hn::LoadU(d, b + kLanes) : b0;
    b += strideB;
#pragma GCC unroll 16
    for (int i = 0; i < MR; i++) {
      const V ai = hn::Set(d, ak[layout == kRowsA ? i * kBlockK : i]);
      sum0[i] = hn::MulAdd(ai, b0, sum0[i]);
      if (NV == 2) sum1[i] = hn::MulAdd(ai, b1, sum1[i]);
    }
  };
  constexpr int kStride = layout == kRowsA ? 1 : MR;
  const float* const* fetch = tile.fetch.lines;
  const float* const* const fetchEnd = fetch + tile.fetch.count;
  const int64_t fetchStep = tile.fetch.count * kBlockK / std::max<int64_t>(tile.k, 1) + 1;
  const int64_t fetchC = std::max<int64_t>(0, tile.k / kBlockK - 4) * kBlockK;
  int64_t k = 0;
  for (; k + kBlockK <= tile.k; k += kBlockK, a += MR * kBlockK, nextA += MR * kBlockK) {
    if (k == fetchC) {
      for (int i = 0; i < MR; i++) {
        hwy::Prefetch(tile.rows[i]);
        if (NV == 2) hwy::Prefetch(tile.rows[i] + kLanes);
      }
    }
    for (const float* const* end = std::min(fetch + fetchStep, fetchEnd); fetch < end; fetch++) {
      PrefetchL2(*fetch);
      PrefetchL2(*fetch + 16);
    }
#pragma GCC unroll 1
    for (int kk = 0; kk < kBlockK; kk += 2) {
      hwy::Prefetch(nextA + kk * MR);
      hwy::Prefetch(nextA + (kk + 1) * MR);
      step(a + kk * kStride);
      step(a + (kk + 1) * kStride);
    }
  }
  for (int64_t rest = tile.k - k; rest > 0; rest--, a += kStride) step(a);
#pragma GCC unroll 16
  for (int i = 0; i < MR; i++) StoreRow<NV>(tile, tile.rows[i], sum0[i], sum1[i]);
}

using TileFunction = void (*)(const Tile&);

/** Chooses the kernel for a tile of `rows` x `vectors`. */
template <ALayout layout, int MR = kMR>
HWY_INLINE TileFunction TileKernelFor(int rows, int vectors) {
  if constexpr (MR > 1) {
    if (rows < MR) return TileKernelFor<layout, MR - 1>(rows, vectors);
  }
  return vectors == 2 ? &TileKernel<MR, 2, layout> : &TileKernel<MR, 1, layout>;
}

/** Rows per panel: the panels of a block are as equal as can be, so none is left nearly empty. */
HWY_INLINE int PanelRows(int64_t rows) {
  const int64_t panels = (rows + kMR - 1) / kMR;
  return static_cast<int>((rows + panels - 1) / panels);
}

/**
 * Floats between the starts of two B panels whose columns begin kNR apart, for a matrix of depth k. The gap keeps the
 * same part of all panels from falling into the same sets of the caches when k is a power of two.
 */
HWY_INLINE int64_t PanelStrideB(int64_t k) { return (k + 24) * kNR; }

/** Width of the B panel that covers the `columns` last ones: two vectors, or one if that is enough. */
HWY_INLINE int PanelWidth(int64_t columns) { return columns > kLanes ? kNR : kLanes; }

/** Floats of a packed right operand of depth k with n columns. */
HWY_INLINE int64_t PackedFloatsB(int64_t k, int64_t n) { return (n + kNR - 1) / kNR * PanelStrideB(k); }

/** Packs k rows of at most kNR columns into a panel; row r starts at b + r * ldb. */
static HWY_MAYBE_UNUSED HWY_NOINLINE void PackPanelB(const float* b, int64_t ldb, int64_t k, int64_t columns,
                                                     float* HWY_RESTRICT out) {
  const int width = PanelWidth(columns);
  if (columns == kNR) {
    for (int64_t r = 0; r < k; r++, out += kNR, b += ldb) {
      // Rows lie too far apart for the hardware to see the pattern.
      hwy::Prefetch(b + 16 * ldb);
      hwy::Prefetch(b + 16 * ldb + kLanes);
      std::memcpy(out, b, kNR * sizeof(float));
    }
    return;
  }
  for (int64_t r = 0; r < k; r++, out += width, b += ldb) {
    for (int64_t c = 0; c < columns; c++) out[c] = b[c];
    for (int64_t c = columns; c < width; c++) out[c] = 0.0f;
  }
}

/** Writes the transpose of a rows x k matrix (row stride ldb) with at most `width` rows as [k][width]. */
static HWY_MAYBE_UNUSED HWY_NOINLINE void TransposeInto(const float* b, int64_t ldb, int64_t rows, int64_t k, int width,
                                       float* HWY_RESTRICT out) {
  int64_t r = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d4;
  const hn::FixedTag<double, 2> d2;
  for (; r + 4 <= rows; r += 4) {
    const float* source = b + r * ldb;
    float* target = out + r;
    int64_t c = 0;
    for (; c + 4 <= k; c += 4, source += 4, target += 4 * width) {
      const auto r0 = hn::LoadU(d4, source), r1 = hn::LoadU(d4, source + ldb);
      const auto r2 = hn::LoadU(d4, source + 2 * ldb), r3 = hn::LoadU(d4, source + 3 * ldb);
      const auto low01 = hn::BitCast(d2, hn::InterleaveLower(d4, r0, r1));
      const auto low23 = hn::BitCast(d2, hn::InterleaveLower(d4, r2, r3));
      const auto high01 = hn::BitCast(d2, hn::InterleaveUpper(d4, r0, r1));
      const auto high23 = hn::BitCast(d2, hn::InterleaveUpper(d4, r2, r3));
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, low01, low23)), d4, target);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, low01, low23)), d4, target + width);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, high01, high23)), d4, target + 2 * width);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, high01, high23)), d4, target + 3 * width);
    }
    for (; c < k; c++, source++, target += width) {
      for (int i = 0; i < 4; i++) target[i] = source[i * ldb];
    }
  }
#endif
  for (; r < rows; r++) {
    for (int64_t c = 0; c < k; c++) out[c * width + r] = b[r * ldb + c];
  }
}

/** Packs a B panel from a transposed right operand: column c of the panel is the row b + c * ldb, k long. */
static HWY_MAYBE_UNUSED HWY_NOINLINE void PackPanelTransposedB(const float* b, int64_t ldb, int64_t k, int64_t columns,
                                              float* HWY_RESTRICT out) {
  const int width = PanelWidth(columns);
  TransposeInto(b, ldb, columns, k, width, out);
  if (columns == width) return;
  for (int64_t r = 0; r < k; r++) {
    for (int64_t c = columns; c < width; c++) out[r * width + c] = 0.0f;
  }
}

/** Copies k floats of one row into its place in a kRowsA panel of `panelRows` rows, starting at column k0. */
HWY_INLINE void PackRowA(const float* HWY_RESTRICT source, int64_t k, int panelRows, int64_t k0,
                         float* HWY_RESTRICT rowInPanel) {
  const int64_t stride = static_cast<int64_t>(panelRows) * kBlockK;
  float* out = rowInPanel + k0 / kBlockK * stride;
  int64_t within = k0 % kBlockK;
  while (k > 0) {
    if (within == 0 && k >= kBlockK) {
      do {
        std::memcpy(out, source, kBlockK * sizeof(float));
        source += kBlockK;
        out += stride;
        k -= kBlockK;
      } while (k >= kBlockK);
    } else {
      const int64_t piece = std::min<int64_t>(k, kBlockK - within);
      for (int64_t i = 0; i < piece; i++) out[within + i] = source[i];
      source += piece;
      k -= piece;
      out += stride;
      within = 0;
    }
  }
}

/** Floats that PackColumnA may write behind a panel: the buffer must be that much longer. */
constexpr int kSlackA = kLanes;

/** One column of a kColumnsA panel: `rows` <= kMR neighbours. Columns are packed in ascending order, see kSlackA. */
HWY_INLINE void PackColumnA(const float* from, int rows, float* HWY_RESTRICT to) {
  if constexpr (kMR <= kLanes) {
    hn::StoreU(LoadFirst(from, rows), D(), to);  // a whole vector is faster than a masked one
  } else {
    for (int i = 0; i < rows; i++) to[i] = from[i];
  }
}

/** Packs a kColumnsA panel: `rows` neighbours out of each of k columns that start lda apart. */
static HWY_MAYBE_UNUSED HWY_NOINLINE void PackColumnsA(const float* a, int64_t lda, int64_t k, int rows,
                                                       float* HWY_RESTRICT out) {
  for (int64_t c = 0; c < k; c++, a += lda, out += rows) PackColumnA(a, rows, out);
}

/** A packed right operand: panels of full depth, `panelStride` floats apart, read from k0 on. */
struct PackedB {
  const float* panels;
  int64_t panelStride;
  int64_t k0;
};

/** Deals a fetch list out to a number of tiles. */
class FetchShares {
 public:
  FetchShares(FetchList list, int64_t tiles) : rest_(list), share_(list.count / static_cast<int>(tiles) + 1) {}

  FetchList next() {
    const FetchList share{rest_.lines, std::min(share_, rest_.count)};
    rest_.lines += share.count;
    rest_.count -= share.count;
    return share;
  }

 private:
  FetchList rest_;
  int share_;
};

/**
 * Some rows of C from one A panel of `count` rows and all B panels of `columns` columns: the A panel stays in L1 and
 * B streams in from L2. cRows[i] is where row i of C starts; beta and bias as in Tile.
 */
template <ALayout layout>
HWY_INLINE void MultiplyRowPanel(const float* a, int count, const PackedB& b, int64_t k, float* const* cRows,
                                 int64_t columns, float beta, const float* bias, FetchList fetch) {
  float* rows[kMR];
  Tile tile{a, a, nullptr, 0, k, rows, 0, beta, nullptr, {}};
  FetchShares shares(fetch, (columns + kNR - 1) / kNR);
  for (int64_t j = 0; j < columns; j += kNR) {
    tile.fetch = shares.next();
    tile.columns = static_cast<int>(std::min<int64_t>(kNR, columns - j));
    tile.strideB = PanelWidth(tile.columns);
    tile.b = b.panels + j / kNR * b.panelStride + b.k0 * tile.strideB;
    tile.bias = bias == nullptr ? nullptr : bias + j;
    for (int i = 0; i < count; i++) rows[i] = cRows[i] + j;
    TileKernelFor<layout>(count, static_cast<int>(tile.strideB) / kLanes)(tile);
  }
}

/**
 * Some columns of C from all A panels of `rows` rows (panels of PanelRows(rows), one after another) and one B panel,
 * which stays in L1 while A streams in from L2. cRows[i] + column0 is where row i of the panel's columns starts.
 */
template <ALayout layout>
HWY_INLINE void MultiplyColumnPanel(const float* a, int64_t rows, const float* b, int columns, int64_t k,
                                    float* const* cRows, int64_t column0, float beta, const float* bias,
                                    FetchList fetch) {
  const int panelRows = PanelRows(rows), vectors = PanelWidth(columns) / kLanes;
  const int64_t panelStride = PanelStrideA<layout>(panelRows, k);
  float* tileRows[kMR];
  Tile tile{a, a, b, PanelWidth(columns), k, tileRows, columns, beta, bias, {}};
  FetchShares shares(fetch, (rows + panelRows - 1) / panelRows);
  for (int64_t i = 0; i < rows; i += panelRows, tile.a += panelStride) {
    tile.fetch = shares.next();
    const int count = static_cast<int>(std::min<int64_t>(panelRows, rows - i));
    tile.nextA = i + panelRows < rows ? tile.a + panelStride : a;
    for (int r = 0; r < count; r++) tileRows[r] = cRows[i + r] + column0;
    TileKernelFor<layout>(count, vectors)(tile);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
