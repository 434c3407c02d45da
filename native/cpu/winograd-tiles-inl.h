// Tiles of images for the Winograd convolutions: where their pixels lie, and their way into the private buffers.
// Per target, header only.
//
// A buffer holds blocks of kBlock channels; a block holds N^2 planes [tile][kBlock], `plane` floats apart, one per
// product of a tile: each plane is an operand of a matrix product. Pixels outside the image are read from a row of
// zeros and written to a row that nobody reads, so that the transforms have no border cases.
#if defined(GV_CPU_WINOGRAD_TILES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_TILES_INL_H
#undef GV_CPU_WINOGRAD_TILES_INL_H
#else
#define GV_CPU_WINOGRAD_TILES_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/lanes-inl.h"
#include "cpu/winograd-kernel-inl.h"
#include "cpu/winograd-transform-inl.h"
#include "cpu/winograd_plan.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Floats between the planes of a group's tiles: an odd number of rows keeps planes off one another's cache sets. */
HWY_INLINE int64_t TilePlane(const WinogradPlan& plan) { return (plan.groupTiles() | 1) * kBlock; }

/** Where a tile lies: the numbers of its image, row and column. */
struct TilePlace {
  int64_t image, row, column;
};

/**
 * Calls use(t, place, pixels, later) for each tile t = 0, 1, ... of the group, where find(place, pixels) has filled in
 * its kPixels pointers, and `later` are those of the second tile after it (near the end, of an earlier one).
 */
template <int kPixels, class T, class Find, class Use>
HWY_INLINE void ForEachTile(const WinogradPlan& plan, const TileGroup& group, const Find& find, const Use& use) {
  constexpr int64_t kAhead = 2;
  T* ring[kAhead + 1][kPixels];
  const int64_t tiles = group.images * group.rows * plan.tilesW;
  const TilePlace first{group.image, group.row, 0};
  TilePlace place = first, lead = first;
  const auto advance = [&](TilePlace& p) {
    if (++p.column < plan.tilesW) return;
    p.column = 0;
    if (++p.row < group.row + group.rows) return;
    p.row = group.row;
    p.image++;
  };
  for (int64_t t = -kAhead; t < tiles; t++) {
    T** const later = ring[(t + kAhead) % (kAhead + 1)];
    if (t + kAhead < tiles) {
      find(lead, later);
      advance(lead);
    }
    if (t < 0) continue;
    T** const pixels = ring[t % (kAhead + 1)];
    use(t, place, pixels, tiles > kAhead ? later : pixels);
    advance(place);
  }
}

/** pixels[i][j] = first + i * rowStep + j * columnStep. */
template <int N, class T>
HWY_INLINE void FillGrid(T* first, int64_t rowStep, int64_t columnStep, T** pixels) {
  for (int i = 0; i < N; i++, first += rowStep) {
    for (int j = 0; j < N; j++) pixels[i * N + j] = first + j * columnStep;
  }
}

/** The M x M pixels of a tile of the result side; T is float or const float. */
template <int M, class T>
HWY_INLINE void FindResultPixels(const ConvShape& s, const TilePlace& tile, T* results, T* outside, T** pixels) {
  const int64_t y0 = tile.row * M, x0 = tile.column * M;
  if (y0 + M <= s.oh && x0 + M <= s.ow) {
    FillGrid<M>(results + ((tile.image * s.oh + y0) * s.ow + x0) * s.k, s.ow * s.k, s.k, pixels);
    return;
  }
  for (int i = 0; i < M; i++) {
    const int64_t y = y0 + i;
    T* row = results + (tile.image * s.oh + y) * s.ow * s.k;
    for (int j = 0; j < M; j++) {
      const int64_t x = x0 + j;
      pixels[i * M + j] = y < s.oh && x < s.ow ? row + x * s.k : outside;
    }
  }
}

/**
 * The N x N pixels of a tile of one phase of the image side. Its first `detached` rows lie at `elsewhere` instead,
 * which begins with the image row that the tile begins with in phase 0.
 */
template <int M, int N, class T>
HWY_INLINE void FindImagePixels(const WinogradPlan& plan, const TilePlace& tile, int64_t phase, T* images, T* outside,
                                int detached, T* elsewhere, T** pixels) {
  const ConvShape& s = plan.shape;
  const int64_t phaseY = phase / plan.stride, phaseX = phase % plan.stride;
  const int64_t y0 = tile.row * M * plan.stride + phaseY - s.padTop;
  const int64_t x0 = tile.column * M * plan.stride + phaseX - s.padLeft, reach = (N - 1) * plan.stride;
  if (y0 >= 0 && y0 + reach < s.h && x0 >= 0 && x0 + reach < s.w && detached == 0) {
    T* first = images + ((tile.image * s.h + y0) * s.w + x0) * s.c;
    FillGrid<N>(first, plan.stride * s.w * s.c, plan.stride * s.c, pixels);
    return;
  }
  for (int i = 0; i < N; i++) {
    const int64_t y = y0 + i * plan.stride;
    T* row = i < detached ? elsewhere + (i * plan.stride + phaseY) * s.w * s.c
                          : images + (tile.image * s.h + y) * s.w * s.c;
    for (int j = 0; j < N; j++) {
      const int64_t x = x0 + j * plan.stride;
      const bool inside = y >= 0 && y < s.h && x >= 0 && x < s.w;
      pixels[i * N + j] = inside ? row + x * s.c : outside;
    }
  }
}

/** The group's tiles of the image side, transformed: B^T d B. Channel blocks firstBlock to endBlock alone. */
template <int M, int R>
HWY_INLINE void TransformImages(const WinogradPlan& plan, const TileGroup& group, int64_t firstBlock,
                                int64_t endBlock, const float* images, const float* zeros, float* out,
                                int64_t plane) {
  constexpr int N = M + R - 1;
  for (int64_t block = firstBlock, end; block < endBlock; block = end) {
    const int64_t phase = block / plan.phaseBlocks, channel = block % plan.phaseBlocks * kBlock;
    end = std::min(endBlock, (phase + 1) * plan.phaseBlocks);
    const int64_t channels = std::min(plan.shape.c - channel, (end - block) * kBlock);
    float* const planes = out + (block - firstBlock) * N * N * plane;
    ForEachTile<N * N, const float>(
        plan, group,
        [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
          FindImagePixels<M, N, const float>(plan, tile, phase, images, zeros, 0, nullptr, pixels);
        },
        [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
          overLanes(channels, [&](int64_t c, auto access) HWY_ATTR {
            const WritePlanes<N> write{planes + c / kBlock * N * N * plane + t * kBlock + c % kBlock, plane};
            const ReadPixels<N, decltype(access)> read{pixels, later, channel + c, access};
            Transform<Winograd<M, R>::kBT>(read, write);
          });
        });
  }
}

/** The group's tiles of the result side, transformed: A y A^T. All channels. */
template <int M, int R>
HWY_INLINE void TransformResults(const WinogradPlan& plan, const TileGroup& group, const float* results,
                                 const float* zeros, float* out, int64_t plane) {
  constexpr int N = M + R - 1;
  ForEachTile<M * M, const float>(
      plan, group,
      [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
        FindResultPixels<M, const float>(plan.shape, tile, results, zeros, pixels);
      },
      [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
        overLanes(plan.shape.k, [&](int64_t c, auto access) HWY_ATTR {
          const WritePlanes<N> write{out + c / kBlock * N * N * plane + t * kBlock + c % kBlock, plane};
          Transform<Winograd<M, R>::kA>(ReadPixels<M, decltype(access)>{pixels, later, c, access}, write);
        });
      });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
