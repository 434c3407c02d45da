// How a Winograd convolution is cut up: tiles, groups of tiles that one task works on, and blocks of channels.
// Everything here follows from the shape, the tile size and the width of a vector, never from the thread count.
//
// The two sides: the image side is x and dx, seen as stride^2 phases (every stride-th pixel along each axis), the
// result side is y and dy. Tile (i, j) covers results i m .. i m + m - 1 along each axis, and n = m + r - 1 pixels of
// each phase that start at pixel i m of the phase.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/conv.h"

namespace gv::cpu {

/** Some images, or some rows of tiles of one image; its tiles are numbered image by image, row by row. */
struct TileGroup {
  int64_t image, images;
  int64_t row, rows;  // of tiles
};

struct WinogradPlan {
  // Many tiles use a transformed filter more often, few leave the cache to others. The floats are a limit on memory.
  static constexpr int64_t kGroupTiles = 128;
  static constexpr int64_t kGroupFloats = int64_t{1} << 22;

  ConvShape shape;
  int m, r, n;
  int64_t block;  // channels side by side in the private buffers: two vectors

  int64_t stride, phases;
  int64_t tilesH, tilesW;           // of one image
  int64_t phaseBlocks;              // blocks of channels of one phase
  int64_t imageBlocks, resultBlocks;
  int64_t groupImages, groupRows;   // a group's size: whole images, or some rows of tiles of one image
  int64_t groupsPerImage, groups;

  WinogradPlan(ConvPass pass, const ConvShape& s, int m, int64_t block)
      : shape(s), m(m), r(static_cast<int>(divideUp(s.kh, s.strideH))), n(m + r - 1), block(block), stride(s.strideH) {
    phases = stride * stride;
    tilesH = divideUp(s.oh, m);
    tilesW = divideUp(s.ow, m);
    phaseBlocks = divideUp(s.c, block);
    imageBlocks = phases * phaseBlocks;
    resultBlocks = divideUp(s.k, block);
    const int64_t buffered = (pass == ConvPass::InputGrad ? 0 : imageBlocks) +
                             (pass == ConvPass::Forward ? 0 : resultBlocks);
    cut(std::clamp<int64_t>(kGroupFloats / (buffered * n * n * block), kGroupTiles / 4, kGroupTiles));
  }

  /** Sets the size of a group of tiles: `most` tiles, or one row of them. */
  void cut(int64_t most) {
    if (tilesH * tilesW <= most) {
      groupImages = std::min(most / std::max<int64_t>(tilesH * tilesW, 1), shape.n);
      groupRows = tilesH;
      groupsPerImage = 1;
    } else {
      groupImages = 1;
      groupRows = divideUp(tilesH, divideUp(tilesH, std::max<int64_t>(most / tilesW, 1)));
      groupsPerImage = divideUp(tilesH, groupRows);
    }
    groups = shape.n * tilesH * tilesW == 0 ? 0 : divideUp(shape.n, groupImages) * groupsPerImage;
  }

  static int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

  TileGroup group(int64_t index) const {
    const int64_t image = index / groupsPerImage * groupImages, row = index % groupsPerImage * groupRows;
    return {image, std::min(groupImages, shape.n - image), row, std::min(groupRows, tilesH - row)};
  }

  /** Tiles of a whole group; the last group may have fewer. */
  int64_t groupTiles() const { return groupImages * groupRows * tilesW; }

  /** Valid channels of a block; the image side's blocks are those of phase 0, then of phase 1, ... */
  int64_t imageChannels(int64_t b) const { return std::min(block, shape.c - b % phaseBlocks * block); }
  int64_t resultChannels(int64_t b) const { return std::min(block, shape.k - b * block); }

  /** Multiply-adds of the products alone. */
  int64_t work() const { return shape.n * tilesH * tilesW * n * n * phases * shape.c * shape.k; }
};

}  // namespace gv::cpu
