// Convolutions of bf16 images on AMX. Those that conv_bf16_direct.h declines, with few channels or few small images, copy
// patches into rows of a small matrix, which gemm.h multiplies while it still lies in the cache. bf16 products are
// nearly free, so Winograd's transforms would not pay. See conv_plan.h for phases and runs.
#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/amx.h"
#include "cpu/conv.h"
#include "cpu/conv_bf16_direct.h"
#include "cpu/conv_plan.h"
#include "cpu/gemm.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

namespace gv::cpu {
namespace {

using ops::BF16;

constexpr int64_t kPatchWords = int64_t{1} << 19;  // of a block of patches: half of the second-level cache
constexpr int64_t kFewestRows = 256;               // each block packs the weights anew
constexpr int64_t kGradientRows = 1024;            // pixels summed up at a time

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

BF16* scratchWords(int slot, int64_t words) { return reinterpret_cast<BF16*>(scratch(slot, words / 2 + 1)); }

/** A phase of both axes, with all taps: pixels outside the image are zero in the patches. */
struct Phase {
  const AxisPhase *y, *x;
  BF16* weights;  // of the input gradient, see copyWeights

  const AxisRun& runY() const { return y->runs[0]; }
  const AxisRun& runX() const { return x->runs[0]; }
  int64_t rowsPerImage() const { return runY().count * runX().count; }
};

/** Tap rows [tapY0, tapY1) of the patches of some pixels: `rows` rows of (tap row, tap, channel), one after another. */
void copyPatches(const GatherPlan& p, const Phase& phase, const BF16* source, int64_t row0, int64_t rows, int64_t tapY0,
                 int64_t tapY1, BF16* out) {
  const int64_t tapsX = phase.x->taps, stepX = phase.x->tapStep, line = tapsX * p.depth;
  int64_t image = row0 / phase.rowsPerImage();
  int64_t iy = row0 % phase.rowsPerImage() / phase.runX().count, ix = row0 % phase.runX().count;
  for (int64_t r = 0; r < rows; r++) {
    const int64_t x0 = phase.runX().source0 + ix * phase.x->sourceStep;
    // Taps first .. end - 1 fall inside the image.
    const int64_t first = std::clamp<int64_t>(x0 < 0 ? divideUp(-x0, stepX) : 0, 0, tapsX);
    const int64_t end = std::clamp<int64_t>(x0 >= p.sourceW ? 0 : divideUp(p.sourceW - x0, stepX), first, tapsX);
    for (int64_t t = tapY0; t < tapY1; t++, out += line) {
      const int64_t y = phase.runY().source0 + iy * phase.y->sourceStep + t * phase.y->tapStep;
      if (y < 0 || y >= p.sourceH || first == end) {
        std::memset(out, 0, line * sizeof(BF16));
        continue;
      }
      const BF16* from = source + ((image * p.sourceH + y) * p.sourceW + x0 + first * stepX) * p.sourceC;
      if (first > 0) std::memset(out, 0, first * p.depth * sizeof(BF16));
      if (stepX == 1) {
        std::memcpy(out + first * p.depth, from, (end - first) * p.depth * sizeof(BF16));
      } else {
        for (int64_t x = first; x < end; x++, from += stepX * p.sourceC) {
          std::memcpy(out + x * p.depth, from, p.depth * sizeof(BF16));
        }
      }
      if (end < tapsX) std::memset(out + end * p.depth, 0, (tapsX - end) * p.depth * sizeof(BF16));
    }
    if (++ix < phase.runX().count) continue;
    ix = 0;
    if (++iy < phase.runY().count) continue;
    iy = 0;
    image++;
  }
}

/** The weights of a phase of the input gradient as [tap row][tap][output channel] x input channels. */
void copyWeights(const ConvShape& s, const Phase& phase, const BF16* w) {
  BF16* out = phase.weights;
  for (int64_t ty = 0; ty < phase.y->taps; ty++) {
    for (int64_t tx = 0; tx < phase.x->taps; tx++) {
      const int64_t ky = phase.y->weight0 + ty * phase.y->weightStep, kx = phase.x->weight0 + tx * phase.x->weightStep;
      const BF16* from = w + (ky * s.kw + kx) * s.c;
      for (int64_t o = 0; o < s.k; o++, from += s.kh * s.kw * s.c, out += s.c) std::memcpy(out, from, s.c * sizeof(BF16));
    }
  }
}

/** Results of few channels waste most of a tile: where patches are made for them, dot products in float32 are faster. */
constexpr int64_t kFewestChannels = 5;

bool supported(const ConvShape& s) {
  return s.groups == 1 && s.n * s.oh * s.ow * s.k * s.c * s.h * s.w > 0 && amxAvailable();
}

}  // namespace

bool convForwardBF16(const ConvShape& s, const BF16* x, const BF16* w, BF16* y, const Epilogue& end) {
  if (!supported(s)) return false;
  const FinishArgs* const finish = end.finishes() ? &end.finish : nullptr;
  const GatherPlan plan = gatherPlan(ConvPass::Forward, s, false);
  const Phase phase{&plan.y[0], &plan.x[0], nullptr};
  const int64_t rows = s.n * s.oh * s.ow, depth = s.kh * s.kw * s.c;
  const bool pointwise = s.kh * s.kw == 1 && s.strideH * s.strideW == 1 && s.padTop == 0 && s.padLeft == 0 &&
                         s.oh == s.h && s.ow == s.w;
  if (pointwise) {
    gemmBF16({false, true, rows, s.k, depth, x, depth, w, depth, nullptr, y, s.k, 0.0f, end.bias, finish});
    return true;
  }
  if (convForwardTilesBF16(s, x, w, end, y)) return true;
  if (s.k < kFewestChannels) return false;
  parallelRange(rows, std::max(kPatchWords / depth, kFewestRows), [&](int64_t begin, int64_t last) {
    BF16* const patches = scratchWords(kScratchConvChunk, (last - begin) * depth);
    copyPatches(plan, phase, x, begin, last - begin, 0, s.kh, patches);
    gemmBF16({false, true, last - begin, s.k, depth, patches, depth, w, depth, nullptr, y + begin * s.k, s.k, 0.0f,
              end.bias, finish});
  });
  return true;
}

bool convInputGradBF16(const ConvShape& s, const BF16* dy, const BF16* w, BF16* dx, const Epilogue& end) {
  if (!supported(s)) return false;
  if (convInputGradTilesBF16(s, dy, w, end, dx)) return true;
  if (s.c < kFewestChannels) return false;
  const FinishArgs* const finish = end.finishes() ? &end.finish : nullptr;
  const GatherPlan plan = gatherPlan(ConvPass::InputGrad, s, false);
  std::vector<Phase> phases;
  BF16* weights = scratchWords(kScratchConv, s.kh * s.kw * s.k * s.c);
  for (const AxisPhase& y : plan.y) {
    for (const AxisPhase& x : plan.x) {
      if (y.runs.empty() || x.runs.empty()) continue;
      phases.push_back({&y, &x, weights});
      weights += y.taps * x.taps * s.k * s.c;
    }
  }
  const int64_t count = static_cast<int64_t>(phases.size());
  parallelFor(count, [&](int64_t i) { copyWeights(s, phases[i], w); });

  struct Task {
    int64_t phase, row0, rows;
  };
  std::vector<Task> tasks;
  for (int64_t i = 0; i < count; i++) {
    const int64_t depth = phases[i].y->taps * phases[i].x->taps * s.k, rows = s.n * phases[i].rowsPerImage();
    const int64_t most = std::max(kPatchWords / std::max<int64_t>(depth, 1), kFewestRows);
    for (int64_t row = 0; row < rows; row += most) tasks.push_back({i, row, std::min(most, rows - row)});
  }
  parallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t index) {
    const Task& task = tasks[index];
    const Phase& phase = phases[task.phase];
    const int64_t depth = phase.y->taps * phase.x->taps * s.k;
    BF16* const patches = scratchWords(kScratchConvChunk, task.rows * (depth + s.c));
    BF16* const result = patches + task.rows * depth;
    copyPatches(plan, phase, dy, task.row0, task.rows, 0, phase.y->taps, patches);
    gemmBF16({false, false, task.rows, s.c, depth, patches, depth, phase.weights, s.c, nullptr, result, s.c,
              0.0f, end.bias, finish});
    for (int64_t r = 0; r < task.rows; r++) {
      const int64_t row = task.row0 + r, perImage = phase.rowsPerImage(), inX = phase.runX().count;
      const int64_t y = phase.runY().dest0 + row % perImage / inX * phase.y->destStep;
      const int64_t x = phase.runX().dest0 + row % inX * phase.x->destStep;
      std::memcpy(dx + ((row / perImage * s.h + y) * s.w + x) * s.c, result + r * s.c, s.c * sizeof(BF16));
    }
  });
  return true;
}

