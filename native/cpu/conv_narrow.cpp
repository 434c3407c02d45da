// Convolution into 1 to 4 channels (a generator's last layer, a patch discriminator's) as dot products: the vector
// runs along the window, where the source is contiguous, so no lane idles however few the result channels are.
// Forward pass and input gradient, over the runs of conv_plan.h; windows are read where they lie, nothing is packed.
#include <algorithm>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_narrow.cpp"
#include "cpu/simd.h"

#include "cpu/simd-inl.h"

#ifndef GV_CPU_CONV_NARROW_CPP
#define GV_CPU_CONV_NARROW_CPP
namespace gv::cpu {
namespace {

/** One run along both axes with its weights. */
struct NarrowRun {
  const AxisPhase *phaseY, *phaseX;
  const AxisRun *y, *x;
  const float* weights;  // [column][taps of the phase][depth], from the run's first tap
  int64_t weightStride;  // from one column to the next
  int64_t weightLine;    // from one tap row to the next
};

struct NarrowCall {
  const GatherPlan* plan;
  const float *source, *bias;
  float* dest;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Pixels a kernel carries: enough sums to hide the latency, few enough for the registers. */
constexpr int NarrowRows(int columns) { return columns <= 2 || (columns == 3 && HWY_TARGET == HWY_AVX3) ? 8 : 4; }

/** result[column][row] for neighbouring pixels whose windows lie `pixelStride` floats apart. */
template <int N>
HWY_INLINE void NarrowDots(const NarrowRun& run, const float* window, int64_t pixelStride, int64_t lineStride,
                           int64_t tapStride, int64_t taps, int64_t length, int rows, float (*result)[8]) {
  constexpr int MR = NarrowRows(N);
  const D d;
  V sum[N][MR];
  for (int c = 0; c < N; c++) {
    for (int r = 0; r < MR; r++) sum[c][r] = hn::Zero(d);
  }
  for (int64_t ty = 0; ty < run.y->taps; ty++) {
    const float* weights = run.weights + ty * run.weightLine;
    for (int64_t tx = 0; tx < taps; tx++, weights += length) {
      const float* from[MR];
      for (int r = 0; r < MR; r++) {
        from[r] = window + ty * lineStride + tx * tapStride + std::min(r, rows - 1) * pixelStride;
      }
      int64_t i = 0;
      for (; i + kLanes <= length; i += kLanes) {
        V w[N];
#pragma GCC unroll 4
        for (int c = 0; c < N; c++) w[c] = hn::LoadU(d, weights + c * run.weightStride + i);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
          const V x = hn::LoadU(d, from[r] + i);
#pragma GCC unroll 4
          for (int c = 0; c < N; c++) sum[c][r] = hn::MulAdd(x, w[c], sum[c][r]);
        }
      }
      if (i == length) continue;
      V w[N];
      for (int c = 0; c < N; c++) w[c] = LoadFirst(weights + c * run.weightStride + i, length - i);
#pragma GCC unroll 8
      for (int r = 0; r < MR; r++) {
        const V x = LoadFirst(from[r] + i, length - i);
#pragma GCC unroll 4
        for (int c = 0; c < N; c++) sum[c][r] = hn::MulAdd(x, w[c], sum[c][r]);
      }
    }
  }
  for (int c = 0; c < N; c++) {
    for (int r = 0; r < MR; r += 4) SumLanes4(sum[c][r], sum[c][r + 1], sum[c][r + 2], sum[c][r + 3], result[c] + r);
  }
}

template <int N>
HWY_INLINE void NarrowLines(const NarrowCall& call, const NarrowRun& run, int64_t image, int64_t begin, int64_t end) {
  constexpr int MR = NarrowRows(N);
  const GatherPlan& p = *call.plan;
  // Neighbouring taps that are neighbours in memory join into one stretch.
  const bool joined = run.phaseX->tapStep == 1;
  const int64_t taps = joined ? std::min<int64_t>(run.x->taps, 1) : run.x->taps;
  const int64_t length = joined ? run.x->taps * p.depth : p.depth;
  const int64_t lineStride = run.phaseY->tapStep * p.sourceW * p.sourceC;
  const int64_t tapStride = joined ? 0 : run.phaseX->tapStep * p.sourceC;
  for (int64_t iy = begin; iy < end; iy++) {
    const int64_t sy = run.y->source0 + iy * run.phaseY->sourceStep, dy = run.y->dest0 + iy * run.phaseY->destStep;
    for (int64_t ix = 0; ix < run.x->count; ix += MR) {
      const int rows = static_cast<int>(std::min<int64_t>(MR, run.x->count - ix));
      const int64_t sx = run.x->source0 + ix * run.phaseX->sourceStep;
      const float* window = call.source + ((image * p.sourceH + sy) * p.sourceW + sx) * p.sourceC;
      float result[N][8];
      NarrowDots<N>(run, window, run.phaseX->sourceStep * p.sourceC, lineStride, tapStride, taps, length, rows, result);
      float* dest = call.dest + ((image * p.destH + dy) * p.destW + run.x->dest0 + ix * run.phaseX->destStep) * N;
      for (int r = 0; r < rows; r++, dest += run.phaseX->destStep * N) {
        for (int c = 0; c < N; c++) dest[c] = result[c][r] + (call.bias == nullptr ? 0.0f : call.bias[c]);
      }
    }
  }
}

/** Lines [begin, end) of one run in one image. */
void ConvNarrowLines(const NarrowCall& call, const NarrowRun& run, int64_t image, int64_t begin, int64_t end) {
  switch (call.plan->columns) {
    case 1:
      return NarrowLines<1>(call, run, image, begin, end);
    case 2:
      return NarrowLines<2>(call, run, image, begin, end);
    case 3:
      return NarrowLines<3>(call, run, image, begin, end);
    default:
      return NarrowLines<4>(call, run, image, begin, end);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvNarrowLines);

namespace {

/** The weights of one phase of the input gradient as [column][tap row][tap][source channel]. */
void gatherWeights(const GatherPlan& plan, const ConvShape& s, const AxisPhase& y, const AxisPhase& x, const float* w,
                   float* out) {
  for (int64_t column = 0; column < plan.columns; column++) {
    for (int64_t ty = 0; ty < y.taps; ty++) {
      for (int64_t tx = 0; tx < x.taps; tx++) {
        const int64_t tap = (y.weight0 + ty * y.weightStep) * s.kw + x.weight0 + tx * x.weightStep;
        for (int64_t o = 0; o < plan.depth; o++) *out++ = w[(o * s.kh * s.kw + tap) * s.c + column];
      }
    }
  }
}

}  // namespace

void convNarrow(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
                float* dest) {
  const GatherPlan plan = gatherPlan(pass, shape, true);
  const NarrowCall call{&plan, source, end.bias, dest};
  float* packed = nullptr;
  if (pass == ConvPass::InputGrad) packed = scratch(kScratchPackB, shape.k * shape.kh * shape.kw * shape.c);
  std::vector<NarrowRun> runs;
  for (const AxisPhase& py : plan.y) {
    for (const AxisPhase& px : plan.x) {
      const int64_t columnFloats = py.taps * px.taps * plan.depth;
      const float* weights = w;  // in the forward pass they already lie in the order of the sum
      if (pass == ConvPass::InputGrad) {
        gatherWeights(plan, shape, py, px, w, packed);
        weights = packed;
        packed += columnFloats * plan.columns;
      }
      for (const AxisRun& y : py.runs) {
        for (const AxisRun& x : px.runs) {
          const float* first = weights + (y.tap0 * px.taps + x.tap0) * plan.depth;
          runs.push_back({&py, &px, &y, &x, first, columnFloats, px.taps * plan.depth});
        }
      }
    }
  }
  // A few lines at a time, of all phases: they read the same source, which then stays in the caches.
  constexpr int64_t kLines = 4;
  const int64_t parts = (plan.sourceH + kLines - 1) / kLines;
  const auto kernel = HWY_DYNAMIC_DISPATCH(ConvNarrowLines);
  parallelFor(plan.n * parts, [&](int64_t i) {
    const int64_t part = i % parts;
    for (const NarrowRun& run : runs) {
      kernel(call, run, i / parts, run.y->count * part / parts, run.y->count * (part + 1) / parts);
    }
    if (!end.finishes()) return;
    const int64_t line = plan.destW * plan.destC;
    for (const AxisPhase& y : plan.y) {
      for (const AxisRun& run : y.runs) {
        const int64_t first = run.count * part / parts, lines = run.count * (part + 1) / parts - first;
        float* const begin = dest + (i / parts * plan.destH + run.dest0 + first * y.destStep) * line;
        finishRows(end.finish, begin, lines, y.destStep * line, line);
      }
    }
  });
}

}  // namespace gv::cpu
#endif
