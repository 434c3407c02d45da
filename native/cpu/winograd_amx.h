// The products of the Winograd convolutions on the matrix unit: one small matrix product per plane of a tile, float32
// numbers cut into three bf16 pieces (see amx-inl.h). Only what multiplies; operands are made in winograd-split-inl.h.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/amx.h"
#include "cpu/winograd_plan.h"

namespace gv::cpu {

// The matrix unit is so fast that the third-level cache cannot feed it (7 of the 16 bytes per cycle that it takes). A
// task keeps the sums of all its destination blocks in the second-level cache, and beside them the tiles and filters
// of so few source channels that they fit as well.
constexpr int64_t kSplitDepth = 64;
constexpr int64_t kSplitSums = int64_t{7} << 15;  // floats
constexpr int64_t kMostSplitBlocks = 64;

inline int64_t splitTiles(const WinogradPlan& plan) { return plan.n > 4 ? 64 : 128; }

/** The most destination blocks of a task. */
inline int64_t splitBlocks(const WinogradPlan& plan) {
  return std::clamp<int64_t>(kSplitSums / (plan.n * plan.n * plan.groupTiles() * plan.block), 1, kMostSplitBlocks);
}

/**
 * Few channels would leave most of a tile of the matrix unit empty, few image tiles not repay the cutting of filters.
 * The 36 planes of F(4 x 4, 3 x 3) are too many for the cache: measured, the vector kernels are as fast.
 */
inline bool splitPaysFor(const WinogradPlan& plan) {
  constexpr int64_t kFewestChannels = 24, kFewestTiles = 48;
  const ConvShape& s = plan.shape;
  return plan.n <= 5 && std::min(s.c, s.k) >= kFewestChannels && s.n * plan.tilesH * plan.tilesW >= kFewestTiles &&
         amxAvailable();
}

// The layout of amx-inl.h in 16-bit words: a step is as deep as 32 numbers, a tile has 16 rows or columns of a step.
constexpr int64_t kSplitTile = 16;
constexpr int64_t kSplitPiece = 512;
constexpr int64_t kSplitTileWords = 3 * kSplitPiece;

/** c[row][0 .. columns) = (or +=) the sum over the steps of a[row][..] b[..][column], for each plane. */
struct SplitProducts {
  const uint16_t* a;               // of the first step: tiles of 16 rows
  int64_t strideA, planeA;         // words to the next step, to the next plane
  const uint16_t* b;               // [step][one or two tiles of columns]
  int64_t planeB;
  int64_t steps, rows;
  int columns;                     // 1 to 32
  int planes;
  bool accumulate;
  float* c;                        // [row][32], with room for whole tiles of rows
  int64_t planeC;
};

/** Runs where amxAvailable() alone. */
void multiplySplit(const SplitProducts& p);

}  // namespace gv::cpu
