// The filters of the Winograd forward pass and input gradient, transformed (G g G^T) from one block of source channels
// to one block of destination channels, for the vector kernels or the matrix unit. Per target, header only.
#if defined(GV_CPU_WINOGRAD_FILTERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_FILTERS_INL_H
#undef GV_CPU_WINOGRAD_FILTERS_INL_H
#else
#define GV_CPU_WINOGRAD_FILTERS_INL_H
#endif

#include <cstdint>
#include <cstring>

#include "cpu/gemm-inl.h"
#include "cpu/winograd-split-inl.h"
#include "cpu/winograd-tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Where the R x R taps of a filter start, and how far the next source channel's are. */
template <int R>
struct Taps {
  const float* first[R * R];
  int64_t step[R * R];

  /** The taps of source channel k, and those of a channel that is due soon. */
  struct Channel {
    const float *tap[R * R], *later[R * R];
  };
  HWY_INLINE Channel channel(int64_t k) const {
    constexpr int kAhead = 8;
    Channel result;
    for (int i = 0; i < R * R; i++) {
      result.tap[i] = first[i] + k * step[i];
      result.later[i] = result.tap[i] + kAhead * step[i];
    }
    return result;
  }
};

/**
 * The taps that join one block of the image side with one of the result side. The vectors must lie along the
 * destination: for the input gradient that is how the weights are stored, for the forward pass they are transposed
 * into `stage`. A phase with fewer than R taps along an axis is filled up with zeros.
 */
template <int R, bool toImage>
HWY_INLINE Taps<R> FindTaps(const WinogradPlan& plan, const float* w, int64_t imageBlock, int64_t resultBlock,
                            float* stage, const float* zeros) {
  const ConvShape& s = plan.shape;
  const int64_t phase = imageBlock / plan.phaseBlocks, filter = s.kh * s.kw * s.c;
  const int64_t phaseY = phase / plan.stride, phaseX = phase % plan.stride;
  const float* base = w + resultBlock * kBlock * filter + imageBlock % plan.phaseBlocks * kBlock;
  const int64_t images = plan.imageChannels(imageBlock), results = plan.resultChannels(resultBlock);
  if (!toImage && results < kBlock) std::memset(stage, 0, R * R * kBlock * kBlock * sizeof(float));
  Taps<R> taps;
  for (int i = 0; i < R * R; i++) {
    const int64_t ky = i / R * plan.stride + phaseY, kx = i % R * plan.stride + phaseX;
    const float* tap = base + (ky * s.kw + kx) * s.c;
    float* staged = stage + i * kBlock * kBlock;
    if (ky >= s.kh || kx >= s.kw) {
      taps.first[i] = zeros;
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
  for (int64_t k = 0; k < sources; k++, out += kBlock) {
    const auto channel = taps.channel(k);
    overLanes(destinations, [&](int64_t c, auto access) HWY_ATTR {
      const ReadPixels<R, decltype(access)> read{channel.tap, channel.later, c, access};
      Transform<Winograd<M, R>::kG>(read, WritePlanes<M + R - 1>{out + c, plane});
    });
  }
}

#if HWY_TARGET == HWY_AVX3
/** The same as one step of the right operand of the matrix unit: rows of pairs of sources, columns of destinations. */
template <int M, int R>
HWY_INLINE void SplitFilters(const Taps<R>& taps, int64_t sources, int64_t destinations, uint16_t* out, int64_t plane,
                             Magnitude& magnitude) {
  constexpr int N = M + R - 1;
  for (int64_t k = 0; k < kSplitTile; k++, out += 2 * kSplitTile) {
    const auto low = taps.channel(k), high = taps.channel(k + kSplitTile);
    for (int64_t c = 0; c < destinations; c += kLanes) {
      withLanes(destinations - c, [&](auto access) HWY_ATTR {
        const auto transform = [&](const auto& channel, const auto& write) HWY_ATTR {
          const ReadPixels<R, decltype(access)> read{channel.tap, channel.later, c, access};
          Transform<Winograd<M, R>::kG>(ReadSeen<decltype(read)>{read, magnitude}, write);
        };
        uint16_t* const row = out + c / kLanes * kSplitTileWords;
        HalfPairs<N> half;
        if (k < sources) {
          transform(low, WriteHalf<N>{half});
        } else {
          std::memset(half.at, 0, sizeof half.at);
        }
        if (k + kSplitTile < sources) {
          transform(high, WritePairs<N>{half, row, plane});
        } else {
          WriteUnpaired<N>(half, row, plane);
        }
      });
    }
  }
}
#endif

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
