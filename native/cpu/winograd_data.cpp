// Winograd forward pass and input gradient: y = A^T [(G w) .* (B^T x B)] A per tile, and its transpose
// dx = B [(G w) .* (A dy A^T)] B^T, whose N x N tiles overlap and are added up.
//
// A task transforms its own group of tiles into private buffers, multiplies them block by block with filters that
// it transforms on the way, and writes its results: the threads share nothing that is written, which matters more
// than the filters being transformed once per group. See winograd_plan.h for what a group is.
#include <cstring>

#include "cpu/pool.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"
#include "cpu/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_data.cpp"
#include "cpu/simd.h"

#include "cpu/gemm-inl.h"
#include "cpu/winograd-tiles-inl.h"

#ifndef GV_CPU_WINOGRAD_DATA_CPP
#define GV_CPU_WINOGRAD_DATA_CPP
namespace gv::cpu {
namespace {

/** What the tasks of one call share. */
struct DataPass {
  bool toImage;  // the input gradient
  const float* in;
  const float* w;
  const float* bias;  // nullable
  float* out;
  float* seams;   // what a group of rows of tiles adds to the rows of the group above, see seamRows
  int64_t parts;  // a group's destination blocks are shared out among so many tasks
};

/** Pixel rows that two vertically neighbouring groups of tiles share on the image side. */
int64_t seamRows(const WinogradPlan& plan) { return (plan.r - 1) * plan.stride; }

/** Floats of one group's seam. */
int64_t seamFloats(const WinogradPlan& plan) { return seamRows(plan) * plan.shape.w * plan.shape.c; }

constexpr int64_t kDepth = 128;  // channels summed up at once: their filters stay in the second-level cache

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** A task's private buffers. */
struct DataBuffers {
  int64_t plane, filterPlane;  // floats from plane to plane of tiles and products, and of filters
  float* tiles;                // the transformed source tiles, all blocks
  float* products;             // of one destination block
  float* filters;              // transformed, from kDepth source channels to one destination block
  float* stage;                // one block of a filter's taps
  float *zeros, *unread;       // pixels outside the image

