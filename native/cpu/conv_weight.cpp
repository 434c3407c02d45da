// The weight gradient as a matrix product: rows are output channels, columns (tap, input channel), and the sum runs
// over pixels. A task owns some columns of dw and goes through all pixels, so dw needs no lock and each element is
// summed in one order; a small dw is split over pixels as well, into partial sums added up in order afterwards.
// Of each block of pixels the gradients are packed whole (they stay in L2), the patches panel by panel (in L1).
#include <algorithm>
#include <utility>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/conv_patch.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_weight.cpp"
#include "cpu/simd.h"

#include "cpu/gemm-inl.h"

#ifndef GV_CPU_CONV_WEIGHT_CPP
#define GV_CPU_CONV_WEIGHT_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kWeightRows = 512;     // output channels of a task
constexpr int64_t kWeightColumns = 512;  // and its columns
constexpr int64_t kWeightDepth = 256;    // pixels packed at once
constexpr int kMaxWeightFetch = 1024;
static_assert(kWeightDepth <= kMaxPatchRows, "PatchRows holds a block of pixels");

struct WeightCall {
  const GatherPlan* plan;
  int64_t rowLength;  // kh * kw * channels of a group: a row of dw
  bool trimmed;
  int64_t chunks;  // parts of the pixels
  const float *x, *dy;
  float* sums;  // [chunk][k][rowLength]
  int64_t chunkStride;
};

