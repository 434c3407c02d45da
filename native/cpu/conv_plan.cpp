// The phases and runs of conv_plan.h.
#include "cpu/conv_plan.h"

#include <algorithm>
#include <numeric>

namespace gv::cpu {
namespace {

int64_t floorDivide(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/** The taps t in [0, taps) with 0 <= first + t * step < size: a range, since step > 0. */
std::pair<int64_t, int64_t> validTaps(int64_t first, int64_t step, int64_t taps, int64_t size) {
  const int64_t begin = first >= 0 ? 0 : std::min(taps, (-first + step - 1) / step);
  const int64_t end = std::clamp<int64_t>(floorDivide(size - 1 - first, step) + 1, begin, taps);
  return {begin, end};
}

/** Splits a phase into runs. Position i is dest0 + i * destStep and its tap 0 reads first + i * sourceStep. */
void addRuns(AxisPhase& phase, int64_t dest0, int64_t count, int64_t first, int64_t sourceSize, bool trim) {
  if (!trim) {
    phase.runs.push_back({dest0, count, first, 0, phase.taps});
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    const int64_t source = first + i * phase.sourceStep;
    const auto [begin, end] = validTaps(source, phase.tapStep, phase.taps, sourceSize);
    if (!phase.runs.empty()) {
      AxisRun& last = phase.runs.back();
      if (last.taps == end - begin && (last.taps == 0 || last.tap0 == begin)) {
        last.count++;
        continue;
      }
    }
    phase.runs.push_back({dest0 + i * phase.destStep, 1, source + begin * phase.tapStep, begin, end - begin});
  }
}

}  // namespace

std::vector<AxisPhase> forwardAxis(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                                   int64_t dilation, bool trim) {
  AxisPhase phase{kernel, 0, 1, dilation, 1, stride, {}};
  if (out > 0) addRuns(phase, 0, out, -pad, in, trim);
  return {phase};
}

std::vector<AxisPhase> inputGradAxis(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                                     int64_t dilation, bool trim) {
  // Position p gathers the gradient at o where p + pad = o * stride + k * dilation. For a residue of p modulo the
  // stride the fitting taps k form an arithmetic progression, and a step along it moves o by a whole number.
  std::vector<AxisPhase> phases;
  const int64_t common = std::gcd(stride, dilation), weightStep = stride / common, tapStep = dilation / common;
  for (int64_t residue = 0; residue < std::min(stride, in); residue++) {
    const int64_t count = (in - 1 - residue) / stride + 1;
    int64_t tap = 0;
    while (tap < std::min(kernel, weightStep) && (residue + pad - tap * dilation) % stride != 0) tap++;
    AxisPhase phase{0, 0, -weightStep, tapStep, stride, 1, {}};
    int64_t first = 0;
    if (tap < std::min(kernel, weightStep)) {
      // The last tap reads the lowest gradient, so counting taps backwards makes the source ascend.
      phase.taps = (kernel - 1 - tap) / weightStep + 1;
      phase.weight0 = tap + (phase.taps - 1) * weightStep;
      first = (residue + pad - phase.weight0 * dilation) / stride;
    }
    addRuns(phase, residue, count, first, out, trim);
    phases.push_back(std::move(phase));
  }
  return phases;
}

GatherPlan gatherPlan(ConvPass pass, const ConvShape& s, bool trim) {
  if (pass == ConvPass::InputGrad) {
    return {s.n, s.oh, s.ow, s.k, s.h, s.w, s.c, s.groups, s.k / s.groups, s.c / s.groups,
            inputGradAxis(s.oh, s.h, s.kh, s.strideH, s.padTop, s.dilationH, trim),
            inputGradAxis(s.ow, s.w, s.kw, s.strideW, s.padLeft, s.dilationW, trim)};
  }
  return {s.n, s.h, s.w, s.c, s.oh, s.ow, s.k, s.groups, s.c / s.groups, s.k / s.groups,
          forwardAxis(s.oh, s.h, s.kh, s.strideH, s.padTop, s.dilationH, trim),
          forwardAxis(s.ow, s.w, s.kw, s.strideW, s.padLeft, s.dilationW, trim)};
}

bool trimmingPays(const GatherPlan& plan) {
  // A set of rows costs its panels of twelve rows times its taps; a last panel of few rows waits for the latency of
  // the multiply-adds and costs as much as four. A short piece of the sum costs more to set up than it saves.
  constexpr int64_t kPanel = 12, kLeast = 4, kShortest = 96;
  const auto cost = [&](int64_t rows) {
    const int64_t rest = rows % kPanel;
    return rows - rest + (rest == 0 ? 0 : std::max(rest, kLeast));
  };
  int64_t trimmed = 0, whole = 0;
  for (const AxisPhase& py : plan.y) {
    for (const AxisPhase& px : plan.x) {
      if (px.taps > 0 && px.taps * plan.depth < kShortest) return false;
      int64_t positions = 0;
      for (const AxisRun& ry : py.runs) {
        for (const AxisRun& rx : px.runs) {
          trimmed += cost(plan.n * ry.count * rx.count) * ry.taps * rx.taps;
          positions += ry.count * rx.count;
        }
      }
      whole += cost(plan.n * positions) * py.taps * px.taps;
    }
  }
  return trimmed < whole;
}

}  // namespace gv::cpu
