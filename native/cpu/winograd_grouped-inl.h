// Winograd tiles of grouped convolutions: how the channels of the groups lie in the blocks of winograd-kernel-inl.h.
// Per target, header only; stride 1 and 3 x 3 taps. The passes are in winograd_grouped.cpp and
// winograd_grouped_weight.cpp.
//
// A block of two vectors holds one group, or two of at most one vector of channels side by side: no product of a
// source channel with another group's results is formed.
#if defined(GV_CPU_WINOGRAD_GROUPED_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_GROUPED_INL_H
#undef GV_CPU_WINOGRAD_GROUPED_INL_H
#else
#define GV_CPU_WINOGRAD_GROUPED_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/winograd-tiles-inl.h"
#include "cpu/winograd_plan.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Some neighbouring groups, which one task works on; the first of them begins a block. */
struct GroupRange {
  int64_t first, count;
};

struct GroupedBlocking {
  int64_t groups, images, results;  // channels of a group on the image side and on the result side
  int64_t perBlock, slot;           // groups of a block, floats from one to the next

  explicit GroupedBlocking(const ConvShape& s)
      : groups(s.groups), images(s.c / s.groups), results(s.k / s.groups) {
    perBlock = std::max(images, results) <= kLanes ? 2 : 1;
    slot = kBlock / perBlock;
  }

  int64_t blocks() const { return (groups + perBlock - 1) / perBlock; }
  GroupRange range(int64_t block, int64_t count) const {
    const int64_t first = block * perBlock;
    return {first, std::min(count * perBlock, groups - first)};
  }
  /** Where the i-th group of a range begins, in a buffer of blocks of `blockFloats`. */
  int64_t at(int64_t i, int64_t blockFloats) const { return i / perBlock * blockFloats + i % perBlock * slot; }
};

/** The tiles of the image side, transformed: B^T d B. */
template <int M>
HWY_INLINE void TransformGroupImages(const WinogradPlan& plan, const TileGroup& tiles, const GroupedBlocking& lanes,
                                     const GroupRange& range, const float* images, const float* zeros, float* out,
                                     int64_t plane) {
  constexpr int N = M + 2;
  ForEachTile<N * N, const float>(
      plan, tiles,
      [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
        FindImagePixels<M, N, const float>(plan, tile, 0, images, zeros, 0, nullptr, pixels);
      },
      [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
        for (int64_t i = 0; i < range.count; i++) {
          float* const to = out + lanes.at(i, N * N * plane) + t * kBlock;
          const int64_t channel = (range.first + i) * lanes.images;
          overLanes(lanes.images, [&](int64_t c, auto access) HWY_ATTR {
            const ReadPixels<N, decltype(access)> read{pixels, later, channel + c, access};
            Transform<Winograd<M, 3>::kBT>(read, WritePlanes<N>{to + c, plane});
          });
        }
      });
}

/** The tiles of the result side, transformed: A y A^T. */
template <int M>
HWY_INLINE void TransformGroupResults(const WinogradPlan& plan, const TileGroup& tiles, const GroupedBlocking& lanes,
                                      const GroupRange& range, const float* results, const float* zeros, float* out,
                                      int64_t plane) {
  constexpr int N = M + 2;
  ForEachTile<M * M, const float>(
      plan, tiles,
      [&](const TilePlace& tile, const float** pixels) HWY_ATTR {
        FindResultPixels<M, const float>(plan.shape, tile, results, zeros, pixels);
      },
      [&](int64_t t, const TilePlace&, const float* const* pixels, const float* const* later) HWY_ATTR {
        for (int64_t i = 0; i < range.count; i++) {
          float* const to = out + lanes.at(i, N * N * plane) + t * kBlock;
          const int64_t channel = (range.first + i) * lanes.results;
          overLanes(lanes.results, [&](int64_t c, auto access) HWY_ATTR {
            const ReadPixels<M, decltype(access)> read{pixels, later, channel + c, access};
            Transform<Winograd<M, 3>::kA>(read, WritePlanes<N>{to + c, plane});
          });
        }
      });
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