bool convWeightGradBF16(const ConvShape& s, const BF16* x, const BF16* dy, float* dw) {
  if (!supported(s)) return false;
  if (convWeightGradTilesBF16(s, x, dy, dw)) return true;
  const GatherPlan plan = gatherPlan(ConvPass::Forward, s, false);
  const Phase phase{&plan.y[0], &plan.x[0], nullptr};
  const int64_t rows = s.n * s.oh * s.ow, line = s.kw * s.c, rowLength = s.kh * line;
  // A task sums up some tap rows over some of the pixels; the parts of the pixels are added up in order afterwards.
  constexpr int64_t kEnoughTasks = 8;
  const int64_t blocks = divideUp(rows, kGradientRows), floats = s.k * rowLength;
  const int64_t parts = std::clamp<int64_t>(kEnoughTasks / s.kh, 1, blocks);
  float* const sums = parts == 1 ? dw : scratch(kScratchPartial, parts * floats);
  parallelFor(parts * s.kh, [&](int64_t task) {
    const int64_t part = task / s.kh, tapY = task % s.kh;
    BF16* const patches = scratchWords(kScratchConvChunk, kGradientRows * line);
    float beta = 0.0f;
    for (int64_t block = blocks * part / parts; block < blocks * (part + 1) / parts; block++, beta = 1.0f) {
      const int64_t row0 = block * kGradientRows, count = std::min(kGradientRows, rows - row0);
      copyPatches(plan, phase, x, row0, count, tapY, tapY + 1, patches);
      gemmBF16({true, false, s.k, line, count, dy + row0 * s.k, s.k, patches, line, sums + part * floats + tapY * line,
                nullptr, rowLength, beta, nullptr});
    }
  });
  if (parts == 1) return true;
  parallelRange(floats, 16384, [&](int64_t begin, int64_t end) {
    std::copy(sums + begin, sums + end, dw + begin);
    for (int64_t part = 1; part < parts; part++) {
      const float* from = sums + part * floats;
      for (int64_t i = begin; i < end; i++) dw[i] += from[i];
    }
  });
  return true;
}

}  // namespace gv::cpu
