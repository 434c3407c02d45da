// Grouped convolution, what its passes share: how the channels of the groups lie in vectors, and the packed rectangle
// of source pixels. Per target, header only. The loops over taps are in conv_grouped.cpp and conv_grouped_weight.cpp.
//
// Vectors run along the result channels of a group. A group with few channels would leave lanes empty, so several lie
// side by side in one vector, and each lane fetches its own group's source channel by a permutation of the pixel.
#if defined(GV_CPU_CONV_GROUPED_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_CONV_GROUPED_INL_H
#undef GV_CPU_CONV_GROUPED_INL_H
#else
#define GV_CPU_CONV_GROUPED_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/conv_plan.h"
#include "cpu/gemm-inl.h"
#include "cpu/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** A unit is what one vector or one group covers: `perUnit` groups in one vector, or one group in `vectors` vectors. */
struct GroupedLanes {
  int64_t groups, depth, columns;  // source and result channels of a group
  int64_t perUnit, vectors, units;

  GroupedLanes(int64_t groupCount, int64_t sourceChannels, int64_t resultChannels)
      : groups(groupCount), depth(sourceChannels), columns(resultChannels) {
    const int64_t side = std::min(groups, kLanes / std::max(depth, columns));
    perUnit = std::max<int64_t>(side, 1);
    vectors = side >= 2 ? 1 : (columns + kLanes - 1) / kLanes;
    units = (groups + perUnit - 1) / perUnit;
  }

  bool sideBySide() const { return perUnit >= 2; }
  int64_t groupsOf(int64_t unit) const { return std::min(perUnit, groups - unit * perUnit); }
  /** Source channels of a unit; those of neighbouring groups are neighbours. */
  int64_t pitch(int64_t unit) const { return groupsOf(unit) * depth; }
  int64_t firstColumn(int64_t unit, int64_t vector) const { return unit * perUnit * columns + vector * kLanes; }
  int64_t lanes(int64_t unit, int64_t vector) const {
    return sideBySide() ? groupsOf(unit) * columns : std::min<int64_t>(kLanes, columns - vector * kLanes);
  }
};

/** For each source channel of a group, which element of a pixel each lane reads. */
class GroupedIndices {
 public:
  explicit GroupedIndices(const GroupedLanes& lanes) {
    if (!lanes.sideBySide()) return;
    const int64_t channels = (lanes.depth + 3) / 4 * 4;  // the weight gradient takes four at a time
    for (int64_t c = 0; c < channels; c++) {
      int32_t* row = table_ + c * kLanes;
      for (int64_t group = 0; group < lanes.perUnit; group++, row += lanes.columns) {
        std::fill_n(row, lanes.columns, static_cast<int32_t>(group * lanes.depth + std::min(c, lanes.depth - 1)));
      }
    }
  }
  HWY_INLINE auto of(int64_t c) const { return hn::SetTableIndices(D(), table_ + c * kLanes); }

 private:
  int32_t table_[kLanes * kLanes] = {};
};

/** A rectangle of pixels that may stick out of the image; packed it is [rows][columns][pitch] with zeros outside. */
struct GroupedRegion {
  const float* source;  // the first wanted channel of pixel (0, 0)
  int64_t height, width, channels;  // of the image
  int64_t y0, x0, rows, columns;
  int64_t pitch;  // wanted channels

  int64_t floats() const { return rows * columns * pitch; }
};

/** What a packed region's buffer must have behind it: the kernels write and read whole vectors. */
constexpr int64_t kRegionSlack = kLanes > 4 ? kLanes : 4;

/** The source of `rows` x `columns` destination pixels from (iy, ix) on; nothing when no tap reaches them. */
HWY_INLINE GroupedRegion SourceRegion(const GatherPlan& p, const AxisPhase& py, const AxisPhase& px,
                                      const float* source, int64_t pitch, int64_t iy, int64_t rows, int64_t ix,
                                      int64_t columns) {
  if (py.taps * px.taps == 0) return {source, p.sourceH, p.sourceW, p.sourceC, 0, 0, 0, 0, pitch};
  return {source,
          p.sourceH,
          p.sourceW,
          p.sourceC,
          py.runs[0].source0 + iy * py.sourceStep,
          px.runs[0].source0 + ix * px.sourceStep,
          (rows - 1) * py.sourceStep + (py.taps - 1) * py.tapStep + 1,
          (columns - 1) * px.sourceStep + (px.taps - 1) * px.tapStep + 1,
          pitch};
}

/** Floats from one packed unit to the next, of a region whose units are packed together. */
HWY_INLINE int64_t PackedUnitFloats(const GroupedRegion& g) {
  return (g.floats() + kRegionSlack + kBlockK - 1) / kBlockK * kBlockK;
}

/**
 * Packs the regions of `units` neighbouring units, of which g is the first: their channels are neighbours in memory,
 * so a pixel is read in one stretch. `out` holds units * PackedUnitFloats(g).
 */
static HWY_MAYBE_UNUSED HWY_NOINLINE void PackRegions(const GroupedRegion& g, int64_t units, float* HWY_RESTRICT out) {
  const int64_t left = std::clamp<int64_t>(-g.x0, 0, g.columns);
  const int64_t right = std::clamp<int64_t>(g.width - g.x0, left, g.columns), stride = PackedUnitFloats(g);
  for (int64_t r = 0; r < g.rows; r++, out += g.columns * g.pitch) {
    const int64_t y = g.y0 + r;
    if (y < 0 || y >= g.height) {
      for (int64_t u = 0; u < units; u++) std::fill_n(out + u * stride, g.columns * g.pitch, 0.0f);
      continue;
    }
    for (int64_t u = 0; u < units; u++) std::fill_n(out + u * stride, left * g.pitch, 0.0f);
    const float* from = g.source + (y * g.width + g.x0 + left) * g.channels;
    float* to = out + left * g.pitch;
    for (int64_t c = left; c < right; c++, from += g.channels, to += g.pitch) {
      for (int64_t u = 0; u < units; u++) CopyLoose(from + u * g.pitch, g.pitch, to + u * stride);
    }
    for (int64_t u = 0; u < units; u++) std::fill_n(to + u * stride, (g.columns - right) * g.pitch, 0.0f);
  }
}

/** Destination pixels of a phase in blocks whose packed source stays in L1 beside the weights. */
struct GroupedBlocks {
  int64_t rows, columns, down, across;  // pixels of a block; blocks of an image

  GroupedBlocks(const AxisPhase& py, const AxisPhase& px, int64_t pitch) {
    constexpr int64_t kPackedFloats = 6144, kShortest = 4;
    const int64_t height = py.runs[0].count, width = px.runs[0].count;
    rows = height;
    columns = width;
    const auto floats = [&] {
      return ((rows - 1) * py.sourceStep + (py.taps - 1) * py.tapStep + 1) *
             ((columns - 1) * px.sourceStep + (px.taps - 1) * px.tapStep + 1) * pitch;
    };
    while (floats() > kPackedFloats && std::max(rows, columns) > kShortest) {
      int64_t& longer = rows >= columns ? rows : columns;
      longer = (longer + 1) / 2;
    }
    down = rows == 0 ? 0 : (height + rows - 1) / rows;
    across = columns == 0 ? 0 : (width + columns - 1) / columns;
  }
  int64_t count() const { return down * across; }
};

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
