// Convolution with 1 to 4 channels on one side (a discriminator's first layer, a generator's last), directly: no patches
// and no packed pixels, as a thin window is short. The lines of the image that a task needs are copied once, with their
// padding, so every window lies in memory as if it were inside; then
//   from few channels   sums of 6 pixels x 4 vectors of results stay in registers while the window is walked,
//   weight gradient     sums of 6 (or the thin side's 1 to 4) x 4 vectors stay there while some pixels are walked.
// One group, no dilation. Into few channels: conv_narrow.cpp.
#include <algorithm>
#include <cstring>

#include "cpu/conv_kernels.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_thin.cpp"
#include "cpu/simd.h"

#include "cpu/simd-inl.h"

#ifndef GV_CPU_CONV_THIN_CPP
#define GV_CPU_CONV_THIN_CPP
namespace gv::cpu {
namespace {

constexpr int kThinSums = 6;  // pixels, or elements of a window, whose sums are in registers at once

/** Some lines of an image with padding on all sides. */
struct ThinLines {
  float* data;
  int64_t line;   // floats from one line to the next
  int64_t pixel;  // floats from one result's window to its neighbour's
};

int64_t thinLineFloats(const ConvShape& s) { return ((s.ow - 1) * s.strideW + s.kw) * s.c; }

/** The lines that result lines [begin, end) of an image see. */
ThinLines copyLines(const ConvShape& s, const float* image, int64_t begin, int64_t end) {
  const int64_t line = thinLineFloats(s), lines = (end - begin - 1) * s.strideH + s.kh;
  ThinLines out{scratch(kScratchConvChunk, lines * line), line, s.strideW * s.c};
  const int64_t before = std::min(s.padLeft * s.c, line), inside = std::min(s.w * s.c, line - before);
  for (int64_t i = 0; i < lines; i++) {
    float* const to = out.data + i * line;
    const int64_t y = begin * s.strideH - s.padTop + i;
    if (y < 0 || y >= s.h) {
      std::fill_n(to, line, 0.0f);
      continue;
    }
    std::fill_n(to, before, 0.0f);
    std::memcpy(to + before, image + y * s.w * s.c, inside * sizeof(float));
    std::fill(to + before + inside, to + line, 0.0f);
  }
  return out;
}

/** Result lines of a task, or of a block of it that stays in the first-level cache. */
int64_t thinLinesOf(const ConvShape& s, int64_t pixels) { return std::clamp<int64_t>(pixels / s.ow, 1, s.oh); }

/** One side of the weight gradient's products: where its pixels lie. */
struct ThinSide {
  const float* data;
  int64_t line, pixel;
};

/** Sums over some lines of pixels: sums[b * stride + lane] += spread[offsets[b]] * vectors[lane]. */
struct ThinProduct {
  ThinSide vectors, spread;
  int64_t lines, pixels;
  int64_t offsets[kThinSums];
  int64_t width;  // valid lanes
  float* sums[kThinSums];
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

constexpr int kThinVectors = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 4 : 2;

int64_t ConvThinPanel() { return kThinVectors * kLanes; }

/** The windows of `count` pixels times NV vectors of weights [line][element of the line][panel]. */
template <int NV>
HWY_INLINE void ThinPixels(const ConvShape& s, int64_t line, const float* const* windows, int count,
                           const float* HWY_RESTRICT weights, const float* bias, int64_t width, float* dest) {
  const D d;
  V sum[kThinSums][NV];
  const float* at[kThinSums];
#pragma GCC unroll 6
  for (int r = 0; r < kThinSums; r++) {
    at[r] = windows[r];
    for (int v = 0; v < NV; v++) sum[r][v] = hn::Zero(d);
  }
  const int64_t length = s.kw * s.c;
  for (int64_t ky = 0; ky < s.kh; ky++) {
    for (int64_t i = ky * line; i < ky * line + length; i++, weights += kThinVectors * kLanes) {
      V w[NV];
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) w[v] = hn::LoadU(d, weights + v * kLanes);
#pragma GCC unroll 6
      for (int r = 0; r < kThinSums; r++) {
        const V x = hn::Set(d, at[r][i]);
#pragma GCC unroll 4
        for (int v = 0; v < NV; v++) sum[r][v] = hn::MulAdd(x, w[v], sum[r][v]);
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kThinSums; r++) {
    if (r >= count) break;
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
      const int64_t rest = std::min<int64_t>(kLanes, width - v * kLanes);
      float* const to = dest + r * s.k + v * kLanes;
      V y = sum[r][v];
      if (bias != nullptr) y = hn::Add(y, LoadFirst(bias + v * kLanes, rest));
      if (rest == kLanes) {
        hn::StoreU(y, d, to);
      } else {
        StoreFirst(y, to, rest);
      }
    }
  }
}

/** Some result lines of one image, all channels: their pixels are neighbours in memory. */
void ConvThinLines(const ConvShape& s, const ThinLines& in, const float* weights, const float* bias, int64_t lines,
                   float* dest) {
  constexpr int64_t kPanel = kThinVectors * kLanes;
  const int64_t pixels = lines * s.ow;
  int64_t x = 0;
  const float *line = in.data, *windows[kThinSums] = {};
  for (int64_t pixel = 0; pixel < pixels; pixel += kThinSums, dest += kThinSums * s.k) {
    const int count = static_cast<int>(std::min<int64_t>(kThinSums, pixels - pixel));
    for (int r = 0; r < kThinSums; r++) {
      windows[r] = r < count ? line + x * in.pixel : windows[0];
      if (r < count && ++x == s.ow) {
        x = 0;
        line += s.strideH * in.line;
      }
    }
    const float* panel = weights;
    for (int64_t k = 0; k < s.k; k += kPanel, panel += s.kh * s.kw * s.c * kPanel) {
      const int64_t width = std::min(kPanel, s.k - k);
      const float* const add = bias == nullptr ? nullptr : bias + k;
      switch ((width + kLanes - 1) / kLanes) {
        case 1:
          ThinPixels<1>(s, in.line, windows, count, panel, add, width, dest + k);
          break;
        case 2:
          ThinPixels<2>(s, in.line, windows, count, panel, add, width, dest + k);
          break;
        case 3:
          ThinPixels<std::min(3, kThinVectors)>(s, in.line, windows, count, panel, add, width, dest + k);
          break;
        default:
          ThinPixels<kThinVectors>(s, in.line, windows, count, panel, add, width, dest + k);
      }
    }
  }
}

template <int NB, int NV, bool kWhole>
HWY_INLINE void ThinSums(const ThinProduct& p, int64_t lane) {
  const D d;
  const auto load = [&](const float* from) HWY_ATTR {
    if constexpr (kWhole) return hn::LoadU(d, from);
    return LoadFirst(from, p.width - lane);
  };
  V sum[NB][NV];
#pragma GCC unroll 6
  for (int b = 0; b < NB; b++) {
    for (int v = 0; v < NV; v++) sum[b][v] = hn::Zero(d);
  }
  for (int64_t y = 0; y < p.lines; y++) {
    const float* vectors = p.vectors.data + y * p.vectors.line + lane;
    const float* spread[NB];
    for (int b = 0; b < NB; b++) spread[b] = p.spread.data + y * p.spread.line + p.offsets[b];
    int64_t at = 0;
    for (int64_t x = 0; x < p.pixels; x++, vectors += p.vectors.pixel, at += p.spread.pixel) {
      V v[NV];
#pragma GCC unroll 4
      for (int i = 0; i < NV; i++) v[i] = load(vectors + i * kLanes);
#pragma GCC unroll 6
      for (int b = 0; b < NB; b++) {
        const V one = hn::Set(d, spread[b][at]);
#pragma GCC unroll 4
        for (int i = 0; i < NV; i++) sum[b][i] = hn::MulAdd(one, v[i], sum[b][i]);
      }
    }
  }
#pragma GCC unroll 6
  for (int b = 0; b < NB; b++) {
    for (int i = 0; i < NV; i++) {
      float* const to = p.sums[b] + lane + i * kLanes;
      if constexpr (kWhole) {
        hn::StoreU(hn::Add(hn::LoadU(d, to), sum[b][i]), d, to);
      } else {
        const size_t rest = p.width - lane;
        StoreFirst(hn::Add(LoadFirst(to, rest), sum[b][i]), to, rest);
      }
    }
  }
}

template <int NB>
void ThinWeights(const ThinProduct& p) {
  int64_t lane = 0;
  for (; lane + kThinVectors * kLanes <= p.width; lane += kThinVectors * kLanes) {
    ThinSums<NB, kThinVectors, true>(p, lane);
  }
  for (; lane + kLanes <= p.width; lane += kLanes) ThinSums<NB, 1, true>(p, lane);
  if (lane < p.width) ThinSums<NB, 1, false>(p, lane);
}

void ConvThinWeights(const ThinProduct& p, int sums) {
  switch (sums) {
    case 1:
      return ThinWeights<1>(p);
    case 2:
      return ThinWeights<2>(p);
    case 3:
      return ThinWeights<3>(p);
    case 4:
      return ThinWeights<4>(p);
    case 5:
      return ThinWeights<5>(p);
    default:
      return ThinWeights<6>(p);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvThinPanel);
HWY_EXPORT(ConvThinLines);
HWY_EXPORT(ConvThinWeights);

namespace {

constexpr int64_t kMostThin = 4, kFewestWide = 16, kLongestWindow = 512;

/** The input gradient of stride 1 as the convolution it is: dy takes the place of x, taps are read backwards. */
ConvShape turned(const ConvShape& s) {
  ConvShape t = s;
  std::swap(t.h, t.oh);
  std::swap(t.w, t.ow);
  std::swap(t.c, t.k);
  t.padTop = s.kh - 1 - s.padTop;
  t.padLeft = s.kw - 1 - s.padLeft;
  return t;
}

/** Weights as [panel of results][window][lane], with zeros behind the last result. */
void packThin(ConvPass pass, const ConvShape& s, const float* w, int64_t panel, float* packed) {
  const int64_t window = s.kh * s.kw * s.c, taps = s.kh * s.kw;
  for (int64_t k0 = 0; k0 < s.k; k0 += panel, packed += window * panel) {
    for (int64_t e = 0; e < window; e++) {
      for (int64_t k = 0; k < panel; k++) {
        const int64_t to = k0 + k, tap = taps - 1 - e / s.c, from = e % s.c;
        const int64_t at = pass == ConvPass::Forward ? to * window + e : (from * taps + tap) * s.k + to;
        packed[e * panel + k] = to < s.k ? w[at] : 0.0f;
      }
    }
  }
}

}  // namespace

bool convThinSupports(ConvPass pass, const ConvShape& s) {
  if (s.groups != 1 || s.dilationH != 1 || s.dilationW != 1 || s.padTop < 0 || s.padLeft < 0) return false;
  const int64_t thin = pass == ConvPass::Forward ? s.c : s.k, wide = pass == ConvPass::Forward ? s.k : s.c;
  if (pass == ConvPass::WeightGrad) {
    return std::min(s.c, s.k) <= kMostThin && std::max(s.c, s.k) >= kFewestWide && s.kh * s.kw <= kLongestWindow;
  }
  const bool turnable = s.strideH == 1 && s.strideW == 1 && s.padTop < s.kh && s.padLeft < s.kw;
  return (pass == ConvPass::Forward || turnable) && thin <= kMostThin && wide >= kFewestWide &&
         s.kh * s.kw * thin <= kLongestWindow;
}

void convThin(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
              float* dest) {
  const ConvShape s = pass == ConvPass::Forward ? shape : turned(shape);
  const int64_t panel = HWY_DYNAMIC_DISPATCH(ConvThinPanel)(), panels = (s.k + panel - 1) / panel;
  float* const packed = scratch(kScratchPackB, panels * panel * s.kh * s.kw * s.c);
  packThin(pass, s, w, panel, packed);
  constexpr int64_t kTaskPixels = 256;
  const int64_t lines = thinLinesOf(s, kTaskPixels), tasks = (s.oh + lines - 1) / lines;
  const auto kernel = HWY_DYNAMIC_DISPATCH(ConvThinLines);
  parallelFor(s.n * tasks, [&](int64_t task) {
    const int64_t image = task / tasks, begin = task % tasks * lines, count = std::min(lines, s.oh - begin);
    const ThinLines in = copyLines(s, source + image * s.h * s.w * s.c, begin, begin + count);
    float* const to = dest + (image * s.oh + begin) * s.ow * s.k;
    kernel(s, in, packed, end.bias, count, to);
    if (end.finishes()) finishRows(end.finish, to, 1, 0, count * s.ow * s.k);
  });
}

void convThinWeight(const ConvShape& s, const float* x, const float* dy, float* dw) {
  const int64_t length = s.kw * s.c, window = s.kh * length, size = window * s.k;
  const bool thinInput = s.c <= kMostThin;  // vectors then lie along dy's channels and sums are [window][k]
  constexpr int64_t kBlockFloats = 8192;
  const int64_t lines = thinLinesOf(s, kBlockFloats / std::max(s.k, s.c)), perImage = (s.oh + lines - 1) / lines, blocks = s.n * perImage;
  // The number of parts decides the order of the sums, so it may not depend on the number of threads.
  constexpr int64_t kMostChunks = 16;
  const int64_t chunks = std::min(blocks, kMostChunks);
  float* const partial = scratch(kScratchPartial, chunks * size);
  const auto kernel = HWY_DYNAMIC_DISPATCH(ConvThinWeights);
  parallelFor(chunks, [&](int64_t chunk) {
    float* const sums = partial + chunk * size;
    std::fill_n(sums, size, 0.0f);
    for (int64_t block = blocks * chunk / chunks; block < blocks * (chunk + 1) / chunks; block++) {
      const int64_t image = block / perImage, begin = block % perImage * lines, count = std::min(lines, s.oh - begin);
      const ThinLines in = copyLines(s, x + image * s.h * s.w * s.c, begin, begin + count);
      const ThinSide gradients{dy + (image * s.oh + begin) * s.ow * s.k, s.ow * s.k, s.k};
      if (thinInput) {
        ThinProduct p{gradients, {in.data, s.strideH * in.line, in.pixel}, count, s.ow, {}, s.k, {}};
        for (int64_t e = 0; e < window; e += kThinSums) {
          const int64_t group = std::min<int64_t>(kThinSums, window - e);
          for (int64_t b = 0; b < group; b++) {
            p.offsets[b] = (e + b) / length * in.line + (e + b) % length;
            p.sums[b] = sums + (e + b) * s.k;
          }
          kernel(p, static_cast<int>(group));
        }
      } else {
        for (int64_t ky = 0; ky < s.kh; ky++) {
          ThinProduct p{{in.data + ky * in.line, s.strideH * in.line, in.pixel}, gradients, count, s.ow, {}, length, {}};
          for (int64_t b = 0; b < s.k; b++) {
            p.offsets[b] = b;
            p.sums[b] = sums + b * window + ky * length;
          }
          kernel(p, static_cast<int>(s.k));
        }
      }
    }
  });
  for (int64_t k = 0; k < s.k; k++) {
    for (int64_t e = 0; e < window; e++) {
      const float* from = partial + (thinInput ? e * s.k + k : k * window + e);
      float sum = from[0];
      for (int64_t chunk = 1; chunk < chunks; chunk++) sum += from[chunk * size];
      dw[k * window + e] = sum;
    }
  }
}

}  // namespace gv::cpu
#endif
