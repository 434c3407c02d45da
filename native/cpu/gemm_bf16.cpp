// Products of bf16 matrices: on AMX where it is there (gemm_amx.cpp), otherwise the operands are widened to float32 once
// and the vector kernels do the rest. See gemm.h.
#include <algorithm>

#include "cpu/gemm.h"
#include "cpu/gemm_amx.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

namespace gv::cpu {
namespace {

constexpr int64_t kGrain = 16384;
constexpr int64_t kSerialWork = int64_t{1} << 18;

/** rows x columns, compact. */
void widenMatrix(const ops::BF16* from, int64_t ld, int64_t rows, int64_t columns, float* to) {
  parallelRange(rows, kGrain / std::max<int64_t>(columns, 1), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for (int64_t j = 0; j < columns; j++) to[i * columns + j] = ops::fromBF16(from[i * ld + j]);
    }
  });
}

void widenAndMultiply(const GemmBF16Args& g) {
  const int64_t rowsA = g.transA ? g.k : g.m, columnsA = g.transA ? g.m : g.k;
  const int64_t rowsB = g.transB ? g.n : g.k, columnsB = g.transB ? g.k : g.n;
  float* const a = scratch(kScratchWide, g.m * g.k + g.k * g.n + (g.cRounded == nullptr ? 0 : g.m * g.n));
  float* const b = a + g.m * g.k;
  float* const c = g.cRounded == nullptr ? g.c : b + g.k * g.n;
  const int64_t ldc = g.cRounded == nullptr ? g.ldc : g.n;
  widenMatrix(g.a, g.lda, rowsA, columnsA, a);
  widenMatrix(g.b, g.ldb, rowsB, columnsB, b);
  gemmVector({g.transA, g.transB, g.m, g.n, g.k, a, columnsA, b, columnsB, c, ldc, g.beta, g.bias,
              g.finish});
  if (g.cRounded == nullptr) return;
  parallelRange(g.m, kGrain / g.n, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for (int64_t j = 0; j < g.n; j++) g.cRounded[i * g.ldc + j] = ops::toBF16(c[i * g.n + j]);
    }
  });
}

}  // namespace

void gemmBF16(const GemmBF16Args& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k > 0 && gemmAmxPaysBF16(g.m, g.n, g.k)) return gemmAmx(g);
  widenAndMultiply(g);
}

void gemmBF16Batched(const GemmBF16Args& args, int64_t batch, int64_t strideA, int64_t strideB, int64_t strideC) {
  // Small products are shared out whole (a product runs inline inside a region); large ones one after another.
  const int64_t work = args.m * args.n * std::max<int64_t>(args.k, 1);
  const auto one = [&](int64_t i) {
    GemmBF16Args g = args;
    g.a += i * strideA;
    g.b += i * strideB;
    if (g.c != nullptr) g.c += i * strideC;
    if (g.cRounded != nullptr) g.cRounded += i * strideC;
    gemmBF16(g);
  };
  if (batch < 2 * threadCount() && work > kSerialWork) {
    for (int64_t i = 0; i < batch; i++) one(i);
    return;
  }
  parallelRange(batch, std::max<int64_t>(1, kSerialWork / std::max<int64_t>(work, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) one(i);
  });
}

}  // namespace gv::cpu
