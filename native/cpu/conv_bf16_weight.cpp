// The weight gradient of conv_bf16_direct.h: dw[k, tap, c] = sum over pixels and images of dy[k] x[c]. The depth of a
// tile is the same pixel of 32 images, so that each pixel is packed once for all taps, and taps outside the image are
// left out. Sums over many pixels are cut into parts, by shape alone, that are added up in order.
#include "cpu/conv_bf16_direct.h"

#if defined(__x86_64__)

#include <algorithm>

#include "cpu/amx_pack-inl.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

HWY_PUSH_ATTRIBUTES(GV_AMX_TARGET)
namespace gv::cpu {
namespace {

using amx::kPanel;
using amx::kStep;
using amx::kTile;
using amx::kTileWords;
using ops::BF16;

constexpr int64_t kImages = kStep;                   // of a tile
constexpr int64_t kPixelWords = 2 * kTileWords;      // a pixel's panel: 32 channels of 32 images
constexpr int64_t kSumFloats = kPanel * kPanel;      // [tile row][tile column][16][16]
constexpr int64_t kBlockWords = int64_t{1} << 19;    // of packed pixels: half of the second-level cache
constexpr int64_t kEnoughTasks = 4;

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Positions [begin, end) of an axis whose tap falls inside the image, and the pixel that position 0 would read. */
struct Reach {
  int64_t begin, end, source0;

  static Reach of(int64_t positions, int64_t size, int64_t tap, int64_t stride, int64_t pad, int64_t dilation) {
    const int64_t first = tap * dilation - pad;
    const int64_t begin = first >= 0 ? 0 : std::min(positions, divideUp(-first, stride));
    const int64_t end = first >= size ? begin : std::clamp((size - 1 - first) / stride + 1, begin, positions);
    return {begin, end, first};
  }
};

struct Job {
  const ConvShape* shape;
  const BF16 *x, *dy;
  int64_t rows;         // of dy that are packed at a time
  int64_t strips;       // of so many rows in an image
  int64_t parts;        // of the images' strips, each summed by itself
  int64_t channelSets;  // tasks that share a part's dy, each with some of the channels
  float* sums;          // [part][panel of k][panel of c][tap][kSumFloats]

  int64_t taps() const { return shape->kh * shape->kw; }
  /** Rows of x that so many rows of dy see: as many are kept packed, the lowest making room for the next. */
  int64_t ring(int64_t dyRows) const {
    return std::min(shape->h, (dyRows - 1) * shape->strideH + (shape->kh - 1) * shape->dilationH + 1);
  }
  int64_t panelsK() const { return divideUp(shape->k, kPanel); }
  int64_t panelsC() const { return divideUp(shape->c, kPanel); }
  float* sumsOf(int64_t part, int64_t k, int64_t c) const {
    return sums + ((part * panelsK() + k) * panelsC() + c) * taps() * kSumFloats;
  }
};

/** Pixels [0, pixels) of 32 images or fewer, one panel of channels each. */
void packPixels(const BF16* from, int64_t imageWords, int64_t channels, int64_t channel, int64_t images, bool left,
                int64_t pixels, uint16_t* out) {
  constexpr int64_t kAhead = 4;
  const amx::Source<BF16> source{from, imageWords, false, left};
  const int64_t width = std::min<int64_t>(kPanel, channels - channel);
  for (int64_t i = 0; i < pixels; i++, out += kPixelWords) {
    if (i + kAhead < pixels) {
      for (int64_t image = 0; image < images; image++) {
        __builtin_prefetch(from + image * imageWords + (i + kAhead) * channels + channel);
      }
    }
    amx::packPanel(source, i * channels + channel, width, 0, images, out);
  }
}

/** sums += the products of one row of pixels. */
template <int TM, int TN>
inline void multiplyRow(const uint16_t* a, const uint16_t* b, int64_t nextB, int64_t count) {
  for (int64_t i = 0; i < count; i++, a += kPixelWords, b += nextB) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_dpbf16ps(0, 4, 6);
    if (TM == 2) {
      _tile_loadd(5, a + kTileWords, 64);
      _tile_dpbf16ps(2, 5, 6);
    }
    if (TN == 2) {
      _tile_loadd(7, b + kTileWords, 64);
      _tile_dpbf16ps(1, 4, 7);
      if (TM == 2) _tile_dpbf16ps(3, 5, 7);
    }
  }
}

/** One strip of dy against the x that its taps saw, for a panel of each; row y of x lies at y % ring. */
template <int TM, int TN>
void multiplyStrip(const ConvShape& s, int64_t row0, int64_t row1, int64_t ring, const uint16_t* dy,
                   const uint16_t* x, bool add, float* sums) {
  asm volatile("" ::: "memory");
  for (int64_t ky = 0; ky < s.kh; ky++) {
    const Reach ry = Reach::of(s.oh, s.h, ky, s.strideH, s.padTop, s.dilationH);
    for (int64_t kx = 0; kx < s.kw; kx++, sums += kSumFloats) {
      const Reach rx = Reach::of(s.ow, s.w, kx, s.strideW, s.padLeft, s.dilationW);
      if (add) {
        _tile_loadd(0, sums, 64);
        if (TN == 2) _tile_loadd(1, sums + 256, 64);
        if (TM == 2) _tile_loadd(2, sums + 512, 64);
        if (TM == 2 && TN == 2) _tile_loadd(3, sums + 768, 64);
      } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      }
      for (int64_t oy = std::max(row0, ry.begin); oy < std::min(row1, ry.end); oy++) {
        const int64_t y = (oy * s.strideH + ry.source0) % ring, ix = rx.begin * s.strideW + rx.source0;
        multiplyRow<TM, TN>(dy + ((oy - row0) * s.ow + rx.begin) * kPixelWords, x + (y * s.w + ix) * kPixelWords,
                            s.strideW * kPixelWords, rx.end - rx.begin);
      }
      _tile_stored(0, sums, 64);
      if (TN == 2) _tile_stored(1, sums + 256, 64);
      if (TM == 2) _tile_stored(2, sums + 512, 64);
      if (TM == 2 && TN == 2) _tile_stored(3, sums + 768, 64);
    }
  }
}

