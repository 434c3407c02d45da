// Winograd for grouped 3 x 3 convolutions of stride 1: the weight gradient dw = G^T [sum over tiles of
// (A dy A^T) .* (B^T x B)] G of every group.
//
// A task owns some neighbouring blocks of groups and sums over a part of the tiles in order; there are several parts
// only where there are few blocks, and they are added in order: the sums do not depend on the number of threads.
#include <algorithm>

#include "cpu/pool.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"
#include "cpu/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_grouped_weight.cpp"
#include "cpu/simd.h"

#include "cpu/winograd_grouped-inl.h"

#ifndef GV_CPU_WINOGRAD_GROUPED_WEIGHT_CPP
#define GV_CPU_WINOGRAD_GROUPED_WEIGHT_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kWeightTiles = 32, kWeightBlocks = 4, kWeightTasks = 16;

/** What the tasks of one call share; a task of part p writes to dw + p * size. */
struct GroupedWeightPass {
  const float *x, *dy;
  float* dw;
  int64_t size, blocks, parts;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Tap (i, j) of a filter whose taps are `step` apart. */
template <class Access>
struct WriteGroupTaps {
  float* first;
  int64_t step;
  Access access;
  HWY_INLINE void operator()(int i, int j, V v) const { access.store(v, first + (i * 3 + j) * step); }
};

/** Adds up the products of one block's tiles: [plane][result channel][kBlock]. */
template <int kPlanes>
HWY_INLINE void SumGroupProducts(const GroupedBlocking& lanes, const GroupRange& range, int64_t tiles, int64_t plane,
                                 const float* images, const float* results, bool accumulate, float* products) {
  constexpr int64_t kProductPlane = (kBlock + 1) * kBlock;
  const int64_t panelRows = EvenPanelRows(lanes.results);
  for (int p = 0; p < kPlanes; p++) {
    const int64_t ahead = p + 1 < kPlanes ? plane : 0;
    for (int64_t i = 0; i < range.count; i++) {
      const float* const a = results + p * plane + i * lanes.slot;
      const float* const b = images + p * plane + i * lanes.slot;
      for (int64_t row = 0; row < lanes.results; row += panelRows) {
        TilesTimesTilesFor(std::min(panelRows, lanes.results - row), lanes.images)(
            {a + row, b, tiles, a + ahead, b + ahead, products + p * kProductPlane + i * lanes.slot + row * kBlock,
             accumulate});
      }
    }
  }
}

template <int M>
static void GroupedWeightTaskOf(const WinogradPlan& plan, const GroupedWeightPass& pass, int64_t task) {
  constexpr int N = M + 2, kPlanes = N * N;
  constexpr int64_t kProductPlane = (kBlock + 1) * kBlock;
  const GroupedBlocking lanes(plan.shape);
  const int64_t part = task % pass.parts, first = task / pass.parts * pass.blocks;
  const int64_t blocks = std::min(pass.blocks, lanes.blocks() - first);
  const GroupRange range = lanes.range(first, blocks);
  const int64_t plane = TilePlane(plan), blockFloats = kPlanes * plane, productFloats = kPlanes * kProductPlane;
  const int64_t channels = std::max(plan.shape.c, plan.shape.k) + kLanes;
  float* const images = scratch(kScratchConvChunk, blocks * (2 * blockFloats + productFloats) + channels);
  float* const results = images + blocks * blockFloats;
  float* const products = results + blocks * blockFloats;
  float* const zeros = products + blocks * productFloats;
  std::fill_n(zeros, channels, 0.0f);
  const int64_t begin = plan.groups * part / pass.parts, end = plan.groups * (part + 1) / pass.parts;
  for (int64_t index = begin; index < end; index++) {
    const TileGroup tiles = plan.group(index);
    TransformGroupImages<M>(plan, tiles, lanes, range, pass.x, zeros, images, plane);
    TransformGroupResults<M>(plan, tiles, lanes, range, pass.dy, zeros, results, plane);
    for (int64_t b = 0; b < blocks; b++) {
      SumGroupProducts<kPlanes>(lanes, lanes.range(first + b, 1), tiles.images * tiles.rows * plan.tilesW, plane,
                                images + b * blockFloats, results + b * blockFloats, index > begin,
                                products + b * productFloats);
    }
  }
  float* const dw = pass.dw + part * pass.size;
  for (int64_t i = 0; i < range.count; i++) {
    const float* const from = products + lanes.at(i, productFloats);
    for (int64_t row = 0; row < lanes.results; row++) {
      float* const filter = dw + ((range.first + i) * lanes.results + row) * 9 * lanes.images;
      overLanes(lanes.images, [&](int64_t c, auto access) HWY_ATTR {
        Transform<Winograd<M, 3>::kGT>(ReadPlanes<N>{from + row * kBlock + c, kProductPlane},
                                       WriteGroupTaps<decltype(access)>{filter + c, lanes.images, access});
      });
    }
  }
}

void WinogradGroupedWeightTask(const WinogradPlan& plan, const GroupedWeightPass& pass, int64_t task) {
  plan.m == 4 ? GroupedWeightTaskOf<4>(plan, pass, task) : GroupedWeightTaskOf<2>(plan, pass, task);
}

/** Floats of a block, and blocks of all groups. */
int64_t WinogradGroupedWeightBlock() { return kBlock; }
int64_t WinogradGroupedWeightBlocks(const ConvShape& s) { return GroupedBlocking(s).blocks(); }

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WinogradGroupedWeightTask);
HWY_EXPORT(WinogradGroupedWeightBlock);
HWY_EXPORT(WinogradGroupedWeightBlocks);

void winogradGroupedWeight(const ConvShape& s, const float* x, const float* dy, float* dw, WinogradTile tile) {
  WinogradPlan plan(ConvPass::WeightGrad, s, tile == WinogradTile::Fast ? 4 : 2,
                    HWY_DYNAMIC_DISPATCH(WinogradGroupedWeightBlock)());
  plan.cut(kWeightTiles);
  const int64_t size = s.k * 9 * (s.c / s.groups), blocks = HWY_DYNAMIC_DISPATCH(WinogradGroupedWeightBlocks)(s);
  const int64_t together = std::clamp<int64_t>(blocks / kWeightTasks, 1, kWeightBlocks);
  const int64_t owners = WinogradPlan::divideUp(blocks, together);
  const int64_t parts = std::clamp<int64_t>(kWeightTasks / owners, 1, plan.groups);
  float* const sums = parts == 1 ? dw : scratch(kScratchPartial, parts * size);
  const GroupedWeightPass pass{x, dy, sums, size, together, parts};
  const auto task = HWY_DYNAMIC_DISPATCH(WinogradGroupedWeightTask);
  parallelFor(owners * parts, [&](int64_t i) { task(plan, pass, i); });
  if (parts == 1) return;
  parallelRange(size, 16384, [&](int64_t begin, int64_t end) {
    std::copy(sums + begin, sums + end, dw + begin);
    for (int64_t part = 1; part < parts; part++) {
      for (int64_t i = begin; i < end; i++) dw[i] += sums[part * size + i];
    }
  });
}

}  // namespace gv::cpu
#endif
