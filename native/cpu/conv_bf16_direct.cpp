// The forward pass and the input gradient of conv_bf16_direct.h. A block of source rows is copied once, padded with
// zeros, so that one tile load reads a step of 32 channels for 16 results, whatever the tap: the same pixel of 16
// images (no waste however small the image, and taps outside it are left out), or, of few images, 16 neighbours of a
// row. Weights are packed once for all. See conv_plan.h for phases and amx-inl.h for tiles.
#include "cpu/conv_bf16_direct.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/amx_pack-inl.h"
#include "cpu/conv_plan.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

#define GV_AMX_ROUND_TARGET GV_AMX_TARGET ",avx512bf16"
HWY_PUSH_ATTRIBUTES(GV_AMX_ROUND_TARGET)
namespace gv::cpu {
namespace {

using amx::kPanel;
using amx::kStep;
using amx::kTile;
using amx::kTileWords;
using ops::BF16;

constexpr int64_t kBlockWords = int64_t{1} << 19;  // of source pixels: half of the second-level cache
constexpr int64_t kEnoughTasks = 4;

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** What all tasks share. Words are 16 bits. */
struct Job {
  const GatherPlan* plan;
  const BF16* source;
  BF16* dest;
  const Epilogue* end;
  bool byImage;                    // a tile's rows are images, not neighbours in a row
  int64_t steps;                   // of 32 channels
  int64_t left, width;             // zeros before a row, and its length with them; by neighbours only
  int64_t taps;                    // of all phases
  std::vector<const AxisPhase*> y, x;  // the phases that have results, each with tap firstTap of the packed weights
  std::vector<int64_t> firstTap;
  const uint16_t* weights;         // [panel of columns][tap][step][tile]

  int64_t unitImages() const { return byImage ? kPanel : 1; }
  int64_t pixelWords() const { return steps * kStep * (byImage ? kTile : 1); }
  int64_t rowWords() const { return (byImage ? plan->sourceW : width) * pixelWords(); }
  int64_t panelWords() const { return taps * steps * 2 * kTileWords; }
};

/** Images [image0, image0 + images) and destination rows [dest0, dest1), which read source rows [source0, source1). */
struct Task {
  int64_t image0, images, dest0, dest1, source0, source1;
};

/** 16 results or fewer, and where tap 0 of each reads. */
struct Tile {
  const uint16_t* origin;  // pixel (source0, 0) of the task's block
  int64_t y, x;
  BF16* dest;
  int rows;
};

struct TapOfPair {
  const uint16_t* a[2];
  int64_t tap;
};

struct Pair {
  size_t begin, end;  // its taps
  BF16* dest[2];
  int rows[2];
};

alignas(64) constexpr uint16_t kZeroRow[kStep] = {};

/** Copies the rows of a task into `block`: [tile of images][row][pixel][step][16][32], or [image][row][pixel][channel]. */
void copyBlock(const Job& job, const Task& task, uint16_t* block) {
  const GatherPlan& p = *job.plan;
  const int64_t depth = p.depth, rows = task.source1 - task.source0, lineWords = p.sourceW * depth;
  const __mmask32 tail = depth % kStep == 0 ? 0xffffffffu : (1u << depth % kStep) - 1;
  const auto* const source = reinterpret_cast<const uint16_t*>(job.source);
  const int64_t slots = job.byImage ? divideUp(task.images, kTile) * kTile : task.images;
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t image = 0; image < slots; image++) {
      const uint16_t* from = source + ((task.image0 + image) * p.sourceH + task.source0 + row) * lineWords;
      if (job.byImage) {
        uint16_t* to = block + (image / kTile * rows + row) * job.rowWords() + image % kTile * kStep;
        for (int64_t x = 0; x < p.sourceW; x++, from += depth) {
          for (int64_t step = 0; step < job.steps; step++, to += kTileWords) {
            const __mmask32 lanes = image >= task.images ? 0 : step + 1 < job.steps ? 0xffffffffu : tail;
            _mm512_store_si512(to, _mm512_maskz_loadu_epi16(lanes, from + step * kStep));
          }
        }
        continue;
      }
      const int64_t pixel = job.pixelWords();
      uint16_t* to = block + (image * rows + row) * job.rowWords();
      std::memset(to, 0, job.left * pixel * 2);
      to += job.left * pixel;
      for (int64_t x = 0; x < p.sourceW; x++, from += depth, to += pixel) {
        for (int64_t step = 0; step < job.steps; step++) {
          const __mmask32 lanes = step + 1 < job.steps ? 0xffffffffu : tail;
          _mm512_store_si512(to + step * kStep, _mm512_maskz_loadu_epi16(lanes, from + step * kStep));
        }
      }
      std::memset(to, 0, (job.width - job.left - p.sourceW) * pixel * 2);
    }
  }
}