/** Rows [first, last) of x that the taps of dy's rows [row0, row1) see; none if they all fall outside. */
std::pair<int64_t, int64_t> sourceRows(const ConvShape& s, int64_t row0, int64_t row1) {
  const int64_t first = row0 * s.strideH - s.padTop;
  const int64_t last = (row1 - 1) * s.strideH - s.padTop + (s.kh - 1) * s.dilationH + 1;
  const int64_t begin = std::clamp<int64_t>(first, 0, s.h);
  return {begin, std::clamp<int64_t>(last, begin, s.h)};
}

void runTask(const Job& job, int64_t part, int64_t set) {
  const ConvShape& s = *job.shape;
  const int64_t panelsK = job.panelsK(), c0 = job.panelsC() * set / job.channelSets;
  const int64_t panelsC = job.panelsC() * (set + 1) / job.channelSets - c0;
  const int64_t units = divideUp(s.n, kImages) * job.strips;
  const int64_t ring = job.ring(job.rows), lineX = s.w * kPixelWords;
  const int64_t dyPanel = job.rows * s.ow * kPixelWords, xPanel = ring * lineX;
  auto* const packedY = reinterpret_cast<uint16_t*>(
      scratch(kScratchConvChunk, (panelsK * dyPanel + panelsC * xPanel) / 2));
  uint16_t* const packedX = packedY + panelsK * dyPanel;
  const amx::TileScope scope;
  bool add = false;
  int64_t packed = 0;  // rows of this image's x, from the top, that were packed so far
  for (int64_t unit = units * part / job.parts; unit < units * (part + 1) / job.parts; unit++, add = true) {
    const int64_t image = unit / job.strips * kImages, images = std::min(kImages, s.n - image);
    const int64_t row0 = unit % job.strips * job.rows, row1 = std::min(row0 + job.rows, s.oh);
    const auto [first, last] = sourceRows(s, row0, row1);
    const BF16* const dy = job.dy + (image * s.oh + row0) * s.ow * s.k;
    packed = add && row0 > 0 ? std::max(packed, first) : first;
    for (int64_t k = 0; k < panelsK; k++) {
      packPixels(dy, s.oh * s.ow * s.k, s.k, k * kPanel, images, true, (row1 - row0) * s.ow, packedY + k * dyPanel);
    }
    for (; packed < last; packed++) {
      const BF16* const x = job.x + (image * s.h + packed) * s.w * s.c;
      for (int64_t c = 0; c < panelsC; c++) {
        packPixels(x, s.h * s.w * s.c, s.c, (c0 + c) * kPanel, images, false, s.w,
                   packedX + c * xPanel + packed % ring * lineX);
      }
    }
    for (int64_t c = 0; c < panelsC; c++) {
      const bool wideC = s.c - (c0 + c) * kPanel > kTile;
      for (int64_t k = 0; k < panelsK; k++) {
        const bool wideK = s.k - k * kPanel > kTile;
        const auto multiply = wideK ? wideC ? multiplyStrip<2, 2> : multiplyStrip<2, 1>
                                    : wideC ? multiplyStrip<1, 2> : multiplyStrip<1, 1>;
        multiply(s, row0, row1, ring, packedY + k * dyPanel, packedX + c * xPanel, add, job.sumsOf(part, k, c0 + c));
      }
    }
  }
}