  DataBuffers(const WinogradPlan& plan, int64_t planes, int64_t sourceBlocks) {
    plane = TilePlane(plan);
    filterPlane = (kDepth + 1) * kBlock;
    const int64_t channels = std::max(plan.phaseBlocks, plan.resultBlocks) * kBlock;
    const int64_t stageFloats = plan.r * plan.r * kBlock * kBlock;
    tiles = scratch(kScratchConvChunk, (sourceBlocks + 1) * planes * plane + planes * filterPlane + stageFloats +
                                           2 * channels);
    products = tiles + sourceBlocks * planes * plane;
    filters = products + planes * plane;
    stage = filters + planes * filterPlane;
    zeros = stage + stageFloats;
    unread = zeros + channels;
    std::memset(zeros, 0, 2 * channels * sizeof(float));
  }
};

/** Where the R x R taps of a filter start, and how far the next source channel's are. */
template <int R>
struct Taps {
  const float* first[R * R];
  int64_t step[R * R];
};

/**
 * The taps that join one block of the image side with one of the result side. The vectors must lie along the
 * destination: for the input gradient that is how the weights are stored, for the forward pass they are transposed
 * into `stage`. A phase with fewer than R taps along an axis is filled up with zeros.
 */
template <int R, bool toImage>
HWY_INLINE Taps<R> FindTaps(const WinogradPlan& plan, const float* w, int64_t imageBlock, int64_t resultBlock,
                            const DataBuffers& buffers) {
  const ConvShape& s = plan.shape;
  const int64_t phase = imageBlock / plan.phaseBlocks, filter = s.kh * s.kw * s.c;
  const int64_t phaseY = phase / plan.stride, phaseX = phase % plan.stride;
  const float* base = w + resultBlock * kBlock * filter + imageBlock % plan.phaseBlocks * kBlock;
  const int64_t images = plan.imageChannels(imageBlock), results = plan.resultChannels(resultBlock);
  if (!toImage && results < kBlock) std::memset(buffers.stage, 0, R * R * kBlock * kBlock * sizeof(float));
  Taps<R> taps;
  for (int i = 0; i < R * R; i++) {
    const int64_t ky = i / R * plan.stride + phaseY, kx = i % R * plan.stride + phaseX;
    const float* tap = base + (ky * s.kw + kx) * s.c;
    float* staged = buffers.stage + i * kBlock * kBlock;
    if (ky >= s.kh || kx >= s.kw) {
      taps.first[i] = buffers.zeros;
      taps.step[i] = 0;
    } else if (toImage) {
      taps.first[i] = tap;
      taps.step[i] = filter;
    } else {
      // The next block's rows lie beside these, in a page each: no processor fetches them unasked.
      for (int64_t k = 0; k < results; k++) {
        for (int c = 0; c < kBlock; c += 16) hwy::Prefetch(tap + k * filter + kBlock + c);
      }
      TransposeInto(tap, filter, results, images, kBlock, staged);
      taps.first[i] = staged;
      taps.step[i] = kBlock;
    }
  }
  return taps;
}

/** Transforms the filters from `sources` channels to one block of `destinations` channels: G g G^T. */
template <int M, int R>
HWY_INLINE void TransformFilters(const Taps<R>& taps, int64_t sources, int64_t destinations, float* out,
                                 int64_t plane) {
  constexpr int kAhead = 8;
  const float *tap[R * R], *later[R * R];
  for (int i = 0; i < R * R; i++) {
    tap[i] = taps.first[i];
    later[i] = tap[i] + kAhead * taps.step[i];
  }
  for (int64_t k = 0; k < sources; k++, out += kBlock) {
    overLanes(destinations, [&](int64_t c, auto access) HWY_ATTR {
      const ReadPixels<R, decltype(access)> read{tap, later, c, access};
      Transform<Winograd<M, R>::kG>(read, WritePlanes<M + R - 1>{out + c, plane});
    });
    for (int i = 0; i < R * R; i++) {
      tap[i] += taps.step[i];
      later[i] += taps.step[i];
    }
  }
}

/** Transforms a block of products back and writes it to the result side: A^T p A + bias. */
template <int M, int R>
HWY_INLINE void WriteResults(const WinogradPlan& plan, const DataPass& pass, const TileGroup& group, int64_t block,
                             const DataBuffers& buffers) {
  ForEachTile<M * M, float>(
      plan, group,
      [&](const TilePlace& tile, float** pixels) HWY_ATTR {
        FindResultPixels<M, float>(plan.shape, tile, pass.out, buffers.unread, pixels);
      },
      [&](int64_t t, const TilePlace&, float* const* pixels, float* const* later) HWY_ATTR {
        overLanes(plan.resultChannels(block), [&](int64_t c, auto access) HWY_ATTR {
          const int64_t channel = block * kBlock + c;
          const V bias = pass.bias == nullptr ? hn::Zero(D()) : access.load(pass.bias + channel);
          const ReadPlanes<M + R - 1> read{buffers.products + t * kBlock + c, buffers.plane};
          const WritePixels<M, decltype(access)> write{pixels, later, channel, access, bias};
          Transform<Winograd<M, R>::kAT>(read, write);
        });
      });
}

/** Transforms a block of products back and adds up the overlapping tiles of the image side: B p B^T. */
template <int M, int R>
HWY_INLINE void WriteImages(const WinogradPlan& plan, const DataPass& pass, const TileGroup& group, float* seam,
                            int64_t block, const DataBuffers& buffers) {
  constexpr int N = M + R - 1;
  const int64_t phase = block / plan.phaseBlocks;
  ForEachTile<N * N, float>(
      plan, group,
      [&](const TilePlace& tile, float** pixels) HWY_ATTR {
        const int detached = tile.row == group.row && tile.row > 0 ? R - 1 : 0;
        FindImagePixels<M, N, float>(plan, tile, phase, pass.out, buffers.unread, detached, seam, pixels);
      },
      [&](int64_t t, const TilePlace& tile, float* const* pixels, float* const* later) HWY_ATTR {
        overLanes(plan.imageChannels(block), [&](int64_t c, auto access) HWY_ATTR {
          const int64_t channel = block % plan.phaseBlocks * kBlock + c;
          const ReadPlanes<N> read{buffers.products + t * kBlock + c, buffers.plane};
          const AddPixels<N, R - 1, decltype(access)> write{
              pixels, later, channel, access, tile.row > group.row, tile.column > 0};
          Transform<Winograd<M, R>::kB>(read, write);
        });
      });
}

/** The products of a group's tiles for one destination block, kDepth source channels after the other. */
template <int M, int R, bool toImage>
HWY_INLINE void MultiplyBlock(const WinogradPlan& plan, const float* w, int64_t tiles, int64_t block,
                              const DataBuffers& buffers) {
  constexpr int kPlanes = Winograd<M, R>::kPlanes;
  constexpr int kDepthBlocks = kDepth / kBlock;
  const int64_t sourceBlocks = toImage ? plan.resultBlocks : plan.imageBlocks;
  const int64_t channels = toImage ? plan.imageChannels(block) : plan.resultChannels(block);
  const int64_t panelRows = EvenPanelRows(tiles);
  const auto panelKernel = TilesTimesWeightsFor(panelRows, channels);
  for (int64_t source = 0; source < sourceBlocks; source += kDepthBlocks) {
    int depths[kDepthBlocks];
    const int count = static_cast<int>(std::min<int64_t>(kDepthBlocks, sourceBlocks - source));
    for (int b = 0; b < count; b++) {
      const int64_t image = toImage ? block : source + b, result = toImage ? source + b : block;
      depths[b] = static_cast<int>(toImage ? plan.resultChannels(result) : plan.imageChannels(image));
      const Taps<R> taps = FindTaps<R, toImage>(plan, w, image, result, buffers);
      TransformFilters<M, R>(taps, depths[b], channels, buffers.filters + b * kBlock * kBlock, buffers.filterPlane);
    }
    for (int plane = 0; plane < kPlanes; plane++) {
      TilesTimesWeights p{buffers.tiles + (source * kPlanes + plane) * buffers.plane,
                          kPlanes * buffers.plane,
                          buffers.filters + plane * buffers.filterPlane,
                          depths,
                          count,
                          source > 0,
                          buffers.products + plane * buffers.plane};
      for (int64_t t = 0; t < tiles; t += panelRows, p.a += panelRows * kBlock, p.c += panelRows * kBlock) {
        (t + panelRows <= tiles ? panelKernel : TilesTimesWeightsFor(tiles - t, channels))(p);
      }
    }
  }
}

/** Task `task`: one group of tiles, and one part of the destination blocks. */
template <int M, int R, bool toImage>
void DataTask(const WinogradPlan& plan, const DataPass& pass, int64_t task) {
  const int64_t groupIndex = task / pass.parts, part = task % pass.parts;
  const TileGroup group = plan.group(groupIndex);
  const int64_t tiles = group.images * group.rows * plan.tilesW;
  const int64_t sourceBlocks = toImage ? plan.resultBlocks : plan.imageBlocks;
  const int64_t blocks = toImage ? plan.imageBlocks : plan.resultBlocks;
  const DataBuffers buffers(plan, Winograd<M, R>::kPlanes, sourceBlocks);
  float* seam = pass.seams == nullptr ? nullptr : pass.seams + groupIndex * seamFloats(plan);

  if (toImage) {
    TransformResults<M, R>(plan, group, pass.in, buffers.zeros, buffers.tiles, buffers.plane);
  } else {
    TransformImages<M, R>(plan, group, 0, sourceBlocks, pass.in, buffers.zeros, buffers.tiles, buffers.plane);
  }
  for (int64_t block = blocks * part / pass.parts; block < blocks * (part + 1) / pass.parts; block++) {
    MultiplyBlock<M, R, toImage>(plan, pass.w, tiles, block, buffers);
    if (toImage) {
      WriteImages<M, R>(plan, pass, group, seam, block, buffers);
    } else {
      WriteResults<M, R>(plan, pass, group, block, buffers);
    }
  }
}

template <int M, int R>
static void DataTaskOfPass(const WinogradPlan& plan, const DataPass& pass, int64_t task) {
  pass.toImage ? DataTask<M, R, true>(plan, pass, task) : DataTask<M, R, false>(plan, pass, task);
}

void WinogradDataTask(const WinogradPlan& plan, const DataPass& pass, int64_t task) {
  if (plan.m == 4) {
    plan.r == 2 ? DataTaskOfPass<4, 2>(plan, pass, task) : DataTaskOfPass<4, 3>(plan, pass, task);
  } else {
    plan.r == 2 ? DataTaskOfPass<2, 2>(plan, pass, task) : DataTaskOfPass<2, 3>(plan, pass, task);
  }
}

int64_t WinogradBlock() { return kBlock; }

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WinogradDataTask);
HWY_EXPORT(WinogradBlock);

namespace {

// Below this many multiply-adds waking the other threads costs more than they bring.
constexpr int64_t kSerialWork = int64_t{1} << 18;

/** Into how many parts each group's destination is cut, to have a few tasks for each thread. */
int64_t partsFor(const WinogradPlan& plan, int64_t blocks) {
  if (plan.work() <= kSerialWork) return 1;
  const int64_t threads = threadCount();
  int64_t parts = 1;
  // A part repeats the transforms of the source tiles: take no more than the balance needs.
  while (parts < blocks) {
    const int64_t tasks = plan.groups * parts, rounds = WinogradPlan::divideUp(tasks, threads);
    if (tasks * 8 >= rounds * threads * 7) break;
    parts++;
  }
  return parts;
}

void run(const WinogradPlan& plan, DataPass pass) {
  pass.parts = partsFor(plan, pass.toImage ? plan.imageBlocks : plan.resultBlocks);
  const auto task = HWY_DYNAMIC_DISPATCH(WinogradDataTask);
  parallelFor(plan.groups * pass.parts, [&](int64_t index) { task(plan, pass, index); });
}

WinogradPlan planFor(ConvPass pass, const ConvShape& s, WinogradTile tile) {
  return WinogradPlan(pass, s, tile == WinogradTile::Fast ? 4 : 2, HWY_DYNAMIC_DISPATCH(WinogradBlock)());
}

/** Adds each group's seam to the image rows it belongs to, once the group above has written them. */
void addSeams(const WinogradPlan& plan, const float* seams, float* dx) {
  const ConvShape& s = plan.shape;
  const int64_t columns = std::min(s.w, (plan.tilesW * plan.m + plan.r - 1) * plan.stride - s.padLeft);
  parallelFor(plan.groups, [&](int64_t index) {
    const TileGroup group = plan.group(index);
    if (group.row == 0) return;
    for (int64_t i = 0; i < seamRows(plan); i++) {
      const int64_t y = group.row * plan.m * plan.stride + i - s.padTop;
      if (y < 0 || y >= s.h) continue;
      const float* from = seams + index * seamFloats(plan) + i * s.w * s.c;
      float* to = dx + (group.image * s.h + y) * s.w * s.c;
      for (int64_t c = 0; c < columns * s.c; c++) to[c] += from[c];
    }
  });
}

/** Zeroes the pixels below and to the right of the last tiles. */
void clearBeyondTiles(const WinogradPlan& plan, float* dx) {
  const ConvShape& s = plan.shape;
  const auto reach = [&](int64_t tiles, int64_t pad, int64_t size) {
    const int64_t end = tiles == 0 ? 0 : (tiles * plan.m + plan.r - 1) * plan.stride - pad;
    return std::clamp<int64_t>(end, 0, size);
  };
  const int64_t rows = reach(plan.tilesH, s.padTop, s.h), columns = reach(plan.tilesW, s.padLeft, s.w);
  if (rows == s.h && columns == s.w) return;
  for (int64_t y = 0; y < s.n * s.h; y++) {
    const int64_t from = y % s.h < rows ? columns : 0;
    std::fill(dx + (y * s.w + from) * s.c, dx + (y + 1) * s.w * s.c, 0.0f);
  }
}

}  // namespace

bool winogradSupports(ConvPass, const ConvShape& s) {
  const int64_t longest = s.strideH == 1 ? 3 : 6;
  return s.kh == s.kw && s.strideH == s.strideW && (s.strideH == 1 || s.strideH == 2) && s.kh > s.strideH &&
         s.kh <= longest && s.dilationH == 1 && s.dilationW == 1 && s.groups == 1 && s.padTop >= 0 && s.padLeft >= 0 &&
         s.c > 0 && s.k > 0 && HWY_DYNAMIC_DISPATCH(WinogradBlock)() > 2;
}

void winogradForward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y,
                     WinogradTile tile) {
  run(planFor(ConvPass::Forward, s, tile), {false, x, w, bias, y, nullptr, 1});
}

void winogradInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx, WinogradTile tile) {
  const WinogradPlan plan = planFor(ConvPass::InputGrad, s, tile);
  const bool seamed = plan.groupsPerImage > 1;
  float* seams = seamed ? scratch(kScratchPartial, plan.groups * seamFloats(plan)) : nullptr;
  run(plan, {true, dy, w, nullptr, dx, seams, 1});
  if (seamed) addSeams(plan, seams, dx);
  clearBeyondTiles(plan, dx);
}

}  // namespace gv::cpu
#endif
