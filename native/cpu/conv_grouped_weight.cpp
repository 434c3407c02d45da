// Grouped convolution with more than one channel per group: the weight gradient. For some taps and source channels at a
// time, products with the gradients of a vector of result channels are summed in registers over a block of pixels,
// whose source and gradients stay in L1. A task owns one unit's weights and goes through some of the blocks of all
// images; where there are few units there are several such parts, added up in order afterwards.
#include <algorithm>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_grouped_weight.cpp"
#include "cpu/simd.h"

#include "cpu/conv_grouped-inl.h"

#ifndef GV_CPU_CONV_GROUPED_WEIGHT_CPP
#define GV_CPU_CONV_GROUPED_WEIGHT_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kEnoughTasks = 16;  // the order of the sums follows from it, so it is no matter of threads

struct GroupedWeightCall {
  const GatherPlan* plan;
  ConvShape shape;
  const float *x, *dy;
};

/** Some neighbouring units (see conv_grouped-inl.h) and a part of the blocks of pixels. */
struct GroupedWeightTask {
  int64_t unit, units, part;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Quads of one kernel call: a quad is four source channels of a tap, so four sums. They fill the registers. */
constexpr int kTileQuads = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 6 : 3;

static GroupedLanes WeightLanesOf(const GatherPlan& p) { return {p.groups, p.depth, p.columns}; }

static GroupedBlocks WeightBlocksOf(const GatherPlan& p) {
  return {p.y[0], p.x[0], WeightLanesOf(p).pitch(0)};
}

/** The tasks of one part, and how many parts there are: by the shape alone. */
int64_t ConvGroupedWeightTasks(const GatherPlan& p, std::vector<GroupedWeightTask>& tasks) {
  constexpr int64_t kMostUnits = 4;
  const GroupedLanes lanes = WeightLanesOf(p);
  const int64_t together = lanes.vectors > 1 ? 1 : std::clamp<int64_t>(lanes.units / kEnoughTasks, 1, kMostUnits);
  const int64_t whole = lanes.groups / lanes.perUnit;  // a last unit of fewer groups is packed by itself
  for (int64_t unit = 0; unit < lanes.units;) {
    const int64_t count = std::max<int64_t>(1, std::min(together, whole - unit));
    tasks.push_back({unit, count, 0});
    unit += count;
  }
  const int64_t blocks = p.n * WeightBlocksOf(p).count();
  return std::clamp<int64_t>(kEnoughTasks / static_cast<int64_t>(tasks.size()), 1, std::max<int64_t>(blocks, 1));
}

/** The packed source and gradients of a block. */
struct GroupedProducts {
  int64_t rows, columns;
  const float* source;
  int64_t sourceLine, sourceStep;
  const float* gradient;
  int64_t gradientStep;
};

/**
 * sums[4 q + c][lane] += source channel c of quad q times gradient, over all pixels. offsets[q] is where the quad
 * lies in a pixel's window, channels[q] its first channel. Channels behind the last of a group are summed too, from
 * whatever is there, and ignored by the caller.
 */
template <int Q, bool kSide>
HWY_NOINLINE void GroupedDots(const GroupedProducts& p, const int64_t* offsets, const int64_t* channels,
                              const GroupedIndices& indices, float* HWY_RESTRICT sums) {
  const D d;
  V sum[4 * Q];
#pragma GCC unroll 24
  for (int i = 0; i < 4 * Q; i++) sum[i] = hn::LoadU(d, sums + i * kLanes);
  const float* gradient = p.gradient;
  for (int64_t y = 0; y < p.rows; y++) {
    const float* source = p.source + y * p.sourceLine;
    for (int64_t x = 0; x < p.columns; x++, source += p.sourceStep, gradient += p.gradientStep) {
      const V g = hn::LoadU(d, gradient);
#pragma GCC unroll 6
      for (int q = 0; q < Q; q++) {
        const float* const from = source + offsets[q];
        if constexpr (kSide) {
          const V pixel = hn::LoadU(d, from);
#pragma GCC unroll 4
          for (int c = 0; c < 4; c++) {
            const V value = hn::TableLookupLanes(pixel, indices.of(channels[q] + c));
            sum[4 * q + c] = hn::MulAdd(value, g, sum[4 * q + c]);
          }
        } else {
#pragma GCC unroll 4
          for (int c = 0; c < 4; c++) sum[4 * q + c] = hn::MulAdd(hn::Set(d, from[c]), g, sum[4 * q + c]);
        }
      }
    }
  }
#pragma GCC unroll 24
  for (int i = 0; i < 4 * Q; i++) hn::StoreU(sum[i], d, sums + i * kLanes);
}

template <bool kSide>
HWY_INLINE void GroupedAllDots(const GroupedProducts& p, const std::vector<int64_t>& offsets,
                               const std::vector<int64_t>& channels, const GroupedIndices& indices, float* sums) {
  const int64_t quads = static_cast<int64_t>(offsets.size());
  for (int64_t q = 0; q < quads;) {
    const int64_t left = quads - q;
    float* to = sums + 4 * q * kLanes;
    if (left >= kTileQuads) {
      GroupedDots<kTileQuads, kSide>(p, &offsets[q], &channels[q], indices, to);
      q += kTileQuads;
    } else if (left >= 2) {
      GroupedDots<2, kSide>(p, &offsets[q], &channels[q], indices, to);
      q += 2;
    } else {
      GroupedDots<1, kSide>(p, &offsets[q], &channels[q], indices, to);
      q++;
    }
  }
}

/** The weights of some neighbouring units, from part `part` of the blocks, to their places in dw. */
void ConvGroupedWeightUnits(const GroupedWeightCall& call, const GroupedWeightTask& task, int64_t parts, float* dw) {
  const GatherPlan& p = *call.plan;
  const ConvShape& s = call.shape;
  const AxisPhase &py = p.y[0], &px = p.x[0];
  const GroupedLanes lanes = WeightLanesOf(p);
  const GroupedBlocks blocks = WeightBlocksOf(p);
  const GroupedIndices indices(lanes);
  const int64_t pitch = lanes.pitch(task.unit), window = s.kh * s.kw, quadsPerTap = (p.depth + 3) / 4;
  const int64_t quads = window * quadsPerTap, vectorFloats = quads * 4 * kLanes;
  const int64_t unitSums = lanes.vectors * vectorFloats;
  float* const sums = scratch(kScratchConvChunk, task.units * unitSums);
  std::fill_n(sums, task.units * unitSums, 0.0f);
  std::vector<int64_t> offsets(quads), channels(quads);
  for (int64_t q = 0; q < quads; q++) channels[q] = q % quadsPerTap * 4;
  const auto kernel = lanes.sideBySide() ? &GroupedAllDots<true> : &GroupedAllDots<false>;

  const int64_t total = p.n * blocks.count(), end = total * (task.part + 1) / parts;
  for (int64_t index = total * task.part / parts; index < end; index++) {
    const int64_t image = index / blocks.count(), block = index % blocks.count();
    const int64_t iy = block / blocks.across * blocks.rows, rows = std::min(blocks.rows, s.oh - iy);
    const int64_t ix = block % blocks.across * blocks.columns, columns = std::min(blocks.columns, s.ow - ix);
    const float* const x = call.x + image * s.h * s.w * s.c + task.unit * lanes.perUnit * p.depth;
    const GroupedRegion source = SourceRegion(p, py, px, x, pitch, iy, rows, ix, columns);
    float* const packed = scratch(kScratchPackA, task.units * PackedUnitFloats(source));
    PackRegions(source, task.units, packed);
    for (int64_t q = 0; q < quads; q++) {
      const int64_t tap = q / quadsPerTap;
      offsets[q] = (tap / s.kw * py.tapStep * source.columns + tap % s.kw * px.tapStep) * pitch;
      if (!lanes.sideBySide()) offsets[q] += channels[q];
    }
    for (int64_t v = 0; v < lanes.vectors; v++) {
      // Several units have one vector each, whose channels are neighbours too.
      const float* const dy = call.dy + image * s.oh * s.ow * s.k + lanes.firstColumn(task.unit, v);
      const GroupedRegion gradient{dy, s.oh, s.ow, s.k, iy, ix, rows, columns, lanes.lanes(task.unit, v)};
      float* const packedGradient = scratch(kScratchPackB, task.units * PackedUnitFloats(gradient));
      PackRegions(gradient, task.units, packedGradient);
      for (int64_t u = 0; u < task.units; u++) {
        const GroupedProducts products{rows,
                                       columns,
                                       packed + u * PackedUnitFloats(source),
                                       py.sourceStep * source.columns * pitch,
                                       px.sourceStep * pitch,
                                       packedGradient + u * PackedUnitFloats(gradient),
                                       gradient.pitch};
        kernel(products, offsets, channels, indices, sums + u * unitSums + v * vectorFloats);
      }
    }
  }

  for (int64_t i = 0; i < task.units * lanes.vectors; i++) {
    const int64_t unit = task.unit + i / lanes.vectors, v = i % lanes.vectors;
    for (int64_t q = 0; q < quads; q++) {
      const float* from = sums + i * vectorFloats + q * 4 * kLanes;
      const int64_t used = std::min<int64_t>(4, p.depth - channels[q]);
      for (int64_t lane = 0; lane < lanes.lanes(unit, v); lane++) {
        float* to = dw + ((lanes.firstColumn(unit, v) + lane) * window + q / quadsPerTap) * p.depth + channels[q];
        for (int64_t c = 0; c < used; c++) to[c] = from[c * kLanes + lane];
      }
    }
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvGroupedWeightTasks);
HWY_EXPORT(ConvGroupedWeightUnits);

void convGroupedWeight(const ConvShape& s, const float* x, const float* dy, float* dw) {
  const GatherPlan plan = gatherPlan(ConvPass::Forward, s, false);
  const GroupedWeightCall call{&plan, s, x, dy};
  std::vector<GroupedWeightTask> tasks;
  const int64_t parts = HWY_DYNAMIC_DISPATCH(ConvGroupedWeightTasks)(plan, tasks);
  const int64_t size = s.k * s.kh * s.kw * plan.depth, perPart = static_cast<int64_t>(tasks.size());
  float* const sums = parts == 1 ? dw : scratch(kScratchPartial, parts * size);
  const auto kernel = HWY_DYNAMIC_DISPATCH(ConvGroupedWeightUnits);
  parallelFor(parts * perPart, [&](int64_t i) {
    GroupedWeightTask task = tasks[i % perPart];
    task.part = i / perPart;
    kernel(call, task, parts, sums + task.part * size);
  });
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
