// Matrix products: blocking, packing and threads around the register kernel of gemm-inl.h; see gemm.h.
//
// Three ways, chosen by shape: a matrix-vector product reads the matrix once and packs nothing; up to kFewRows rows,
// a task takes columns and packs its part of B; beyond, B is packed once for all and a task takes rows. Either way
// the operand a task reads once is packed a panel at a time, into L1, right before it is used.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/epilogue.h"
#include "cpu/gemm_amx.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gemm.cpp"
#include "cpu/simd.h"

#include "cpu/gemm-inl.h"

#ifndef GV_CPU_GEMM_CPP
#define GV_CPU_GEMM_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kFewRows = 192;
constexpr int64_t kBlockDepth = 320;  // a B panel of this depth fits in L1

/** The depth is cut into equal blocks, multiples of 16; it fixes the order of every sum. */
int64_t blockDepth(int64_t k) {
  const int64_t blocks = (k + kBlockDepth - 1) / kBlockDepth;
  return ((k + blocks - 1) / blocks + 15) / 16 * 16;
}

/** A range of rows and columns of C. */
struct Block {
  int64_t m0, m1, n0, n1;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

int64_t GemmColumnStep() { return kNR; }

int64_t GemmPackedFloats(int64_t k, int64_t n) { return PackedFloatsB(k, n); }

static void GemmPackPanel(const GemmArgs& g, int64_t k0, int64_t k, int64_t n0, int64_t columns, float* out) {
  if (g.transB) {
    PackPanelTransposedB(g.b + n0 * g.ldb + k0, g.ldb, k, columns, out);
  } else {
    PackPanelB(g.b + k0 * g.ldb + n0, g.ldb, k, columns, out);
  }
}

/** Packs panel `panel` of the columns that begin at n0 and end at n1, over the full depth. */
void GemmPackB(const GemmArgs& g, int64_t n0, int64_t n1, int64_t panel, float* packed) {
  const int64_t begin = n0 + panel * kNR;
  GemmPackPanel(g, 0, g.k, begin, std::min<int64_t>(kNR, n1 - begin), packed + panel * PanelStrideB(g.k));
}

/** Packs rows [m, m + rows) of op(a), columns [k0, k0 + k), as one A panel. */
static void GemmPackA(const GemmArgs& g, int64_t m, int rows, int64_t k0, int64_t k, float* out) {
  if (g.transA) return PackColumnsA(g.a + k0 * g.lda + m, g.lda, k, rows, out);
  for (int r = 0; r < rows; r++) PackRowA(g.a + (m + r) * g.lda + k0, k, rows, 0, out + r * kBlockK);
}

constexpr int kMaxFetch = 1024;

/** Appends the lines of `rows` rows of `columns` floats to a fetch list. */
static FetchList FetchRows(const float* first, int64_t ld, int64_t rows, int64_t columns, const float** lines) {
  int count = 0;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns && count < kMaxFetch; c += 2 * kBlockK) lines[count++] = first + r * ld + c;
  }
  return {lines, count};
}

/** A block of rows of C. `packedB` holds the panels of its columns, over the full depth. */
void GemmRows(const GemmArgs& g, const Block& block, const float* packedB) {
  const int64_t depth = blockDepth(g.k), columns = block.n1 - block.n0;
  const int panelRows = PanelRows(block.m1 - block.m0);
  float* const packedA = scratch(kScratchPackA, PanelStrideA<kRowsA>(panelRows, depth) + kSlackA);
  const float* lines[kMaxFetch];
  for (int64_t k0 = 0; k0 < g.k; k0 += depth) {
    const int64_t k = std::min(depth, g.k - k0);
    const PackedB b{packedB, PanelStrideB(g.k), k0};
    const float beta = k0 == 0 ? g.beta : 1.0f;
    const float* bias = k0 == 0 && g.bias != nullptr ? g.bias + block.n0 : nullptr;
    for (int64_t m = block.m0; m < block.m1; m += panelRows) {
      const int rows = static_cast<int>(std::min<int64_t>(panelRows, block.m1 - m));
      float* cRows[kMR];
      for (int r = 0; r < rows; r++) cRows[r] = g.c + (m + r) * g.ldc + block.n0;
      GemmPackA(g, m, rows, k0, k, packedA);
      const int64_t next = m + rows, nextRows = std::min<int64_t>(panelRows, block.m1 - next);
      if (g.transA) {
        const FetchList fetch = FetchRows(g.a + k0 * g.lda + next, g.lda, nextRows > 0 ? k : 0, nextRows, lines);
        MultiplyRowPanel<kColumnsA>(packedA, rows, b, k, cRows, columns, beta, bias, fetch);
      } else {
        const FetchList fetch = FetchRows(g.a + next * g.lda + k0, g.lda, nextRows, k, lines);
        MultiplyRowPanel<kRowsA>(packedA, rows, b, k, cRows, columns, beta, bias, fetch);
      }
    }
  }
}

