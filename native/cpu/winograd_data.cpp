// Winograd forward pass and input gradient: y = A^T [(G w) .* (B^T x B)] A per tile, and its transpose
// dx = B [(G w) .* (A dy A^T)] B^T, whose N x N tiles overlap and are added up.
//
// A task transforms its own group of tiles into private buffers, multiplies them block by block with filters that
// it transforms on the way, and writes its results: the threads share nothing that is written, which matters more
// than the filters being transformed once per group. See winograd_plan.h for what a group is.
// With the matrix unit a task goes through a few source blocks at a time instead: see winograd_amx.h.
#include <cstring>

#include "cpu/pool.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"
#include "cpu/winograd_amx.h"
#include "cpu/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_data.cpp"
#include "cpu/simd.h"

#include "cpu/winograd-filters-inl.h"
#include "cpu/winograd-split-inl.h"
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
  bool split;     // multiplied by the matrix unit
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
  int64_t tilePlane, filterPlane, plane;  // floats from plane to plane of tiles, filters and products
  float* tiles;                           // the transformed source tiles
  float* products;                        // of one destination block, or several
  float* filters;                         // transformed, from some source channels to one destination block
  float* stage;                           // one block of a filter's taps
  float *zeros, *unread;                  // pixels outside the image

  DataBuffers(const WinogradPlan& plan, int64_t planes, int64_t sourceBlocks, int64_t blocks, bool split) {
    // Cut into three bf16 pieces, a row is half as long again, and tiles come in whole tiles of the matrix unit.
    constexpr int64_t kSplitRow = 3 * kBlock / 2, kOffSets = 16;
    const int64_t rows = split ? WinogradPlan::divideUp(plan.groupTiles(), kSplitTile) * kSplitTile : plan.groupTiles();
    plane = (rows | 1) * kBlock;
    tilePlane = split ? rows * kSplitRow + kOffSets : plane;
    filterPlane = split ? kSplitDepth * kSplitRow + kOffSets : (kDepth + 1) * kBlock;
    const int64_t channels = std::max(plan.phaseBlocks, plan.resultBlocks) * kBlock;
    const int64_t stageFloats = plan.r * plan.r * kBlock * kBlock;
    tiles = scratch(split ? kScratchAmx : kScratchConvChunk,
                    planes * (sourceBlocks * tilePlane + blocks * plane + filterPlane) + stageFloats + 2 * channels);
    products = tiles + sourceBlocks * planes * tilePlane;
    filters = products + blocks * planes * plane;
    stage = filters + planes * filterPlane;
    zeros = stage + stageFloats;
    unread = zeros + channels;
    std::memset(zeros, 0, 2 * channels * sizeof(float));
  }
};

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