/** The tiles of a task's part of one phase, tiles of neighbouring images or pixels beside one another. */
void listTiles(const Job& job, const Task& task, size_t phase, const uint16_t* block, std::vector<Tile>& tiles) {
  const GatherPlan& p = *job.plan;
  const AxisPhase &ay = *job.y[phase], &ax = *job.x[phase];
  const AxisRun &ry = ay.runs[0], &rx = ax.runs[0];
  const int64_t rows = task.source1 - task.source0, perImage = p.destH * p.destW * p.destC;
  const int64_t first = task.dest0 <= ry.dest0 ? 0 : divideUp(task.dest0 - ry.dest0, ay.destStep);
  const int64_t last = task.dest1 <= ry.dest0 ? 0 : std::min(ry.count, divideUp(task.dest1 - ry.dest0, ay.destStep));
  const int64_t outer = job.byImage ? 1 : task.images, inner = job.byImage ? divideUp(task.images, kTile) : 1;
  for (int64_t image = 0; image < outer; image++) {
    for (int64_t iy = first; iy < last; iy++) {
      for (int64_t ix = 0; ix < rx.count; ix += job.byImage ? 1 : kTile) {
        for (int64_t group = 0; group < inner; group++) {
          const int64_t slot = job.byImage ? group : image, at = task.image0 + (job.byImage ? group * kTile : image);
          const int64_t y = ry.dest0 + iy * ay.destStep, x = rx.dest0 + ix * ax.destStep;
          const int64_t valid = job.byImage ? task.images - group * kTile : rx.count - ix;
          tiles.push_back({block + slot * rows * job.rowWords() + job.left * job.pixelWords(),
                           ry.source0 + iy * ay.sourceStep, rx.source0 + ix * ax.sourceStep,
                           job.dest + at * perImage + (y * p.destW + x) * p.destC,
                           static_cast<int>(std::min<int64_t>(valid, kTile))});
        }
      }
    }
  }
}

void listPairs(const Job& job, const Task& task, size_t phase, const std::vector<Tile>& tiles, std::vector<Pair>& pairs,
               std::vector<TapOfPair>& taps) {
  const GatherPlan& p = *job.plan;
  const AxisPhase &ay = *job.y[phase], &ax = *job.x[phase];
  const int64_t pixel = job.pixelWords(), row = job.rowWords();
  for (size_t i = 0; i < tiles.size(); i += 2) {
    const Tile* const two[] = {&tiles[i], i + 1 < tiles.size() ? &tiles[i + 1] : nullptr};
    Pair pair{taps.size(), 0, {two[0]->dest, two[1] ? two[1]->dest : nullptr}, {two[0]->rows, two[1] ? two[1]->rows : 0}};
    for (int64_t ty = 0; ty < ay.taps; ty++) {
      for (int64_t tx = 0; tx < ax.taps; tx++) {
        TapOfPair tap{{kZeroRow, kZeroRow}, job.firstTap[phase] + ty * ax.taps + tx};
        bool any = false;
        for (int k = 0; k < 2; k++) {
          if (two[k] == nullptr) continue;
          const int64_t y = two[k]->y + ty * ay.tapStep, x = two[k]->x + tx * ax.tapStep;
          if (y < 0 || y >= p.sourceH || (job.byImage && (x < 0 || x >= p.sourceW))) continue;
          tap.a[k] = two[k]->origin + (y - task.source0) * row + x * pixel;
          any = true;
        }
        if (any) taps.push_back(tap);
      }
    }
    pair.end = taps.size();
    pairs.push_back(pair);
  }
}