/** Adds up the parts of one pair of panels. */
void storeSums(const Job& job, int64_t k, int64_t c, float* dw) {
  const ConvShape& s = *job.shape;
  const int64_t rows = std::min<int64_t>(kPanel, s.k - k * kPanel), columns = std::min<int64_t>(kPanel, s.c - c * kPanel);
  const int64_t nextPart = job.parts > 1 ? job.sumsOf(1, k, c) - job.sumsOf(0, k, c) : 0;
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t tap = 0; tap < job.taps(); tap++) {
      float* const to = dw + ((k * kPanel + row) * job.taps() + tap) * s.c + c * kPanel;
      for (int64_t j = 0; j < columns; j += kTile) {
        const float* from = job.sumsOf(0, k, c) + tap * kSumFloats + (row / kTile * 2 + j / kTile) * kTile * kTile +
                            row % kTile * kTile;
        __m512 sum = _mm512_load_ps(from);
        for (int64_t part = 1; part < job.parts; part++) sum = _mm512_add_ps(sum, _mm512_load_ps(from + part * nextPart));
        _mm512_mask_storeu_ps(to + j, amx::firstLanes(columns - j), sum);
      }
    }
  }
}

}  // namespace

bool convWeightGradTilesBF16(const ConvShape& s, const BF16* x, const BF16* dy, float* dw) {
  constexpr int64_t kFewestChannels = 12;
  if (std::min(s.c, s.k) < kFewestChannels || s.n * 2 < kImages) return false;
  Job job{&s, x, dy, s.oh, 1, 1, 1, nullptr};
  const int64_t groups = divideUp(s.n, kImages), panels = job.panelsK() * job.panelsC();
  // Another set of channels packs dy once more; another part adds up its sums once more.
  const bool bySets = panels * job.taps() * kSumFloats > s.n * s.oh * s.ow * job.panelsK() * kPanel;
  if (bySets) job.channelSets = std::min(kEnoughTasks, job.panelsC());
  const auto words = [&](int64_t rows) {
    return (rows * s.ow * job.panelsK() + job.ring(rows) * s.w * divideUp(job.panelsC(), job.channelSets)) * kPixelWords;
  };
  const int64_t wanted = divideUp(kEnoughTasks, job.channelSets);
  while (job.rows > 1 && (words(job.rows) > kBlockWords || groups * divideUp(s.oh, job.rows) < wanted)) job.rows--;
  job.strips = divideUp(s.oh, job.rows);
  job.parts = std::min(wanted, groups * job.strips);
  job.sums = scratch(kScratchPartial, job.parts * panels * job.taps() * kSumFloats);
  parallelFor(job.parts * job.channelSets,
              [&](int64_t i) { runTask(job, i / job.channelSets, i % job.channelSets); });
  parallelFor(panels, [&](int64_t i) { storeSums(job, i / job.panelsC(), i % job.panelsC(), dw); });
  return true;
}

}  // namespace gv::cpu
HWY_POP_ATTRIBUTES

#else

namespace gv::cpu {

bool convWeightGradTilesBF16(const ConvShape&, const ops::BF16*, const ops::BF16*, float*) { return false; }

}  // namespace gv::cpu

#endif