/** Columns [n0, n1) of C, all rows (at most kFewRows). */
void GemmColumns(const GemmArgs& g, int64_t n0, int64_t n1) {
  const int64_t depth = blockDepth(g.k);
  const int panelRows = PanelRows(g.m);
  float* cRows[kFewRows];
  for (int64_t i = 0; i < g.m; i++) cRows[i] = g.c + i * g.ldc;
  float* const packedA = scratch(kScratchPackA, g.m * depth + kSlackA);
  float* const packedB = scratch(kScratchPackB, PanelStrideB(depth));
  const float* lines[kMaxFetch];
  for (int64_t k0 = 0; k0 < g.k; k0 += depth) {
    const int64_t k = std::min(depth, g.k - k0);
    const float beta = k0 == 0 ? g.beta : 1.0f;
    float* out = packedA;
    for (int64_t m = 0; m < g.m; m += panelRows) {
      GemmPackA(g, m, static_cast<int>(std::min<int64_t>(panelRows, g.m - m)), k0, k, out);
      out += g.transA ? PanelStrideA<kColumnsA>(panelRows, k) : PanelStrideA<kRowsA>(panelRows, k);
    }
    for (int64_t n = n0; n < n1; n += kNR) {
      const int columns = static_cast<int>(std::min<int64_t>(kNR, n1 - n));
      const float* bias = k0 == 0 && g.bias != nullptr ? g.bias + n : nullptr;
      // A single panel of rows would use each packed number of B once: B is then read where it lies.
      if (g.m <= kMR && !g.transB && columns == kNR) {
        float* rows[kMR];
        for (int64_t i = 0; i < g.m; i++) rows[i] = cRows[i] + n;
        const int count = static_cast<int>(g.m);
        const TileFunction kernel = g.transA ? TileKernelFor<kColumnsA>(count, 2) : TileKernelFor<kRowsA>(count, 2);
        kernel({packedA, packedA, g.b + k0 * g.ldb + n, g.ldb, k, rows, kNR, beta, bias, {}});
        continue;
      }
      GemmPackPanel(g, k0, k, n, columns, packedB);
      const int64_t next = n + columns, nextColumns = std::min<int64_t>(kNR, n1 - next);
      const FetchList fetch =
          g.transB ? FetchRows(g.b + next * g.ldb + k0, g.ldb, nextColumns, k, lines)
                   : FetchRows(g.b + k0 * g.ldb + next, g.ldb, nextColumns > 0 ? k : 0, nextColumns, lines);
      if (g.transA) {
        MultiplyColumnPanel<kColumnsA>(packedA, g.m, packedB, columns, k, cRows, n, beta, bias, fetch);
      } else {
        MultiplyColumnPanel<kRowsA>(packedA, g.m, packedB, columns, k, cRows, n, beta, bias, fetch);
      }
    }
  }
}

/** sums[i] = matrix row i . vector, for `rows` rows of length k that start ld apart. */
void GemmDots(const float* matrix, int64_t ld, const float* vector, int64_t rows, int64_t k, float* sums) {
  const D d;
  int64_t i = 0;
  for (; i < rows; i += 4) {
    const int count = static_cast<int>(std::min<int64_t>(4, rows - i));
    const float* row[4];
    for (int r = 0; r < 4; r++) row[r] = matrix + (i + std::min(r, count - 1)) * ld;
    V sum[8];
    for (V& s : sum) s = hn::Zero(d);
    int64_t c = 0;
    for (; c + 2 * kLanes <= k; c += 2 * kLanes) {
      const V v0 = hn::LoadU(d, vector + c), v1 = hn::LoadU(d, vector + c + kLanes);
      for (int r = 0; r < 4; r++) {
        sum[r] = hn::MulAdd(hn::LoadU(d, row[r] + c), v0, sum[r]);
        sum[r + 4] = hn::MulAdd(hn::LoadU(d, row[r] + c + kLanes), v1, sum[r + 4]);
      }
    }
    for (; c < k; c += kLanes) {
      const int64_t rest = std::min<int64_t>(kLanes, k - c);
      const V v = LoadFirst(vector + c, rest);
      for (int r = 0; r < 4; r++) sum[r] = hn::MulAdd(LoadFirst(row[r] + c, rest), v, sum[r]);
    }
    float out[4];
    SumLanes4(hn::Add(sum[0], sum[4]), hn::Add(sum[1], sum[5]), hn::Add(sum[2], sum[6]), hn::Add(sum[3], sum[7]), out);
    for (int r = 0; r < count; r++) sums[i + r] = out[r];
  }
}

