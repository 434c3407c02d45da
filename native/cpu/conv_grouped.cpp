// Grouped convolution with more than one channel per group: forward pass and input gradient. Sixteen destination pixels
// times one vector of a group's channels are summed in registers over all taps; the source of a block of pixels and
// the group's weights stay in L1. Groups are independent, so they (and blocks and images) are what threads share.
#include <algorithm>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_grouped.cpp"
#include "cpu/simd.h"

#include "cpu/conv_grouped-inl.h"

#ifndef GV_CPU_CONV_GROUPED_CPP
#define GV_CPU_CONV_GROUPED_CPP
namespace gv::cpu {
namespace {

/** A phase of both axes, cut into blocks; `packed` is where its weights start, `floats` their number for one unit. */
struct GroupedPhase {
  const AxisPhase *y, *x;
  int64_t packed, floats;
  int64_t rows, columns, down, across;  // GroupedBlocks
};

struct GroupedCall {
  const GatherPlan* plan;
  ConvPass pass;
  ConvShape shape;
  const float *source, *w, *bias;
  float *dest, *packed;
};

struct GroupedTask {
  const GroupedPhase* phase;
  int64_t image, block, unit, units;  // some neighbouring units
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

static GroupedLanes LanesOf(const GatherPlan& p) { return {p.groups, p.depth, p.columns}; }

int64_t ConvGroupedUnits(const GatherPlan& p) { return LanesOf(p).units; }

/** Units that a task packs together: their packed pixels stay in L2. All but the last unit are alike. */
int64_t ConvGroupedTaskUnits(const GatherPlan& p, int64_t unit) {
  constexpr int64_t kMostUnits = 8, kMostFloats = 128;
  const GroupedLanes lanes = LanesOf(p);
  const int64_t pitch = lanes.pitch(unit), whole = lanes.groups / lanes.perUnit;
  return std::clamp<int64_t>(std::min(kMostFloats / pitch, whole - unit), 1, kMostUnits);
}

/** Fills in the blocks and the size of the packed weights. */
void ConvGroupedPlan(const GatherPlan& p, GroupedPhase& phase) {
  const GroupedLanes lanes = LanesOf(p);
  phase.floats = lanes.vectors * phase.y->taps * phase.x->taps * p.depth * kLanes;
  const GroupedBlocks blocks(*phase.y, *phase.x, lanes.pitch(0));
  phase.rows = blocks.rows;
  phase.columns = blocks.columns;
  phase.down = blocks.down;
  phase.across = blocks.across;
}

/** Packs the weights of one unit: [vector][tap row][tap][source channel][lane]. */
void ConvGroupedPack(const GroupedCall& call, const GroupedPhase& phase, int64_t unit) {
  const GatherPlan& p = *call.plan;
  const ConvShape& s = call.shape;
  const GroupedLanes lanes = LanesOf(p);
  const int64_t window = s.kh * s.kw, inC = s.c / s.groups, outC = s.k / s.groups;
  const bool forward = call.pass == ConvPass::Forward;
  // Distance in w from one result channel to the next, and from one source channel to the next.
  const int64_t columnStep = forward ? window * inC : 1, depthStep = forward ? 1 : window * inC;
  float* out = call.packed + phase.packed + unit * phase.floats;
  for (int64_t v = 0; v < lanes.vectors; v++) {
    const int64_t used = lanes.lanes(unit, v);
    for (int64_t ty = 0; ty < phase.y->taps; ty++) {
      for (int64_t tx = 0; tx < phase.x->taps; tx++) {
        const int64_t ky = phase.y->weight0 + ty * phase.y->weightStep;
        const int64_t kx = phase.x->weight0 + tx * phase.x->weightStep;
        const float* const tap = call.w + (ky * s.kw + kx) * inC;
        for (int64_t lane = 0; lane < kLanes; lane++) {
          const int64_t column = lanes.firstColumn(unit, v) + lane;
          const float* from = tap + column / p.columns * outC * window * inC + column % p.columns * columnStep;
          for (int64_t c = 0; c < p.depth; c++) out[c * kLanes + lane] = lane < used ? from[c * depthStep] : 0.0f;
        }
        out += p.depth * kLanes;
      }
    }
  }
}

/** The taps of a phase in a packed region: floats from one tap row to the next, from one tap to the next. */
struct GroupedTaps {
  int64_t y, x, stepY, stepX, depth;
};

/** Pixels of a tile; their sums, four weights and a source element fill the registers. */
constexpr int kTilePixels = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 16 : 8;

/** Sums `count` <= P pixels and stores them. Those behind may be any readable ones: what they sum is not stored. */
template <int P, bool kSide>
HWY_NOINLINE void GroupedTile(const float* const* pixels, float* const* dest, int count, const GroupedTaps& taps,
                            const float* HWY_RESTRICT weights, const GroupedIndices& indices, const float* bias,
                              int lanes) {
  const D d;
  V sum[P];
#pragma GCC unroll 16
  for (int i = 0; i < P; i++) sum[i] = hn::Load(d, bias);
  for (int64_t ty = 0; ty < taps.y; ty++) {
    for (int64_t tx = 0; tx < taps.x; tx++) {
      const int64_t offset = ty * taps.stepY + tx * taps.stepX;
      int64_t c = 0;
      if constexpr (kSide) {
        for (; c < taps.depth; c++, weights += kLanes) {
          const V w = hn::LoadU(d, weights);
          const auto index = indices.of(c);
#pragma GCC unroll 16
          for (int i = 0; i < P; i++) {
            sum[i] = hn::MulAdd(hn::TableLookupLanes(hn::LoadU(d, pixels[i] + offset), index), w, sum[i]);
          }
        }
      } else {
        for (; c + 4 <= taps.depth; c += 4, weights += 4 * kLanes) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
          // Otherwise the pointers move to vector registers, and fetching them from there takes a multiplier's port.
          __asm__ volatile("" : "+r"(pixels));
#endif
          const V w0 = hn::LoadU(d, weights), w1 = hn::LoadU(d, weights + kLanes);
          const V w2 = hn::LoadU(d, weights + 2 * kLanes), w3 = hn::LoadU(d, weights + 3 * kLanes);
#pragma GCC unroll 16
          for (int i = 0; i < P; i++) {
            const float* const x = pixels[i] + offset + c;
            sum[i] = hn::MulAdd(hn::Set(d, x[0]), w0, sum[i]);
            sum[i] = hn::MulAdd(hn::Set(d, x[1]), w1, sum[i]);
            sum[i] = hn::MulAdd(hn::Set(d, x[2]), w2, sum[i]);
            sum[i] = hn::MulAdd(hn::Set(d, x[3]), w3, sum[i]);
          }
        }
        for (; c < taps.depth; c++, weights += kLanes) {
          const V w = hn::LoadU(d, weights);
#pragma GCC unroll 16
          for (int i = 0; i < P; i++) sum[i] = hn::MulAdd(hn::Set(d, pixels[i][offset + c]), w, sum[i]);
        }
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < P; i++) {
    if (i >= count) break;
    if (lanes == kLanes) {
      hn::StoreU(sum[i], d, dest[i]);
    } else {
      StoreFirst(sum[i], dest[i], lanes);
    }
  }
}

/** The destination pixels of a block for one vector of channels, and where the first of them reads and writes. */
struct GroupedPixels {
  int64_t rows, columns;
  const float* source;
  int64_t sourceLine, sourceStep;
  float* dest;
  int64_t destLine, destStep;
};

/** All tiles of a block. */
template <bool kSide>
HWY_INLINE void GroupedTiles(const GroupedPixels& p, const GroupedTaps& taps, const float* weights,
                             const GroupedIndices& indices, const float* bias, int lanes) {
  const float* pixels[kTilePixels];
  float* to[kTilePixels];
  std::fill_n(pixels, kTilePixels, p.source);  // what a last tile of few pixels reads in place of the missing ones
  std::fill_n(to, kTilePixels, p.dest);
  const int64_t total = p.rows * p.columns, tiles = (total + kTilePixels - 1) / kTilePixels;
  int64_t y = 0, x = 0;
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int count = static_cast<int>(std::min<int64_t>(kTilePixels, total - tile * kTilePixels));
    for (int i = 0; i < count; i++) {
      pixels[i] = p.source + y * p.sourceLine + x * p.sourceStep;
      to[i] = p.dest + y * p.destLine + x * p.destStep;
      __builtin_prefetch(to[i], 1);
      if (++x == p.columns) {
        x = 0;
        y++;
      }
    }
    if (count > 4) {
      GroupedTile<kTilePixels, kSide>(pixels, to, count, taps, weights, indices, bias, lanes);
    } else {
      GroupedTile<4, kSide>(pixels, to, count, taps, weights, indices, bias, lanes);
    }
  }
}

void ConvGroupedBlock(const GroupedCall& call, const GroupedTask& task) {
  const GatherPlan& p = *call.plan;
  const GroupedPhase& phase = *task.phase;
  const AxisPhase &py = *phase.y, &px = *phase.x;
  const AxisRun &y = py.runs[0], &x = px.runs[0];
  const GroupedLanes lanes = LanesOf(p);
  const int64_t iy = task.block / phase.across * phase.rows, rows = std::min(phase.rows, y.count - iy);
  const int64_t ix = task.block % phase.across * phase.columns, columns = std::min(phase.columns, x.count - ix);
  const int64_t pitch = lanes.pitch(task.unit);
  const float* image = call.source + task.image * p.sourceH * p.sourceW * p.sourceC;
  const GroupedRegion region =
      SourceRegion(p, py, px, image + task.unit * lanes.perUnit * p.depth, pitch, iy, rows, ix, columns);
  const int64_t unitFloats = PackedUnitFloats(region);
  float* const packed = scratch(kScratchPackA, task.units * unitFloats);
  PackRegions(region, task.units, packed);
  const GroupedTaps taps{py.taps, px.taps, py.tapStep * region.columns * pitch, px.tapStep * pitch, p.depth};
  float* const dest = call.dest + ((task.image * p.destH + y.dest0 + iy * py.destStep) * p.destW + x.dest0 +
                                   ix * px.destStep) * p.destC;
  const GroupedIndices indices(lanes);
  const auto kernel = lanes.sideBySide() ? &GroupedTiles<true> : &GroupedTiles<false>;
  for (int64_t u = 0; u < task.units; u++) {
    const int64_t unit = task.unit + u;
    const float* weights = call.packed + phase.packed + unit * phase.floats;
    for (int64_t v = 0; v < lanes.vectors; v++, weights += phase.floats / lanes.vectors) {
      const int used = static_cast<int>(lanes.lanes(unit, v));
      const int64_t column = lanes.firstColumn(unit, v);
      HWY_ALIGN float bias[kLanes];
      hn::Store(call.bias == nullptr ? hn::Zero(D()) : LoadFirst(call.bias + column, used), D(), bias);
      const GroupedPixels pixels{rows,
                                 columns,
                                 packed + u * unitFloats,
                                 py.sourceStep * region.columns * pitch,
                                 px.sourceStep * pitch,
                                 dest + column,
                                 py.destStep * p.destW * p.destC,
                                 px.destStep * p.destC};
      kernel(pixels, taps, weights, indices, bias, used);
    }
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvGroupedUnits);
HWY_EXPORT(ConvGroupedTaskUnits);
HWY_EXPORT(ConvGroupedPlan);
HWY_EXPORT(ConvGroupedPack);
HWY_EXPORT(ConvGroupedBlock);

void convGrouped(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const float* bias,
                 float* dest) {
  const GatherPlan plan = gatherPlan(pass, shape, false);
  const int64_t units = HWY_DYNAMIC_DISPATCH(ConvGroupedUnits)(plan);
  std::vector<GroupedPhase> phases;
  int64_t packedFloats = 0;
  for (const AxisPhase& y : plan.y) {
    for (const AxisPhase& x : plan.x) {
      if (y.runs.empty() || x.runs.empty()) continue;
      phases.push_back({&y, &x, packedFloats, 0, 0, 0, 0, 0});
      HWY_DYNAMIC_DISPATCH(ConvGroupedPlan)(plan, phases.back());
      packedFloats += units * phases.back().floats;
    }
  }
  const GroupedCall call{&plan, pass, shape, source, w, bias, dest, scratch(kScratchPackB, packedFloats)};
  const auto pack = HWY_DYNAMIC_DISPATCH(ConvGroupedPack);
  const int64_t packs = static_cast<int64_t>(phases.size()) * units;
  parallelFor(packs, [&](int64_t i) { pack(call, phases[i / units], i % units); });

  std::vector<GroupedTask> tasks;
  for (int64_t image = 0; image < plan.n; image++) {
    for (const GroupedPhase& phase : phases) {
      for (int64_t block = 0; block < phase.down * phase.across; block++) {
        for (int64_t unit = 0; unit < units;) {
          const int64_t count = HWY_DYNAMIC_DISPATCH(ConvGroupedTaskUnits)(plan, unit);
          tasks.push_back({&phase, image, block, unit, count});
          unit += count;
        }
      }
    }
  }
  const auto block = HWY_DYNAMIC_DISPATCH(ConvGroupedBlock);
  parallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t i) { block(call, tasks[i]); });
}

}  // namespace gv::cpu
#endif
