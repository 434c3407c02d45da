// Winograd for grouped 3 x 3 convolutions of stride 1: forward pass and input gradient. Seen from dx, the input
// gradient is a forward pass too: of dy, by the mirrored filters with their channels exchanged.
//
// A task has the tiles of some images and some neighbouring blocks of groups, so that pixels are read and written in
// long stretches; all its buffers stay in the second-level cache. Tiles are independent: no sum depends on the tasks.
#include <algorithm>
#include <cstring>

#include "cpu/pool.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"
#include "cpu/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_grouped.cpp"
#include "cpu/simd.h"

#include "cpu/winograd_grouped-inl.h"

#ifndef GV_CPU_WINOGRAD_GROUPED_CPP
#define GV_CPU_WINOGRAD_GROUPED_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kTaskTiles = 32, kTaskChannels = 128;

/** What the tasks of one call share; the plan's image side is the source. */
struct GroupedPass {
  bool mirrored;  // the input gradient
  const float *source, *w, *bias;
  float* dest;
  float* filters;       // transformed
  int64_t blocks;       // of groups, of a task
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

static int64_t FilterPlane(const GroupedBlocking& lanes) { return (lanes.images + 1) * kBlock; }
static int64_t FilterBlock(const WinogradPlan& plan, const GroupedBlocking& lanes) {
  return plan.n * plan.n * FilterPlane(lanes);
}

bool WinogradGroupedFits(const ConvShape& s) {
  const int64_t most = std::max(s.c, s.k) / s.groups, least = std::min(s.c, s.k) / s.groups;
  return kLanes >= 4 && 2 * least > kLanes && most <= kBlock;
}

int64_t WinogradGroupedBlocks(const ConvShape& s) { return GroupedBlocking(s).blocks(); }
int64_t WinogradGroupedFilterFloats(const WinogradPlan& plan) {
  const GroupedBlocking lanes(plan.shape);
  return lanes.blocks() * FilterBlock(plan, lanes);
}

/** Transforms the filters of one block: G g G^T, as [plane][source channel][kBlock]. */
template <int M>
static void TransformGroupFilters(const WinogradPlan& plan, const GroupedPass& pass, int64_t block) {
  constexpr int N = M + 2, kTaps = 9;
  const GroupedBlocking lanes(plan.shape);
  const int64_t plane = FilterPlane(lanes), depth = lanes.images, columns = lanes.results;
  // Distances in w between result channels, source channels and taps.
  const int64_t columnStep = pass.mirrored ? 1 : kTaps * depth, depthStep = pass.mirrored ? kTaps * columns : 1;
  const int64_t tapStep = pass.mirrored ? -columns : depth, firstTap = pass.mirrored ? (kTaps - 1) * columns : 0;
  float* const to = pass.filters + block * FilterBlock(plan, lanes);
  const GroupRange range = lanes.range(block, 1);
  for (int64_t i = 0; i < range.count; i++) {
    const float* const w = pass.w + (range.first + i) * kTaps * depth * columns + firstTap;
    for (int64_t c = 0; c < depth; c++) {
      HWY_ALIGN float taps[kTaps * kBlock] = {};
      for (int64_t tap = 0; tap < kTaps; tap++) {
        const float* const from = w + tap * tapStep + c * depthStep;
        for (int64_t j = 0; j < columns; j++) taps[tap * kBlock + j] = from[j * columnStep];
      }
      for (int64_t j = 0; j < columns; j += kLanes) {
        const ReadPlanes<3> read{taps + j, kBlock};
        Transform<Winograd<M, 3>::kG>(read, WritePlanes<N>{to + c * kBlock + i * lanes.slot + j, plane});
      }
    }
  }
}

void WinogradGroupedFilters(const WinogradPlan& plan, const GroupedPass& pass, int64_t block) {
  plan.m == 4 ? TransformGroupFilters<4>(plan, pass, block) : TransformGroupFilters<2>(plan, pass, block);
}

/** The products of the tiles of one block of groups. */
template <int M>
HWY_INLINE void MultiplyGroups(const GroupedBlocking& lanes, const GroupRange& range, int64_t tiles, int64_t plane,
                               const float* sources, const float* filters, float* products) {
  constexpr int kPlanes = (M + 2) * (M + 2);
  const int64_t filterPlane = FilterPlane(lanes), panelRows = EvenPanelRows(tiles);
  const int depth = static_cast<int>(lanes.images);
  const auto panelKernel = TilesTimesWeightsFor(panelRows, lanes.results);
  for (int p = 0; p < kPlanes; p++) {
    for (int64_t i = 0; i < range.count; i++) {
      const int64_t at = p * plane + i * lanes.slot;
      TilesTimesWeights product{sources + at, 0,     filters + p * filterPlane + i * lanes.slot, &depth, 1, false,
                                products + at};
      for (int64_t t = 0; t < tiles; t += panelRows, product.a += panelRows * kBlock, product.c += panelRows * kBlock) {
        (t + panelRows <= tiles ? panelKernel : TilesTimesWeightsFor(tiles - t, lanes.results))(product);
      }
    }
  }
}

/** Transforms products back and writes them: A^T p A + bias. */
template <int M>
HWY_INLINE void WriteGroupResults(const WinogradPlan& plan, const TileGroup& tiles, const GroupedBlocking& lanes,
                                  const GroupRange& range, const GroupedPass& pass, const float* products,
                                  int64_t plane, float* unread) {
  constexpr int N = M + 2;
  ForEachTile<M * M, float>(
      plan, tiles,
      [&](const TilePlace& tile, float** pixels) HWY_ATTR {
        FindResultPixels<M, float>(plan.shape, tile, pass.dest, unread, pixels);
      },
      [&](int64_t t, const TilePlace&, float* const* pixels, float* const* later) HWY_ATTR {
        for (int64_t i = 0; i < range.count; i++) {
          const float* const from = products + lanes.at(i, N * N * plane) + t * kBlock;
          const int64_t first = (range.first + i) * lanes.results;
          overLanes(lanes.results, [&](int64_t c, auto access) HWY_ATTR {
            const V bias = pass.bias == nullptr ? hn::Zero(D()) : access.load(pass.bias + first + c);
            const WritePixels<M, decltype(access)> write{pixels, later, first + c, access, bias};
            Transform<Winograd<M, 3>::kAT>(ReadPlanes<N>{from + c, plane}, write);
          });
        }
      });
}

template <int M>
static void GroupedTaskOf(const WinogradPlan& plan, const GroupedPass& pass, int64_t task) {
  constexpr int kPlanes = (M + 2) * (M + 2);
  const GroupedBlocking lanes(plan.shape);
  const TileGroup tiles = plan.group(task % plan.groups);
  const int64_t first = task / plan.groups * pass.blocks, blocks = std::min(pass.blocks, lanes.blocks() - first);
  const GroupRange range = lanes.range(first, blocks);
  const int64_t count = tiles.images * tiles.rows * plan.tilesW, plane = TilePlane(plan);
  const int64_t blockFloats = kPlanes * plane, channels = std::max(plan.shape.c, plan.shape.k) + kLanes;
  float* const sources = scratch(kScratchConvChunk, 2 * (blocks * blockFloats + channels));
  float* const products = sources + blocks * blockFloats;
  float* const zeros = products + blocks * blockFloats;
  std::fill_n(zeros, channels, 0.0f);
  TransformGroupImages<M>(plan, tiles, lanes, range, pass.source, zeros, sources, plane);
  for (int64_t b = 0; b < blocks; b++) {
    MultiplyGroups<M>(lanes, lanes.range(first + b, 1), count, plane, sources + b * blockFloats,
                      pass.filters + (first + b) * FilterBlock(plan, lanes), products + b * blockFloats);
  }
  WriteGroupResults<M>(plan, tiles, lanes, range, pass, products, plane, zeros + channels);
}

void WinogradGroupedTask(const WinogradPlan& plan, const GroupedPass& pass, int64_t task) {
  plan.m == 4 ? GroupedTaskOf<4>(plan, pass, task) : GroupedTaskOf<2>(plan, pass, task);
}

int64_t WinogradGroupedBlock() { return kBlock; }

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WinogradGroupedFits);
HWY_EXPORT(WinogradGroupedBlocks);
HWY_EXPORT(WinogradGroupedFilterFloats);
HWY_EXPORT(WinogradGroupedFilters);
HWY_EXPORT(WinogradGroupedTask);
HWY_EXPORT(WinogradGroupedBlock);