/** sums[tile row][tile column][16][16] = the products of all taps. */
template <int TN>
void multiplyTaps(const TapOfPair* tap, const TapOfPair* end, int64_t steps, int64_t rowBytes, int64_t stepWords,
                  const uint16_t* weights, float* sums) {
  asm volatile("" ::: "memory");
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (; tap < end; tap++) {
    const uint16_t *a0 = tap->a[0], *a1 = tap->a[1], *b = weights + tap->tap * steps * TN * kTileWords;
    const int64_t row0 = a0 == kZeroRow ? 0 : rowBytes, row1 = a1 == kZeroRow ? 0 : rowBytes;
    const int64_t next0 = a0 == kZeroRow ? 0 : stepWords, next1 = a1 == kZeroRow ? 0 : stepWords;
    for (int64_t s = 0; s < steps; s++, a0 += next0, a1 += next1, b += TN * kTileWords) {
      _tile_loadd(4, a0, row0);
      _tile_loadd(6, b, 64);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(5, a1, row1);
      _tile_dpbf16ps(2, 5, 6);
      if (TN == 2) {
        _tile_loadd(7, b + kTileWords, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(3, 5, 7);
      }
    }
  }
  constexpr int64_t kTileFloats = kTile * kTile;
  _tile_stored(0, sums, 64);
  _tile_stored(2, sums + TN * kTileFloats, 64);
  if (TN == 2) _tile_stored(1, sums + kTileFloats, 64);
  if (TN == 2) _tile_stored(3, sums + 3 * kTileFloats, 64);
}

/** Ends and rounds the rows of one tile row. */
void storeRows(const Epilogue& end, float* sums, int tileColumns, int rows, int columns, BF16* dest, int64_t stride) {
  const __mmask16 first = amx::firstLanes(columns), second = amx::firstLanes(columns - kTile);
  const __mmask32 lanes = static_cast<__mmask32>(first) | static_cast<__mmask32>(second) << 16;
  __m512 bias0 = _mm512_setzero_ps(), bias1 = bias0;
  if (end.bias != nullptr) {
    bias0 = _mm512_maskz_loadu_ps(first, end.bias);
    bias1 = _mm512_maskz_loadu_ps(second, end.bias + kTile);
  }
  alignas(64) float ended[kPanel];
  const bool finishes = end.finishes();
  for (int i = 0; i < rows; i++) {
    __m512 a = _mm512_add_ps(_mm512_load_ps(sums + i * kTile), bias0), b = bias1;
    if (tileColumns == 2) b = _mm512_add_ps(_mm512_load_ps(sums + (kTile + i) * kTile), bias1);
    if (finishes) {
      _mm512_store_ps(ended, a);
      _mm512_store_ps(ended + kTile, b);
      finishRows(end.finish, ended, 1, kPanel, columns);
      a = _mm512_load_ps(ended);
      b = _mm512_load_ps(ended + kTile);
    }
    _mm512_mask_storeu_epi16(dest + i * stride, lanes, (__m512i)_mm512_cvtne2ps_pbh(b, a));
  }
}

void runTask(const Job& job, const Task& task) {
  const GatherPlan& p = *job.plan;
  const int64_t rows = task.source1 - task.source0;
  const int64_t slots = job.byImage ? divideUp(task.images, kTile) : task.images;
  auto* const block = reinterpret_cast<uint16_t*>(scratch(kScratchConvChunk, slots * rows * job.rowWords() / 2 + 1));
  copyBlock(job, task, block);
  std::vector<Tile> tiles;
  std::vector<Pair> pairs;
  std::vector<TapOfPair> taps;
  struct PhaseEnd {
    size_t pairs;
    int64_t rowBytes, destStride;
  };
  std::vector<PhaseEnd> phases;
  for (size_t i = 0; i < job.y.size(); i++) {
    tiles.clear();
    listTiles(job, task, i, block, tiles);
    listPairs(job, task, i, tiles, pairs, taps);
    phases.push_back({pairs.size(), job.byImage ? kStep * 2 : job.x[i]->sourceStep * job.pixelWords() * 2,
                      job.byImage ? p.destH * p.destW * p.destC : job.x[i]->destStep * p.destC});
  }
  const int64_t stepWords = job.byImage ? kTileWords : kStep;
  alignas(64) float sums[4 * kTile * kTile];
  const amx::TileScope scope;
  for (int64_t column = 0; column < p.columns; column += kPanel) {
    const int columns = static_cast<int>(std::min<int64_t>(kPanel, p.columns - column));
    const int tileColumns = columns > kTile ? 2 : 1;
    const uint16_t* const weights = job.weights + column / kPanel * job.panelWords();
    const Epilogue end = job.end->from(column);
    size_t i = 0;
    for (const PhaseEnd& phase : phases) {
      for (; i < phase.pairs; i++) {
        const Pair& pair = pairs[i];
        const auto multiply = tileColumns == 2 ? multiplyTaps<2> : multiplyTaps<1>;
        multiply(taps.data() + pair.begin, taps.data() + pair.end, job.steps, phase.rowBytes, stepWords, weights, sums);
        for (int k = 0; k < 2; k++) {
          if (pair.rows[k] == 0) continue;
          storeRows(end, sums + k * tileColumns * kTile * kTile, tileColumns, pair.rows[k], columns,
                    pair.dest[k] + column, phase.destStride);
        }
      }
    }
  }
}

/** Which source rows the destination rows [dest0, dest1) read, at least one. */
Task taskOf(const Job& job, int64_t image0, int64_t images, int64_t dest0, int64_t dest1) {
  int64_t lowest = job.plan->sourceH, highest = -1;
  for (const AxisPhase& phase : job.plan->y) {
    if (phase.runs.empty() || phase.taps == 0) continue;
    const AxisRun& run = phase.runs[0];
    const int64_t first = dest0 <= run.dest0 ? 0 : divideUp(dest0 - run.dest0, phase.destStep);
    const int64_t last = dest1 <= run.dest0 ? 0 : std::min(run.count, divideUp(dest1 - run.dest0, phase.destStep));
    if (first >= last) continue;
    lowest = std::min(lowest, run.source0 + first * phase.sourceStep);
    highest = std::max(highest, run.source0 + (last - 1) * phase.sourceStep + (phase.taps - 1) * phase.tapStep);
  }
  const int64_t source0 = std::clamp<int64_t>(lowest, 0, job.plan->sourceH - 1);
  return {image0, images, dest0, dest1, source0, std::clamp<int64_t>(highest + 1, source0 + 1, job.plan->sourceH)};
}

std::vector<Task> cutTasks(const Job& job) {
  const GatherPlan& p = *job.plan;
  const int64_t unit = job.unitImages(), stride = job.plan->y[0].destStep;
  const auto words = [&](int64_t rows) {
    const Task t = taskOf(job, 0, unit, 0, std::min(rows, p.destH));
    return (t.source1 - t.source0) * job.rowWords() * (job.byImage ? unit / kTile : unit);
  };
  int64_t rows = divideUp(p.destH, stride) * stride, images = unit;
  const auto tasks = [&] { return divideUp(p.n, images) * divideUp(p.destH, rows); };
  while (rows > stride && (words(rows) > kBlockWords || tasks() < kEnoughTasks)) rows -= stride;
  if (rows >= p.destH) {
    while (!job.byImage && words(rows) * images * 2 <= kBlockWords && tasks() >= 2 * kEnoughTasks) images *= 2;
  }
  std::vector<Task> list;
  for (int64_t image = 0; image < p.n; image += images) {
    for (int64_t y = 0; y < p.destH; y += rows) {
      list.push_back(taskOf(job, image, std::min(images, p.n - image), y, std::min(y + rows, p.destH)));
    }
  }
  return list;
}

/** How many rows of tiles a result of 16 rows costs, in sixteenths: 16 is no waste. */
int64_t tileRows(const GatherPlan& p, bool byImage) {
  if (byImage) return divideUp(p.n, kTile) * kTile * kTile / p.n;
  int64_t used = 0, made = 0;
  for (const AxisPhase& phase : p.x) {
    if (phase.runs.empty()) continue;
    used += phase.runs[0].count;
    made += divideUp(phase.runs[0].count, kTile) * kTile;
  }
  return made * kTile / std::max<int64_t>(used, 1);
}

bool gather(const ConvShape& shape, ConvPass pass, const BF16* source, const BF16* w, const Epilogue& end, BF16* dest) {
  const GatherPlan p = gatherPlan(pass, shape, false);
  constexpr int64_t kFewestDepths = 24, kMostTileRows = 2 * kTile;
  const int64_t byImage = tileRows(p, true), byRow = tileRows(p, false);
  if (p.depth < kFewestDepths || std::min(byImage, byRow) > kMostTileRows) return false;
  Job job{&p, source, dest, &end, byImage <= byRow, divideUp(p.depth, kStep), 0, p.sourceW, 0, {}, {}, {}, nullptr};
  for (const AxisPhase& y : p.y) {
    for (const AxisPhase& x : p.x) {
      if (y.runs.empty() || x.runs.empty()) continue;
      job.y.push_back(&y);
      job.x.push_back(&x);
      job.firstTap.push_back(job.taps);
      job.taps += y.taps * x.taps;
    }
  }
  if (!job.byImage) {
    int64_t lowest = 0, highest = p.sourceW - 1;
    for (const AxisPhase* x : job.x) {
      const AxisRun& run = x->runs[0];
      lowest = std::min(lowest, run.source0);
      highest = std::max(highest, run.source0 + (divideUp(run.count, kTile) * kTile - 1) * x->sourceStep +
                                      (x->taps - 1) * x->tapStep);
    }
    job.left = -lowest;
    job.width = highest + 1 - lowest;
  }
  const int64_t panels = divideUp(p.columns, kPanel), ld = shape.kh * shape.kw * shape.c;
  auto* const packed = reinterpret_cast<uint16_t*>(scratch(kScratchConv, panels * job.panelWords() / 2 + 1));
  job.weights = packed;
  parallelFor(panels, [&](int64_t panel) {
    const int64_t column = panel * kPanel, width = std::min<int64_t>(kPanel, p.columns - column);
    uint16_t* out = packed + panel * job.panelWords();
    for (size_t i = 0; i < job.y.size(); i++) {
      const AxisPhase &y = *job.y[i], &x = *job.x[i];
      for (int64_t tap = 0; tap < y.taps * x.taps; tap++, out += job.steps * (width > kTile ? 2 : 1) * kTileWords) {
        const int64_t ky = y.weight0 + tap / x.taps * y.weightStep, kx = x.weight0 + tap % x.taps * x.weightStep;
        const amx::Source<BF16> from{w + (ky * shape.kw + kx) * shape.c, ld, pass == ConvPass::Forward, false};
        amx::packPanel(from, column, width, 0, p.depth, out);
      }
    }
  });
  const std::vector<Task> tasks = cutTasks(job);
  parallelFor(static_cast<int64_t>(tasks.size()), [&](int64_t i) { runTask(job, tasks[i]); });
  return true;
}

}  // namespace

bool convForwardTilesBF16(const ConvShape& s, const BF16* x, const BF16* w, const Epilogue& end, BF16* y) {
  return gather(s, ConvPass::Forward, x, w, end, y);
}

bool convInputGradTilesBF16(const ConvShape& s, const BF16* dy, const BF16* w, const Epilogue& end, BF16* dx) {
  return gather(s, ConvPass::InputGrad, dy, w, end, dx);
}

}  // namespace gv::cpu
HWY_POP_ATTRIBUTES

#else

namespace gv::cpu {

bool convForwardTilesBF16(const ConvShape&, const ops::BF16*, const ops::BF16*, const Epilogue&, ops::BF16*) {
  return false;
}
bool convInputGradTilesBF16(const ConvShape&, const ops::BF16*, const ops::BF16*, const Epilogue&, ops::BF16*) {
  return false;
}

}  // namespace gv::cpu

#endif
