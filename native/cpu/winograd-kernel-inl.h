// The register kernels of the Winograd convolutions: small matrix products on the private buffers.
// Per target, header only. All operands lie in blocks of kBlock = two vectors of channels, [position][kBlock]; a
// result vector past the valid channels is left out, so the pass with few channels costs half.
#if defined(GV_CPU_WINOGRAD_KERNEL_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_KERNEL_INL_H
#undef GV_CPU_WINOGRAD_KERNEL_INL_H
#else
#define GV_CPU_WINOGRAD_KERNEL_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/simd-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

constexpr int kBlock = 2 * kLanes;

// Rows of a register tile: with two vectors of sums per row, as many as the register file carries.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kPanelRows = 12;
#elif HWY_TARGET == HWY_SCALAR
constexpr int kPanelRows = 4;
#else
constexpr int kPanelRows = 6;
#endif

/** c[row][0 .. NV vectors) = (or +=) the sum over blocks b and channels k < depths[b] of a[row][k] u[k][..]. */
struct TilesTimesWeights {
  const float* a;  // block b: [row][kBlock] at a + b * strideA
  int64_t strideA;
  const float* u;  // block b: [k][kBlock] at u + b * kBlock * kBlock
  const int* depths;
  int blocks;
  bool accumulate;
  float* c;  // [row][kBlock]
};

template <int Rows, int NV>
void TilesTimesWeightsKernel(const TilesTimesWeights& p) {
  const D d;
  V sum0[Rows], sum1[Rows];
  if (p.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) {
      sum0[i] = hn::Load(d, p.c + i * kBlock);
      if (NV == 2) sum1[i] = hn::Load(d, p.c + i * kBlock + kLanes);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) sum0[i] = sum1[i] = hn::Zero(d);
  }
  for (int b = 0; b < p.blocks; b++) {
    const float* HWY_RESTRICT a = p.a + b * p.strideA;
    const float* HWY_RESTRICT u = p.u + b * kBlock * kBlock;
    for (int k = 0; k < p.depths[b]; k++, u += kBlock) {
      // The next panel's rows follow these; without this the kernel waits for the second-level cache.
      hwy::Prefetch(a + Rows * kBlock + k * Rows);
      const V u0 = hn::Load(d, u);
      const V u1 = NV == 2 ? hn::Load(d, u + kLanes) : u0;
#pragma GCC unroll 16
      for (int i = 0; i < Rows; i++) {
        const V ai = hn::Set(d, a[i * kBlock + k]);
        sum0[i] = hn::MulAdd(ai, u0, sum0[i]);
        if (NV == 2) sum1[i] = hn::MulAdd(ai, u1, sum1[i]);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; i++) {
    hn::Store(sum0[i], d, p.c + i * kBlock);
    if (NV == 2) hn::Store(sum1[i], d, p.c + i * kBlock + kLanes);
  }
}

/** c[row][0 .. NV vectors) = (or +=) the sum over t < tiles of a[t][row] b[t][..]: what a weight gradient is made of. */
struct TilesTimesTiles {
  const float* a;  // [t][kBlock], from the first row of the register tile on
  const float* b;  // [t][kBlock]
  int64_t tiles;
  const float *nextA, *nextB;  // fetched meanwhile: half a block per tile
  float* c;           // [row][kBlock]
  bool accumulate = false;
};

template <int Rows, int NV>
void TilesTimesTilesKernel(const TilesTimesTiles& p) {
  const D d;
  V sum0[Rows], sum1[Rows];
  if (p.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) {
      sum0[i] = hn::Load(d, p.c + i * kBlock);
      if (NV == 2) sum1[i] = hn::Load(d, p.c + i * kBlock + kLanes);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) sum0[i] = sum1[i] = hn::Zero(d);
  }
  const float* HWY_RESTRICT a = p.a;
  const float* HWY_RESTRICT b = p.b;
  for (int64_t t = 0; t < p.tiles; t++, a += kBlock, b += kBlock) {
    hwy::Prefetch(p.nextA + t * kLanes);
    hwy::Prefetch(p.nextB + t * kLanes);
    const V b0 = hn::Load(d, b);
    const V b1 = NV == 2 ? hn::Load(d, b + kLanes) : b0;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; i++) {
      const V ai = hn::Set(d, a[i]);
      sum0[i] = hn::MulAdd(ai, b0, sum0[i]);
      if (NV == 2) sum1[i] = hn::MulAdd(ai, b1, sum1[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; i++) {
    hn::Store(sum0[i], d, p.c + i * kBlock);
    if (NV == 2) hn::Store(sum1[i], d, p.c + i * kBlock + kLanes);
  }
}

/** Rows per register tile: as equal as can be, so that the last one is not nearly empty. */
HWY_INLINE int64_t EvenPanelRows(int64_t rows) {
  const int64_t panels = (rows + kPanelRows - 1) / kPanelRows;
  return (rows + panels - 1) / panels;
}

using TilesTimesWeightsFunction = void (*)(const TilesTimesWeights&);
using TilesTimesTilesFunction = void (*)(const TilesTimesTiles&);

template <int Rows = kPanelRows>
HWY_INLINE TilesTimesWeightsFunction TilesTimesWeightsFor(int64_t rows, int64_t columns) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return TilesTimesWeightsFor<Rows - 1>(rows, columns);
  }
  return columns > kLanes ? &TilesTimesWeightsKernel<Rows, 2> : &TilesTimesWeightsKernel<Rows, 1>;
}

template <int Rows = kPanelRows>
HWY_INLINE TilesTimesTilesFunction TilesTimesTilesFor(int64_t rows, int64_t columns) {
  if constexpr (Rows > 1) {
    if (rows < Rows) return TilesTimesTilesFor<Rows - 1>(rows, columns);
  }
  return columns > kLanes ? &TilesTimesTilesKernel<Rows, 2> : &TilesTimesTilesKernel<Rows, 1>;
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
