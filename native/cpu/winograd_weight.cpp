// Winograd weight gradient: dw = G^T [sum over tiles of (A dy A^T) .* (B^T x B)] G.
//
// Tasks differ in their share of the tiles (a slot) and of the image channels (a part). A slot sums up its groups of
// tiles in order, and the slots are added in order: the sums do not depend on the number of threads.
#include "cpu/pool.h"
#include "cpu/scratch.h"
#include "cpu/winograd.h"
#include "cpu/winograd_plan.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/winograd_weight.cpp"
#include "cpu/simd.h"

#include "cpu/winograd-tiles-inl.h"

#ifndef GV_CPU_WINOGRAD_WEIGHT_CPP
#define GV_CPU_WINOGRAD_WEIGHT_CPP
namespace gv::cpu {
namespace {

/** What the tasks of one call share. */
struct WeightPass {
  const float* x;
  const float* dy;
  float* dw;         // the first slot's sum, in the end the result
  float* otherSums;  // the other slots'
  int64_t slots, parts;
};

int64_t filterFloats(const ConvShape& s) { return s.k * s.kh * s.kw * s.c; }

// Blocks of dy that stay in the second-level cache while the blocks of x pass by.
constexpr int64_t kResultChunk = 4;

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Tap (i, j) of one phase of a filter; taps past the kernel's end (k odd, stride 2) are dropped. */
template <class Access>
struct WriteTaps {
  const WinogradPlan& plan;
  float* filter;  // tap (0, 0) of the kernel
  int64_t phaseY, phaseX;
  bool add;
  Access access;
  HWY_INLINE void operator()(int i, int j, V v) const {
    const ConvShape& s = plan.shape;
    const int64_t ky = i * plan.stride + phaseY, kx = j * plan.stride + phaseX;
    if (ky >= s.kh || kx >= s.kw) return;
    float* tap = filter + (ky * s.kw + kx) * s.c;
    hwy::Prefetch(tap + 4 * s.kh * s.kw * s.c);  // four rows of products ahead: the taps lie far apart
    access.store(add ? hn::Add(v, access.load(tap)) : v, tap);
  }
};

/** The filters between one block of the image side and one of the result side, from a group's transformed tiles. */
template <int M, int R>
HWY_INLINE void MultiplyTiles(const WinogradPlan& plan, const float* images, const float* results, int64_t tiles,
                              int64_t plane, int64_t imageBlock, int64_t resultBlock, float* products, float* dw,
                              bool add) {
  constexpr int N = M + R - 1;
  constexpr int64_t kProductPlane = (kBlock + 1) * kBlock;
  const ConvShape& s = plan.shape;
  const int64_t rows = plan.resultChannels(resultBlock), columns = plan.imageChannels(imageBlock);
  const int64_t panelRows = EvenPanelRows(rows);
  for (int i = 0; i < N * N; i++) {
    const float* a = results + i * plane;
    const float* b = images + i * plane;
    int64_t ahead = plane;
    for (int64_t row = 0; row < rows; row += panelRows, ahead += tiles * kBlock / 2) {
      TilesTimesTilesFor(std::min(panelRows, rows - row), columns)(
          {a + row, b, tiles, a + ahead, b + ahead, products + i * kProductPlane + row * kBlock});
    }
  }
  const int64_t phase = imageBlock / plan.phaseBlocks;
  for (int64_t row = 0; row < rows; row++) {
    float* filter = dw + (resultBlock * kBlock + row) * s.kh * s.kw * s.c + imageBlock % plan.phaseBlocks * kBlock;
    overLanes(columns, [&](int64_t c, auto access) HWY_ATTR {
      Transform<Winograd<M, R>::kGT>(
          ReadPlanes<N>{products + row * kBlock + c, kProductPlane},
          WriteTaps<decltype(access)>{plan, filter + c, phase / plan.stride, phase % plan.stride, add, access});
    });
  }
}

/** Task `task`: one slot, and one part of the image blocks. */
template <int M, int R>
void WeightTask(const WinogradPlan& plan, const WeightPass& pass, int64_t task) {
  constexpr int kPlanes = Winograd<M, R>::kPlanes;
  const int64_t slot = task / pass.parts, part = task % pass.parts;
  const int64_t begin = plan.imageBlocks * part / pass.parts, end = plan.imageBlocks * (part + 1) / pass.parts;
  const int64_t plane = TilePlane(plan), blockFloats = kPlanes * plane;
  const int64_t channels = std::max(plan.phaseBlocks, plan.resultBlocks) * kBlock;
  float* images = scratch(kScratchConvChunk, (end - begin + plan.resultBlocks) * blockFloats +
                                                 kPlanes * (kBlock + 1) * kBlock + channels);
  float* results = images + (end - begin) * blockFloats;
  float* products = results + plan.resultBlocks * blockFloats;
  float* zeros = products + kPlanes * (kBlock + 1) * kBlock;
  std::fill(zeros, zeros + channels, 0.0f);
  float* sum = slot == 0 ? pass.dw : pass.otherSums + (slot - 1) * filterFloats(plan.shape);
  for (int64_t index = slot; index < plan.groups; index += pass.slots) {
    const TileGroup group = plan.group(index);
    const int64_t tiles = group.images * group.rows * plan.tilesW;
    TransformImages<M, R>(plan, group, begin, end, pass.x, zeros, images, plane);
    TransformResults<M, R>(plan, group, pass.dy, zeros, results, plane);
    for (int64_t chunk = 0; chunk < plan.resultBlocks; chunk += kResultChunk) {
      const int64_t chunkEnd = std::min(plan.resultBlocks, chunk + kResultChunk);
      for (int64_t i = begin; i < end; i++) {
        for (int64_t r = chunk; r < chunkEnd; r++) {
          MultiplyTiles<M, R>(plan, images + (i - begin) * blockFloats, results + r * blockFloats, tiles, plane, i, r,
                              products, sum, index != slot);
        }
      }
    }
  }
}

void WinogradWeightTask(const WinogradPlan& plan, const WeightPass& pass, int64_t task) {
  if (plan.m == 4) {
    plan.r == 2 ? WeightTask<4, 2>(plan, pass, task) : WeightTask<4, 3>(plan, pass, task);
  } else {
    plan.r == 2 ? WeightTask<2, 2>(plan, pass, task) : WeightTask<2, 3>(plan, pass, task);
  }
}

int64_t WinogradWeightBlock() { return kBlock; }

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(WinogradWeightTask);
HWY_EXPORT(WinogradWeightBlock);

namespace {

constexpr int64_t kMaxSlots = 8;
constexpr int64_t kMaxSumFloats = int64_t{1} << 20;  // of all slots: more would be memory traffic, not work

}  // namespace

void winogradWeightGrad(const ConvShape& s, const float* x, const float* dy, float* dw, WinogradTile tile) {
  const int64_t block = HWY_DYNAMIC_DISPATCH(WinogradWeightBlock)(), floats = filterFloats(s);
  const WinogradPlan plan(ConvPass::WeightGrad, s, tile == WinogradTile::Fast ? 4 : 2, block);
  if (plan.groups == 0 || floats == 0) {
    std::fill_n(dw, floats, 0.0f);
    return;
  }
  WeightPass pass{x, dy, dw, nullptr, 1, 1};
  pass.slots = std::clamp<int64_t>(kMaxSumFloats / floats, 1, std::min(kMaxSlots, plan.groups));
  pass.parts = std::min(plan.imageBlocks, WinogradPlan::divideUp(threadCount(), pass.slots));
  pass.otherSums = scratch(kScratchPartial, (pass.slots - 1) * floats);
  const auto task = HWY_DYNAMIC_DISPATCH(WinogradWeightTask);
  parallelFor(pass.slots * pass.parts, [&](int64_t index) { task(plan, pass, index); });
  if (pass.slots == 1) return;
  parallelRange(floats, 16384, [&](int64_t begin, int64_t end) {
    for (int64_t slot = 0; slot + 1 < pass.slots; slot++) {
      const float* sum = pass.otherSums + slot * floats;
      for (int64_t i = begin; i < end; i++) dw[i] += sum[i];
    }
  });
}

}  // namespace gv::cpu
#endif
