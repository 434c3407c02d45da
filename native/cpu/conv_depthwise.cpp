// Depthwise convolution (each channel with its own window): forward pass and both gradients, vectors along the
// channels. Memory bound, so nothing is packed but the weights, which are turned to [tap][channel].
#include <algorithm>

#include "cpu/conv_kernels.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_depthwise.cpp"
#include "cpu/simd.h"

#include "cpu/simd-inl.h"

#ifndef GV_CPU_CONV_DEPTHWISE_CPP
#define GV_CPU_CONV_DEPTHWISE_CPP
namespace gv::cpu {
namespace {

/** One pixel of a run: its window and the weights of the run's first tap, as strides between taps. */
struct DepthwiseWindow {
  const float* source;
  const float* weights;
  int64_t tapsY, tapsX, sourceY, sourceX, weightY, weightX;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** dest[c] = bias[c] + the sum over the window's taps of source[c] * weight[c]. */
void DepthwisePixel(const DepthwiseWindow& window, const float* bias, int64_t channels, float* dest) {
  const D d;
  const auto piece = [&](int64_t c, auto load) HWY_ATTR {
    V sum = bias == nullptr ? hn::Zero(d) : load(bias + c);
    for (int64_t y = 0; y < window.tapsY; y++) {
      for (int64_t x = 0; x < window.tapsX; x++) {
        const V source = load(window.source + y * window.sourceY + x * window.sourceX + c);
        sum = hn::MulAdd(source, load(window.weights + y * window.weightY + x * window.weightX + c), sum);
      }
    }
    return sum;
  };
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) {
    hn::StoreU(piece(c, [&](const float* p) HWY_ATTR { return hn::LoadU(d, p); }), d, dest + c);
  }
  if (c < channels) {
    const int64_t rest = channels - c;
    StoreFirst(piece(c, [&](const float* p) HWY_ATTR { return LoadFirst(p, rest); }), dest + c, rest);
  }
}

/** sums[c] += the sum over `pixels` neighbours of x[c] * dy[c]. */
void DepthwiseDots(const float* x, int64_t strideX, const float* dy, int64_t strideDy, int64_t pixels, int64_t channels,
                   float* sums) {
  const D d;
  for (int64_t c = 0; c < channels; c += kLanes) {
    const int64_t rest = std::min<int64_t>(kLanes, channels - c);
    V sum = LoadFirst(sums + c, rest);
    if (rest == kLanes) {
      for (int64_t i = 0; i < pixels; i++) {
        sum = hn::MulAdd(hn::LoadU(d, x + i * strideX + c), hn::LoadU(d, dy + i * strideDy + c), sum);
      }
    } else {
      for (int64_t i = 0; i < pixels; i++) {
        sum = hn::MulAdd(LoadFirst(x + i * strideX + c, rest), LoadFirst(dy + i * strideDy + c, rest), sum);
      }
    }
    StoreFirst(sum, sums + c, rest);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(DepthwisePixel);
HWY_EXPORT(DepthwiseDots);

namespace {

void gatherDepthwise(ConvPass pass, const ConvShape& s, const float* source, const float* w, const float* bias,
                     float* dest) {
  const GatherPlan plan = gatherPlan(pass, s, true);
  const int64_t channels = s.c, taps = s.kh * s.kw;
  float* weights = scratch(kScratchPackB, taps * channels);
  for (int64_t tap = 0; tap < taps; tap++) {
    for (int64_t c = 0; c < channels; c++) weights[tap * channels + c] = w[c * taps + tap];
  }
  const auto pixel = HWY_DYNAMIC_DISPATCH(DepthwisePixel);
  for (const AxisPhase& py : plan.y) {
    for (const AxisRun& y : py.runs) {
      parallelFor(plan.n * y.count, [&](int64_t line) {
        const int64_t image = line / y.count, iy = line % y.count;
        const int64_t sy = y.source0 + iy * py.sourceStep, dy = y.dest0 + iy * py.destStep;
        for (const AxisPhase& px : plan.x) {
          for (const AxisRun& x : px.runs) {
            const int64_t tapY = py.weight0 + y.tap0 * py.weightStep, tapX = px.weight0 + x.tap0 * px.weightStep;
            DepthwiseWindow window{nullptr, weights + (tapY * s.kw + tapX) * channels,
                                   y.taps, x.taps,
                                   py.tapStep * plan.sourceW * channels, px.tapStep * channels,
                                   py.weightStep * s.kw * channels, px.weightStep * channels};
            for (int64_t ix = 0; ix < x.count; ix++) {
              const int64_t sx = x.source0 + ix * px.sourceStep, dx = x.dest0 + ix * px.destStep;
              window.source = source + ((image * plan.sourceH + sy) * plan.sourceW + sx) * channels;
              pixel(window, bias, channels, dest + ((image * plan.destH + dy) * plan.destW + dx) * channels);
            }
          }
        }
      });
    }
  }
}

}  // namespace

void convDepthwiseForward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y) {
  gatherDepthwise(ConvPass::Forward, s, x, w, bias, y);
}

void convDepthwiseInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx) {
  gatherDepthwise(ConvPass::InputGrad, s, dy, w, nullptr, dx);
}

void convDepthwiseWeightGrad(const ConvShape& s, const float* x, const float* dy, float* dw) {
  const GatherPlan plan = gatherPlan(ConvPass::Forward, s, true);
  // Parts of the images, their number fixed by the shape, are summed apart and added up in order.
  const int64_t channels = s.c, size = s.kh * s.kw * channels, chunks = std::min<int64_t>(s.n, 16);
  float* partial = scratch(kScratchPartial, chunks * size);
  std::fill_n(partial, chunks * size, 0.0f);
  const auto dots = HWY_DYNAMIC_DISPATCH(DepthwiseDots);
  const AxisPhase &py = plan.y[0], &px = plan.x[0];
  parallelFor(chunks, [&](int64_t chunk) {
    for (int64_t image = s.n * chunk / chunks; image < s.n * (chunk + 1) / chunks; image++) {
      for (const AxisRun& y : py.runs) {
        for (int64_t iy = 0; iy < y.count; iy++) {
          for (const AxisRun& run : px.runs) {
            const float* gradient = dy + ((image * s.oh + y.dest0 + iy) * s.ow + run.dest0) * channels;
            for (int64_t ty = 0; ty < y.taps; ty++) {
              const int64_t row = y.source0 + iy * py.sourceStep + ty * py.tapStep;
              for (int64_t tx = 0; tx < run.taps; tx++) {
                const float* source = x + ((image * s.h + row) * s.w + run.source0 + tx * px.tapStep) * channels;
                dots(source, px.sourceStep * channels, gradient, channels, run.count, channels,
                     partial + chunk * size + ((y.tap0 + ty) * s.kw + run.tap0 + tx) * channels);
              }
            }
          }
        }
      }
    }
  });
  for (int64_t c = 0; c < channels; c++) {
    for (int64_t tap = 0; tap < s.kh * s.kw; tap++) {
      float sum = partial[tap * channels + c];
      for (int64_t chunk = 1; chunk < chunks; chunk++) sum += partial[chunk * size + tap * channels + c];
      dw[c * s.kh * s.kw + tap] = sum;
    }
  }
}

}  // namespace gv::cpu
#endif