/** sums[j] = the sum over k of vector[k] * matrix[k][j], for `columns` columns of rows that start ld apart. */
void GemmCombine(const float* matrix, int64_t ld, const float* vector, int64_t columns, int64_t k, float* sums) {
  const D d;
  int64_t j = 0;
  for (; j + 8 * kLanes <= columns; j += 8 * kLanes) {
    V sum[8];
    for (V& s : sum) s = hn::Zero(d);
    const float* row = matrix + j;
    for (int64_t r = 0; r < k; r++, row += ld) {
      const V v = hn::Set(d, vector[r]);
      for (int i = 0; i < 8; i++) sum[i] = hn::MulAdd(hn::LoadU(d, row + i * kLanes), v, sum[i]);
    }
    for (int i = 0; i < 8; i++) hn::StoreU(sum[i], d, sums + j + i * kLanes);
  }
  for (; j < columns; j += kLanes) {
    const int64_t rest = std::min<int64_t>(kLanes, columns - j);
    V sum = hn::Zero(d);
    for (int64_t r = 0; r < k; r++) sum = hn::MulAdd(LoadFirst(matrix + r * ld + j, rest), hn::Set(d, vector[r]), sum);
    StoreFirst(sum, sums + j, rest);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(GemmColumnStep);
HWY_EXPORT(GemmPackedFloats);
HWY_EXPORT(GemmPackB);
HWY_EXPORT(GemmRows);
HWY_EXPORT(GemmColumns);
HWY_EXPORT(GemmDots);
HWY_EXPORT(GemmCombine);

namespace {

// Below this many multiply-adds (about 10 us of one core) waking the other threads costs more than they bring.
constexpr int64_t kSerialWork = 1 << 18;
constexpr int64_t kMaxSharedB = int64_t{1} << 23;  // floats of B packed at a time
constexpr int64_t kTaskRows = 512;
constexpr int64_t kTaskColumns = 512;              // columns of a task; their panels of one depth block stay in L2

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** What follows the sums, over a block of c that is done. */
void finishBlock(const GemmArgs& g, const Block& block) {
  if (g.finish == nullptr) return;
  finishRows(*g.finish, g.c + block.m0 * g.ldc + block.n0, block.m1 - block.m0, g.ldc, block.n1 - block.n0);
}

/** c = beta * c + bias: what is left of a product of depth 0. */
void scaleOnly(const GemmArgs& g) {
  for (int64_t i = 0; i < g.m; i++) {
    float* row = g.c + i * g.ldc;
    for (int64_t j = 0; j < g.n; j++) {
      row[j] = (g.beta == 0.0f ? 0.0f : g.beta * row[j]) + (g.bias == nullptr ? 0.0f : g.bias[j]);
    }
  }
  finishBlock(g, {0, g.m, 0, g.n});
}

/** m = 1 or n = 1: the sums land in scratch memory first, c may have any stride. */
void matrixVector(const GemmArgs& g) {
  const bool row = g.m == 1;  // c is a row: c^T = op(b)^T a^T; otherwise a column: c = op(a) b
  const float* matrix = row ? g.b : g.a;
  const int64_t ld = row ? g.ldb : g.lda, length = row ? g.n : g.m;
  const bool dots = row ? g.transB : !g.transA;
  const float* vector = row ? g.a : g.b;
  const int64_t vectorStride = row ? (g.transA ? g.lda : 1) : (g.transB ? 1 : g.ldb);
  float* sums = scratch(kScratchPackA, length + g.k);
  if (vectorStride != 1) {
    float* copy = sums + length;
    for (int64_t i = 0; i < g.k; i++) copy[i] = vector[i * vectorStride];
    vector = copy;
  }
  const auto kernel = dots ? HWY_DYNAMIC_DISPATCH(GemmDots) : HWY_DYNAMIC_DISPATCH(GemmCombine);
  const int64_t grain = std::max<int64_t>(divideUp(kSerialWork, std::max<int64_t>(g.k, 1)), dots ? 4 : 128);
  parallelRange(length, grain, [&](int64_t begin, int64_t end) {
    kernel(matrix + (dots ? begin * ld : begin), ld, vector, end - begin, g.k, sums + begin);
  });
  const int64_t stride = row ? 1 : g.ldc;
  for (int64_t i = 0; i < length; i++) {
    float* c = g.c + i * stride;
    const float bias = g.bias == nullptr ? 0.0f : g.bias[row ? i : 0];
    *c = (g.beta == 0.0f ? 0.0f : g.beta * *c) + sums[i] + bias;
  }
  finishBlock(g, {0, g.m, 0, g.n});
}

/** All rows at once; a task takes some columns. */
void fewRows(const GemmArgs& g) {
  const auto columns = HWY_DYNAMIC_DISPATCH(GemmColumns);
  const int64_t step = HWY_DYNAMIC_DISPATCH(GemmColumnStep)(), panels = divideUp(g.n, step);
  // Each task packs all of A, so there are few of them: one per thread, twice as many when they are long.
  const int64_t work = g.m * g.n * g.k;
  const int64_t tasks = work <= kSerialWork ? 1 : threadCount() * (work / threadCount() > 16 * kSerialWork ? 2 : 1);
  const int64_t width = divideUp(panels, tasks) * step;
  parallelRange(g.n, width, [&](int64_t begin, int64_t end) {
    columns(g, begin, end);
    finishBlock(g, {0, g.m, begin, end});
  });
}

/** B packed once, as many columns at a time as kMaxSharedB allows; a task takes a block of rows and of columns. */
void manyRows(const GemmArgs& g) {
  const auto rowsOfC = HWY_DYNAMIC_DISPATCH(GemmRows);
  const auto pack = HWY_DYNAMIC_DISPATCH(GemmPackB);
  const int64_t step = HWY_DYNAMIC_DISPATCH(GemmColumnStep)();
  const int64_t panelFloats = HWY_DYNAMIC_DISPATCH(GemmPackedFloats)(g.k, step);
  const int64_t slab = std::max(step, kMaxSharedB / g.k / step * step);
  // Long tasks, as each streams all of B through its L2; a multiple of the threads, so that they finish together.
  const int64_t rowBlocks = divideUp(divideUp(g.m, kTaskRows), threadCount()) * threadCount();
  const int64_t rows = std::max<int64_t>(divideUp(g.m, rowBlocks), 24);
  for (int64_t n0 = 0; n0 < g.n; n0 += slab) {
    const int64_t n1 = std::min(g.n, n0 + slab), panels = divideUp(n1 - n0, step);
    float* packed = scratch(kScratchPackB, HWY_DYNAMIC_DISPATCH(GemmPackedFloats)(g.k, n1 - n0));
    parallelFor(panels, [&](int64_t panel) { pack(g, n0, n1, panel, packed); });
    const int64_t groups = divideUp(panels * step, kTaskColumns), groupPanels = divideUp(panels, groups);
    parallelFor(divideUp(g.m, rows) * groups, [&](int64_t index) {
      const int64_t firstPanel = index % groups * groupPanels, m0 = index / groups * rows;
      const int64_t begin = n0 + firstPanel * step;
      const Block task{m0, std::min(g.m, m0 + rows), begin, std::min(n1, begin + groupPanels * step)};
      rowsOfC(g, task, packed + firstPanel * panelFloats);
      finishBlock(g, task);
    });
  }
}

}  // namespace

void gemm(const GemmArgs& g) {
  if (g.m > 0 && g.n > 0 && g.k > 0 && gemmAmxPays(g.m, g.n, g.k)) return gemmAmx(g);
  gemmVector(g);
}

void gemmVector(const GemmArgs& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return scaleOnly(g);
  if (g.m == 1 || g.n == 1) return matrixVector(g);
  if (g.m <= kFewRows) return fewRows(g);
  manyRows(g);
}

void gemmBatched(const GemmArgs& args, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC) {
  const auto one = [&](int64_t i) {
    GemmArgs g = args;
    g.a += i * strideA;
    g.b += i * strideB;
    g.c += i * strideC;
    gemm(g);
  };
  // Small products are shared out whole (gemm runs inline inside a region); large ones one after another.
  const int64_t work = args.m * args.n * std::max<int64_t>(args.k, 1);
  if (batch >= 2 * threadCount() || work <= kSerialWork) {
    const int64_t grain = std::max<int64_t>(1, kSerialWork / std::max<int64_t>(work, 1));
    parallelRange(batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) one(i);
    });
  } else {
    for (int64_t i = 0; i < batch; i++) one(i);
  }
}

}  // namespace gv::cpu
#endif