/** Columns [column0, column1) of tap row tapY (trimmed) or of whole rows of dw (then tapY is 0). */
struct WeightTask {
  int64_t group, tapY, column0, column1, row0, rows, chunk;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** The gradients of some pixels as A panels: the channels of a pixel are neighbours, pixels are the depth. */
static void PackGradients(const float* dy, const PatchRows& pixels, int64_t count, int64_t rows, float* out) {
  const int panelRows = PanelRows(rows);
  for (int64_t row = 0; row < rows; row += panelRows) {
    const int height = static_cast<int>(std::min<int64_t>(panelRows, rows - row));
    for (int64_t p = 0; p < count; p++, out += height) PackColumnA(dy + pixels.dest[p] + row, height, out);
  }
}

/** Columns [column, column + columns) of the patches of some pixels as one B panel; `pieces` describe those columns. */
static void PackPixelPanel(const GatherPlan& plan, const PatchSet& set, const PatchRows& pixels, int64_t count,
                           const std::vector<PatchPiece>& pieces, int columns, float* out, float* line) {
  const int width = PanelWidth(columns);
  for (int64_t p = 0; p < count; p++, out += width) {
    if (!pixels.inside[p]) {
      copyClipped(plan, set, pixels, p, pieces, line);
      CopyLoose(line, columns, out);
    } else if (pieces.size() == 1 && columns == kNR) {
      std::memcpy(out, pixels.window[p] + pieces[0].offset, kNR * sizeof(float));
    } else {
      // What a piece writes too much, the next piece or pixel overwrites.
      for (const PatchPiece& piece : pieces) CopyLoose(pixels.window[p] + piece.offset, piece.length, out + piece.k);
    }
  }
}

/** The first line of each pixel's patch at the given columns. */
static int FetchPixels(const PatchRows& pixels, int64_t count, const std::vector<PatchPiece>& pieces,
                        const float** lines) {
  for (int64_t p = 0; p < count; p++) lines[p] = pixels.window[p] + pieces[0].offset;
  return static_cast<int>(count);
}

void ConvWeightBlock(const WeightCall& call, const WeightTask& task) {
  const GatherPlan& plan = *call.plan;
  const AxisPhase &py = plan.y[0], &px = plan.x[0];
  float* sums = call.sums + task.chunk * call.chunkStride + (task.group * plan.columns + task.row0) * call.rowLength +
                task.tapY * px.taps * plan.depth;
  for (int64_t r = 0; r < task.rows; r++) {
    std::fill(sums + r * call.rowLength + task.column0, sums + r * call.rowLength + task.column1, 0.0f);
  }
  float* const packedA = scratch(kScratchPackA, task.rows * kWeightDepth + kSlackA);
  float* const packedB = scratch(kScratchPackB, PanelStrideB(kWeightDepth) + kLanes);
  float* const line = scratch(kScratchConvChunk, 2 * kNR);
  std::vector<std::vector<PatchPiece>> pieces((task.column1 - task.column0 + kNR - 1) / kNR);
  PatchRows buffers[2];
  PatchRows *pixels = &buffers[0], *next = &buffers[1];
  const float* fetch[kMaxWeightFetch];
  for (const AxisRun& y : py.runs) {
    if (call.trimmed && (task.tapY < y.tap0 || task.tapY >= y.tap0 + y.taps)) continue;
    for (const AxisRun& x : px.runs) {
      const int64_t first = call.trimmed ? x.tap0 * plan.depth : 0;
      const int64_t end = call.trimmed ? first + x.taps * plan.depth : call.rowLength;
      const int64_t column0 = std::max(task.column0, first), column1 = std::min(task.column1, end);
      if (column0 >= column1) continue;
      const PatchSet set{&py, &px, &y, &x, task.group};
      for (int64_t c = column0, i = 0; c < column1; c += kNR, i++) {
        const int64_t tapY = call.trimmed ? task.tapY - y.tap0 : 0;
        cutPieces(plan, set, tapY, c - first, std::min<int64_t>(kNR, column1 - c), pieces[i]);
      }
      float* rows[kWeightRows];
      for (int64_t r = 0; r < task.rows; r++) rows[r] = sums + r * call.rowLength + column0;
      const int64_t total = plan.n * set.perImage(), stop = total * (task.chunk + 1) / call.chunks;
      int64_t pixel = total * task.chunk / call.chunks, count = std::min(kWeightDepth, stop - pixel);
      if (count > 0) findPatchRows(plan, set, call.x, pixel, count, *pixels);
      while (count > 0) {
        const int64_t nextCount = std::min(kWeightDepth, stop - pixel - count);
        if (nextCount > 0) findPatchRows(plan, set, call.x, pixel + count, nextCount, *next);
        PackGradients(call.dy + task.row0, *pixels, count, task.rows, packedA);
        for (int64_t c = column0, i = 0; c < column1; c += kNR, i++) {
          const int width = static_cast<int>(std::min<int64_t>(kNR, column1 - c));
          PackPixelPanel(plan, set, *pixels, count, pieces[i], width, packedB, line);
          // Fetched meanwhile: the patches of the next columns, and a share of the next pixels' gradients.
          const bool last = c + kNR >= column1;
          int lines = FetchPixels(last ? *next : *pixels, last ? nextCount : count, pieces[last ? 0 : i + 1], fetch);
          const int64_t panels = (column1 - column0 + kNR - 1) / kNR;
          for (int64_t p = nextCount * i / panels; p < nextCount * (i + 1) / panels; p++) {
            for (int64_t r = 0; r < task.rows && lines < kMaxWeightFetch; r += 2 * kBlockK) {
              fetch[lines++] = call.dy + next->dest[p] + task.row0 + r;
            }
          }
          MultiplyColumnPanel<kColumnsA>(packedA, task.rows, packedB, width, count, rows, c - column0, 1.0f, nullptr,
                                         {fetch, lines});
        }
        pixel += count;
        count = nextCount;
        std::swap(pixels, next);
      }
    }
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvWeightBlock);

void convWeightGemm(const ConvShape& s, const float* x, const float* dy, float* dw) {
  GatherPlan plan = gatherPlan(ConvPass::Forward, s, true);
  const bool trimmed = trimmingPays(plan);
  if (!trimmed) plan = gatherPlan(ConvPass::Forward, s, false);
  WeightCall call{&plan, s.kh * s.kw * plan.depth, trimmed, 1, x, dy, dw, s.k * s.kh * s.kw * plan.depth};

  std::vector<WeightTask> tasks;
  const int64_t width = trimmed ? s.kw * plan.depth : call.rowLength;
  for (int64_t group = 0; group < plan.groups; group++) {
    for (int64_t row = 0; row < plan.columns; row += kWeightRows) {
      for (int64_t tapY = 0; tapY < (trimmed ? s.kh : 1); tapY++) {
        for (int64_t column = 0; column < width; column += kWeightColumns) {
          tasks.push_back({group, tapY, column, std::min(width, column + kWeightColumns), row,
                           std::min(kWeightRows, plan.columns - row), 0});
        }
      }
    }
  }

  // The number of parts decides the order of the sums, so it may not depend on the number of threads.
  constexpr int64_t kEnoughTasks = 16, kPixelsPerChunk = 1024;
  const int64_t columnTasks = static_cast<int64_t>(tasks.size());
  const int64_t mostChunks = std::max<int64_t>(1, kEnoughTasks / columnTasks);
  call.chunks = std::clamp<int64_t>(s.n * s.oh * s.ow / kPixelsPerChunk, 1, mostChunks);
  if (call.chunks > 1) call.sums = scratch(kScratchPartial, call.chunks * call.chunkStride);
  for (int64_t chunk = 1; chunk < call.chunks; chunk++) {
    for (int64_t i = 0; i < columnTasks; i++) {
      tasks.push_back(tasks[i]);
      tasks.back().chunk = chunk;
    }
  }
  const auto block = HWY_DYNAMIC_DISPATCH(ConvWeightBlock);
  parallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t i) { block(call, tasks[i]); });
  if (call.chunks == 1) return;
  parallelRange(call.chunkStride, 16384, [&](int64_t begin, int64_t end) {
    std::copy(call.sums + begin, call.sums + end, dw + begin);
    for (int64_t chunk = 1; chunk < call.chunks; chunk++) {
      const float* part = call.sums + chunk * call.chunkStride;
      for (int64_t i = begin; i < end; i++) dw[i] += part[i];
    }
  });
}

}  // namespace gv::cpu
#endif
