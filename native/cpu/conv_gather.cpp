// Convolution forward pass and input gradient as an implicit matrix product: rows are destination pixels, columns
// destination channels, the sum runs over (tap row, tap, source channel). Patches are packed on the fly, one A panel
// at a time into L1; the weights are packed once per call. See conv_plan.h for phases and runs.
#include <algorithm>
#include <vector>

#include "cpu/conv_kernels.h"
#include "cpu/conv_patch.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/conv_gather.cpp"
#include "cpu/simd.h"

#include "cpu/gemm-inl.h"

#ifndef GV_CPU_CONV_GATHER_CPP
#define GV_CPU_CONV_GATHER_CPP
namespace gv::cpu {
namespace {

constexpr int64_t kGatherRows = 192;     // destination pixels of a task
constexpr int64_t kGatherColumns = 512;  // and channels: the weights of one block of the depth stay in L2
constexpr int64_t kGatherDepth = 320;    // how much of a patch is packed at once
constexpr int kMaxGatherFetch = 512;
static_assert(kGatherRows <= kMaxPatchRows, "PatchRows holds the rows of a task");

/** A phase of both axes: a dense problem with packed weights of its own, one set of panels per group. */
struct GatherPhase {
  const AxisPhase *y, *x;
  int64_t taps() const { return y->taps * x->taps; }
  int64_t packed;  // where the panels of group 0 start
};

/** What one thread does at a time: some rows of one run, some columns of one group. */
struct GatherTask {
  const GatherPhase* phase;
  PatchSet set;
  int64_t row0, rows, column0, columns;
};

struct GatherCall {
  const GatherPlan* plan;
  ConvPass pass;
  ConvShape shape;
  const float *source, *w;
  Epilogue end;
  float *dest, *packed;
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

int64_t ConvColumnStep() { return kNR; }

int64_t ConvPackedFloats(int64_t depth, int64_t columns) { return PackedFloatsB(depth, columns); }

/** Packs one panel of the weights of a phase: [tap row][tap][source channel] x columns. */
void ConvPackWeights(const GatherCall& call, const GatherPhase& phase, int64_t group, int64_t panel) {
  const GatherPlan& plan = *call.plan;
  const ConvShape& s = call.shape;
  const int64_t depth = phase.taps() * plan.depth, window = s.kh * s.kw, inC = s.c / s.groups;
  const int64_t column0 = panel * kNR, columns = std::min<int64_t>(kNR, plan.columns - column0);
  float* out = call.packed + phase.packed + group * PackedFloatsB(depth, plan.columns) + panel * PanelStrideB(depth);
  if (call.pass == ConvPass::Forward) {
    // Taps and channels of one output channel lie in the order of the sum.
    PackPanelTransposedB(call.w + (group * plan.columns + column0) * depth, depth, depth, columns, out);
    return;
  }
  for (int64_t ty = 0; ty < phase.y->taps; ty++) {
    for (int64_t tx = 0; tx < phase.x->taps; tx++) {
      const int64_t ky = phase.y->weight0 + ty * phase.y->weightStep, kx = phase.x->weight0 + tx * phase.x->weightStep;
      const int64_t tap = ky * s.kw + kx;
      PackPanelB(call.w + (group * plan.depth * window + tap) * inC + column0, window * inC, plan.depth, columns, out);
      out += plan.depth * PanelWidth(columns);
    }
  }
}

/** Packs the pieces of rows [first, first + count) as one A panel of depth k. */
static HWY_INLINE void PackPatchPanel(const GatherPlan& p, const PatchSet& set, const PatchRows& rows, int64_t first,
                                      int count, const std::vector<PatchPiece>& pieces, int64_t k, float* out,
                                      float* line) {
  const bool aligned = p.depth % kBlockK == 0;  // then pieces begin at whole blocks of the panel
  for (int i = 0; i < count; i++) {
    const int64_t r = first + i;
    float* rowInPanel = out + i * kBlockK;
    if (aligned && rows.inside[r]) {
      for (const PatchPiece& piece : pieces) {
        PackRowA(rows.window[r] + piece.offset, piece.length, count, piece.k, rowInPanel);
      }
      continue;
    }
    if (rows.inside[r]) {
      for (const PatchPiece& piece : pieces) CopyLoose(rows.window[r] + piece.offset, piece.length, line + piece.k);
    } else {
      copyClipped(p, set, rows, r, pieces, line);
    }
    PackRowA(line, k, count, 0, rowInPanel);
  }
}

/** The source of the panel after this one, to be fetched while this one is multiplied. */
static FetchList FetchPatches(const PatchRows& rows, int64_t first, int64_t end, const std::vector<PatchPiece>& pieces,
                              const float** lines) {
  int count = 0;
  for (int64_t r = first; r < end; r++) {
    if (!rows.inside[r]) continue;
    for (const PatchPiece& piece : pieces) {
      const float* from = rows.window[r] + piece.offset;
      for (int64_t i = 0; i < piece.length && count < kMaxGatherFetch; i += 2 * kBlockK) lines[count++] = from + i;
    }
  }
  return {lines, count};
}

/** One task: packs its patches panel by panel and multiplies each with the weights of its columns. */
void ConvGatherBlock(const GatherCall& call, const GatherTask& task) {
  const GatherPlan& p = *call.plan;
  const PatchSet& set = task.set;
  const AxisRun &y = *set.y, &x = *set.x;
  PatchRows rows;
  findPatchRows(p, set, call.source, task.row0, task.rows, rows);
  float* dest[kGatherRows];
  for (int64_t r = 0; r < task.rows; r++) dest[r] = call.dest + rows.dest[r] + task.column0;
  const float* bias = call.end.from(set.group * p.columns + task.column0).bias;
  const int64_t depth = task.phase->taps() * p.depth, rowLength = x.taps * p.depth;
  if (y.taps * rowLength == 0) {  // no tap reaches these pixels
    for (int64_t r = 0; r < task.rows; r++) {
      for (int64_t c = 0; c < task.columns; c++) dest[r][c] = bias == nullptr ? 0.0f : bias[c];
    }
    return;
  }
  const float* panels = call.packed + task.phase->packed + set.group * PackedFloatsB(depth, p.columns) +
                        task.column0 / kNR * PanelStrideB(depth);
  // The packed weights of a run are contiguous as long as whole tap rows are used; otherwise a tap row at a time.
  const bool whole = x.taps == set.phaseX->taps;
  const int64_t stretches = whole ? 1 : y.taps, stretch = whole ? y.taps * rowLength : rowLength;
  const int64_t blocks = (stretch + kGatherDepth - 1) / kGatherDepth;
  const int64_t blockK = ((stretch + blocks - 1) / blocks + kBlockK - 1) / kBlockK * kBlockK;
  const int panelRows = PanelRows(task.rows);
  float* const packedA = scratch(kScratchPackA, PanelStrideA<kRowsA>(panelRows, blockK));
  float* const line = scratch(kScratchConvChunk, blockK + kLanes);
  std::vector<PatchPiece> pieces;
  const float* lines[kMaxGatherFetch];
  float beta = 0.0f;
  for (int64_t s = 0; s < stretches; s++) {
    const int64_t offset = ((y.tap0 + s) * set.phaseX->taps + x.tap0) * p.depth;
    for (int64_t k0 = 0; k0 < stretch; k0 += blockK, beta = 1.0f, bias = nullptr) {
      const int64_t k = std::min(blockK, stretch - k0);
      cutPieces(p, set, s, k0, k, pieces);
      const PackedB weights{panels, PanelStrideB(depth), offset + k0};
      for (int64_t row = 0; row < task.rows; row += panelRows) {
        const int count = static_cast<int>(std::min<int64_t>(panelRows, task.rows - row));
        PackPatchPanel(p, set, rows, row, count, pieces, k, packedA, line);
        const int64_t next = row + count, end = std::min<int64_t>(next + panelRows, task.rows);
        const FetchList fetch = FetchPatches(rows, next, end, pieces, lines);
        MultiplyRowPanel<kRowsA>(packedA, count, weights, k, dest + row, task.columns, beta, bias, fetch);
      }
    }
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(ConvColumnStep);
HWY_EXPORT(ConvPackedFloats);
HWY_EXPORT(ConvPackWeights);
HWY_EXPORT(ConvGatherBlock);

namespace {

/** What follows the sums of a task; its pixels are taken a line of neighbours at a time. */
void finishTask(const GatherCall& call, const GatherTask& task) {
  const GatherPlan& p = *call.plan;
  PatchRows rows;
  findPatchRows(p, task.set, call.source, task.row0, task.rows, rows);
  for (int64_t r = 0, next; r < task.rows; r = next) {
    const int64_t stride = r + 1 < task.rows ? rows.dest[r + 1] - rows.dest[r] : 0;
    for (next = r + 1; next < task.rows && rows.dest[next] - rows.dest[next - 1] == stride;) next++;
    finishRows(call.end.finish, call.dest + rows.dest[r] + task.column0, next - r, stride, task.columns);
  }
}

}  // namespace

void convGatherGemm(ConvPass pass, const ConvShape& shape, const float* source, const float* w, const Epilogue& end,
                    float* dest) {
  GatherPlan plan = gatherPlan(pass, shape, true);
  if (!trimmingPays(plan)) plan = gatherPlan(pass, shape, false);

  std::vector<GatherPhase> phases;
  int64_t packedFloats = 0, rows = 0;
  for (const AxisPhase& y : plan.y) {
    for (const AxisPhase& x : plan.x) {
      phases.push_back({&y, &x, packedFloats});
      packedFloats += plan.groups * HWY_DYNAMIC_DISPATCH(ConvPackedFloats)(y.taps * x.taps * plan.depth, plan.columns);
    }
  }
  const GatherCall call{&plan, pass, shape, source, w, end, dest, scratch(kScratchPackB, packedFloats)};

  const int64_t step = HWY_DYNAMIC_DISPATCH(ConvColumnStep)(), panels = (plan.columns + step - 1) / step;
  const auto pack = HWY_DYNAMIC_DISPATCH(ConvPackWeights);
  const int64_t phaseCount = static_cast<int64_t>(phases.size());
  parallelFor(phaseCount * plan.groups * panels, [&](int64_t i) {
    pack(call, phases[i / panels / plan.groups], i / panels % plan.groups, i % panels);
  });

  // Rows first; when they give too few tasks for the threads, columns are split as well.
  rows = plan.n * plan.destH * plan.destW;
  const int64_t rowTasks = std::max<int64_t>(1, rows / kGatherRows) * plan.groups;
  const int64_t splits = std::clamp<int64_t>(4 * threadCount() / rowTasks, 1, std::max<int64_t>(panels, 1));
  const int64_t columns = std::min((panels + splits - 1) / splits * step, kGatherColumns);
  std::vector<GatherTask> tasks;
  for (const GatherPhase& phase : phases) {
    for (const AxisRun& y : phase.y->runs) {
      for (const AxisRun& x : phase.x->runs) {
        const int64_t total = plan.n * y.count * x.count, blocks = (total + kGatherRows - 1) / kGatherRows;
        const int64_t perBlock = blocks == 0 ? 0 : (total + blocks - 1) / blocks;
        for (int64_t group = 0; group < plan.groups; group++) {
          for (int64_t row = 0; row < total; row += perBlock) {
            for (int64_t c = 0; c < plan.columns; c += columns) {
              tasks.push_back({&phase, {phase.y, phase.x, &y, &x, group}, row, std::min(perBlock, total - row), c,
                               std::min(columns, plan.columns - c)});
            }
          }
        }
      }
    }
  }
  // Large tasks first, so that the threads finish together.
  const auto work = [](const GatherTask& t) { return t.rows * t.columns * (t.set.y->taps * t.set.x->taps); };
  std::stable_sort(tasks.begin(), tasks.end(),
                   [&](const GatherTask& a, const GatherTask& b) { return work(a) > work(b); });
  const auto block = HWY_DYNAMIC_DISPATCH(ConvGatherBlock);
  parallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t i) {
    block(call, tasks[i]);
    if (end.finishes()) finishTask(call, tasks[i]);
  });
}

}  // namespace gv::cpu
#endif