template <int M, int R, bool toImage>
HWY_INLINE void WriteBlock(const WinogradPlan& plan, const DataPass& pass, int64_t groupIndex, int64_t block,
                           const DataBuffers& buffers) {
  const TileGroup group = plan.group(groupIndex);
  if constexpr (toImage) {
    float* seam = pass.seams == nullptr ? nullptr : pass.seams + groupIndex * seamFloats(plan);
    WriteImages<M, R>(plan, pass, group, seam, block, buffers);
  } else {
    WriteResults<M, R>(plan, pass, group, block, buffers);
  }
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
      const Taps<R> taps = FindTaps<R, toImage>(plan, w, image, result, buffers.stage, buffers.zeros);
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

/** Destination blocks begin to end - 1 of a group of tiles, on the vector kernels. */
template <int M, int R, bool toImage>
void VectorBlocks(const WinogradPlan& plan, const DataPass& pass, int64_t groupIndex, int64_t begin, int64_t end) {
  const TileGroup group = plan.group(groupIndex);
  const int64_t tiles = group.images * group.rows * plan.tilesW;
  const int64_t sourceBlocks = toImage ? plan.resultBlocks : plan.imageBlocks;
  const DataBuffers buffers(plan, Winograd<M, R>::kPlanes, sourceBlocks, 1, false);
  if (toImage) {
    TransformResults<M, R>(plan, group, pass.in, buffers.zeros, buffers.tiles, buffers.plane);
  } else {
    TransformImages<M, R>(plan, group, 0, sourceBlocks, pass.in, buffers.zeros, buffers.tiles, buffers.plane);
  }
  for (int64_t block = begin; block < end; block++) {
    MultiplyBlock<M, R, toImage>(plan, pass.w, tiles, block, buffers);
    WriteBlock<M, R, toImage>(plan, pass, groupIndex, block, buffers);
  }
}

#if HWY_TARGET == HWY_AVX3
/** Adds to the sums of one destination block what blocks source to end - 1 bring; false where numbers do not fit. */
template <int M, int R, bool toImage>
HWY_INLINE bool AddSplitProducts(const WinogradPlan& plan, const float* w, int64_t tiles, uint32_t largest,
                                 int64_t source, int64_t end, int64_t block, const DataBuffers& buffers,
                                 float* products) {
  constexpr int kPlanes = Winograd<M, R>::kPlanes;
  const int64_t channels = toImage ? plan.imageChannels(block) : plan.resultChannels(block);
  const int64_t step = (channels > kLanes ? 2 : 1) * kSplitTileWords;
  uint16_t* const filters = reinterpret_cast<uint16_t*>(buffers.filters);
  Magnitude magnitude;
  for (int64_t b = source; b < end; b++) {
    const int64_t image = toImage ? block : b, result = toImage ? b : block;
    const Taps<R> taps = FindTaps<R, toImage>(plan, w, image, result, buffers.stage, buffers.zeros);
    SplitFilters<M, R>(taps, toImage ? plan.resultChannels(result) : plan.imageChannels(image), channels,
                       filters + (b - source) * step, 2 * buffers.filterPlane, magnitude);
  }
  if (!SplitFits(largest, magnitude.Largest(), plan.shape.c * plan.shape.k)) return false;
  multiplySplit({reinterpret_cast<const uint16_t*>(buffers.tiles), 2 * kPlanes * buffers.tilePlane,
                 2 * buffers.tilePlane, filters, 2 * buffers.filterPlane, end - source, tiles,
                 static_cast<int>(channels), kPlanes, source > 0, products, buffers.plane});
  return true;
}

/** VectorBlocks on the matrix unit, as far as its numbers fit. */
template <int M, int R, bool toImage>
void SplitBlocks(const WinogradPlan& plan, const DataPass& pass, int64_t groupIndex, int64_t begin, int64_t end) {
  constexpr int kPlanes = Winograd<M, R>::kPlanes;
  constexpr int64_t kDepthBlocks = kSplitDepth / kBlock;
  const TileGroup group = plan.group(groupIndex);
  const int64_t tiles = group.images * group.rows * plan.tilesW;
  const int64_t sourceBlocks = toImage ? plan.resultBlocks : plan.imageBlocks;
  DataBuffers buffers(plan, kPlanes, kDepthBlocks, end - begin, true);
  uint16_t* const words = reinterpret_cast<uint16_t*>(buffers.tiles);
  float* const products = buffers.products;
  const int64_t blockFloats = kPlanes * buffers.plane;
  bool fits[kMostSplitBlocks];
  std::fill_n(fits, end - begin, true);
  for (int64_t source = 0; source < sourceBlocks; source += kDepthBlocks) {
    const int64_t sourceEnd = std::min(source + kDepthBlocks, sourceBlocks);
    Magnitude magnitude;
    if (toImage) {
      SplitResults<M, R>(plan, group, source, sourceEnd, pass.in, buffers.zeros, words, 2 * buffers.tilePlane,
                         magnitude);
    } else {
      SplitImages<M, R>(plan, group, source, sourceEnd, pass.in, buffers.zeros, words, 2 * buffers.tilePlane,
                        magnitude);
    }
    const uint32_t largest = magnitude.Largest();
    for (int64_t block = begin; block < end; block++) {
      bool& fit = fits[block - begin];
      fit = fit && AddSplitProducts<M, R, toImage>(plan, pass.w, tiles, largest, source, sourceEnd, block, buffers,
                                                   products + (block - begin) * blockFloats);
    }
  }
  for (int64_t block = begin; block < end; block++) {
    buffers.products = products + (block - begin) * blockFloats;
    if (fits[block - begin]) {
      WriteBlock<M, R, toImage>(plan, pass, groupIndex, block, buffers);
    } else {
      VectorBlocks<M, R, toImage>(plan, pass, groupIndex, block, block + 1);
    }
  }
}
#endif

/** Task `task`: one group of tiles, and one part of the destination blocks. */
template <int M, int R, bool toImage>
void DataTask(const WinogradPlan& plan, const DataPass& pass, int64_t task) {
  const int64_t group = task / pass.parts, part = task % pass.parts;
  const int64_t blocks = toImage ? plan.imageBlocks : plan.resultBlocks;
  const int64_t begin = blocks * part / pass.parts, end = blocks * (part + 1) / pass.parts;
#if HWY_TARGET == HWY_AVX3
  if (pass.split) return SplitBlocks<M, R, toImage>(plan, pass, group, begin, end);
#endif
  VectorBlocks<M, R, toImage>(plan, pass, group, begin, end);
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

/** Whether this target has the split operands. */
bool WinogradHasSplit() { return HWY_TARGET == HWY_AVX3; }

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WinogradDataTask);
HWY_EXPORT(WinogradBlock);
HWY_EXPORT(WinogradHasSplit);

namespace {

// Below this many multiply-adds waking the other threads costs more than they bring.
constexpr int64_t kSerialWork = int64_t{1} << 18;

/** Into how many parts each group's destination is cut, to have a few tasks for each thread. */
int64_t partsFor(const WinogradPlan& plan, int64_t blocks, int64_t fewest) {
  if (plan.work() <= kSerialWork) return fewest;
  const int64_t threads = threadCount();
  int64_t parts = fewest;
  // A part repeats the transforms of the source tiles: take no more than the balance needs.
  while (parts < blocks) {
    const int64_t tasks = plan.groups * parts, rounds = WinogradPlan::divideUp(tasks, threads);
    if (tasks * 8 >= rounds * threads * 7) break;
    parts++;
  }
  return parts;
}

bool splitPays(const WinogradPlan& plan) { return HWY_DYNAMIC_DISPATCH(WinogradHasSplit)() && splitPaysFor(plan); }

void run(const WinogradPlan& plan, DataPass pass) {
  const int64_t blocks = pass.toImage ? plan.imageBlocks : plan.resultBlocks;
  pass.split = splitPays(plan);
  pass.parts = partsFor(plan, blocks, pass.split ? WinogradPlan::divideUp(blocks, splitBlocks(plan)) : 1);
  const auto task = HWY_DYNAMIC_DISPATCH(WinogradDataTask);
  parallelFor(plan.groups * pass.parts, [&](int64_t index) { task(plan, pass, index); });
}

WinogradPlan planFor(ConvPass pass, const ConvShape& s, WinogradTile tile) {
  WinogradPlan plan(pass, s, tile == WinogradTile::Fast ? 4 : 2, HWY_DYNAMIC_DISPATCH(WinogradBlock)());
  if (splitPays(plan)) plan.cut(splitTiles(plan));
  return plan;
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
  run(planFor(ConvPass::Forward, s, tile), {false, x, w, bias, y, nullptr, 1, false});
}

void winogradInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx, WinogradTile tile) {
  const WinogradPlan plan = planFor(ConvPass::InputGrad, s, tile);
  const bool seamed = plan.groupsPerImage > 1;
  float* seams = seamed ? scratch(kScratchPartial, plan.groups * seamFloats(plan)) : nullptr;
  run(plan, {true, dy, w, nullptr, dx, seams, 1, false});
  if (seamed) addSeams(plan, seams, dx);
  clearBeyondTiles(plan, dx);
}

}  // namespace gv::cpu
#endif