bool winogradGroupedSupports(const ConvShape& s) {
  return s.groups > 1 && s.kh == 3 && s.kw == 3 && s.strideH == 1 && s.strideW == 1 && s.dilationH == 1 &&
         s.dilationW == 1 && s.padTop >= 0 && s.padLeft >= 0 && HWY_DYNAMIC_DISPATCH(WinogradGroupedFits)(s);
}

void winogradGrouped(ConvPass direction, const ConvShape& s, const float* source, const float* w, const float* bias,
                     float* dest, WinogradTile tile) {
  const bool mirrored = direction == ConvPass::InputGrad;
  ConvShape seen = s;
  if (mirrored) {
    seen = {s.n, s.oh, s.ow, s.k, s.h, s.w, s.c, 3, 3, 1, 1, 2 - s.padTop, 2 - s.padLeft, 1, 1, s.groups};
  }
  const int64_t block = HWY_DYNAMIC_DISPATCH(WinogradGroupedBlock)();
  WinogradPlan plan(ConvPass::Forward, seen, tile == WinogradTile::Fast ? 4 : 2, block);
  plan.cut(kTaskTiles);
  const int64_t blocks = HWY_DYNAMIC_DISPATCH(WinogradGroupedBlocks)(seen);
  float* const filters = scratch(kScratchPackB, HWY_DYNAMIC_DISPATCH(WinogradGroupedFilterFloats)(plan));
  const int64_t taskBlocks = std::clamp<int64_t>(kTaskChannels / block, 1, blocks);
  const GroupedPass pass{mirrored, source, w, bias, dest, filters, taskBlocks};
  const auto transform = HWY_DYNAMIC_DISPATCH(WinogradGroupedFilters);
  parallelFor(blocks, [&](int64_t i) { transform(plan, pass, i); });
  const auto task = HWY_DYNAMIC_DISPATCH(WinogradGroupedTask);
  parallelFor(WinogradPlan::divideUp(blocks, taskBlocks) * plan.groups, [&](int64_t i) { task(plan, pass, i); });
}

}  // namespace gv::cpu
#endif
