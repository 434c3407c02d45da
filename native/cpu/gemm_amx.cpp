// Blocking and threads around the kernel of amx-inl.h; see gemm_amx.h.
//
// A task owns a block of C. It packs the block's shorter side whole, a stretch of the depth at a time, so that it
// stays in the second-level cache, and takes the other side panel by panel, each packed right before it is multiplied
// by all that is kept; or, where several blocks need the same panel, packed before by all threads. Which part of C is
// computed how follows from panels counted from C's first row and column, not from the tasks.
#include "cpu/gemm_amx.h"

#include "cpu/amx.h"

#if defined(__x86_64__)

#include <algorithm>

#include "cpu/amx_pack-inl.h"
#include "cpu/epilogue.h"
#include "cpu/pool.h"
#include "cpu/scratch.h"

namespace gv::cpu {
namespace {

constexpr int64_t kMostKept = 32;                    // panels of a block's side that is packed whole,
constexpr int64_t kKeptWords = int64_t{3} << 17;     // and their size, which leaves half of the second-level cache
constexpr int64_t kSharedWords = int64_t{1} << 24;   // packed for all tasks at a time
constexpr int64_t kSerialWork = int64_t{1} << 19;    // multiply-adds not worth waking the other threads

int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** The depth is cut into equal stretches of whole steps; it fixes the order of every sum. */
template <class T>
int64_t stretchOf(int64_t k) {
  constexpr int64_t kMost = std::is_same_v<T, float> ? 512 : 1024;
  return divideUp(divideUp(k, divideUp(k, kMost)), amx::kStep) * amx::kStep;
}

template <class T>
int64_t panelWordsOf(int64_t k) {
  return stretchOf<T>(k) * amx::kPanel * amx::kPieces<T>;
}

/** Either kind of GemmArgs. */
template <class T>
struct Product {
  bool transA, transB;
  int64_t m, n, k;
  const T* a;
  int64_t lda;
  const T* b;
  int64_t ldb;
  float* c;
  ops::BF16* rounded;
  int64_t ldc;
  float beta;
  const float* bias;
  const FinishArgs* finish;
};

struct Block {
  int64_t m0, m1, n0, n1;
};

/** Whether pieces and products of panels with these largest magnitudes (as bits) neither overflow nor underflow. */
bool piecesFit(uint32_t largestA, uint32_t largestB, int64_t k) {
  constexpr int kBias = 127, kSmallest = -100, kLargest = 126;
  const int a = static_cast<int>(largestA >> 23) - kBias, b = static_cast<int>(largestB >> 23) - kBias;
  if (a > kLargest || b > kLargest) return false;
  if (largestA == 0 || largestB == 0) return true;
  int terms = 0;
  while (k >> terms > 0) terms++;
  return a >= kSmallest && b >= kSmallest && a + b >= kSmallest && a + b + 2 + terms <= kLargest;
}

/** Rows [m0, m0 + rows) x columns [n0, n0 + columns) of one stretch of the depth, on the vector kernels. */
void multiplyOnVectors(const Product<float>& p, int64_t m0, int64_t n0, int64_t k0, int64_t k,
                       const amx::Target& target) {
  gemmVector({p.transA, p.transB, target.rows, target.columns, k, p.a + (p.transA ? k0 * p.lda + m0 : m0 * p.lda + k0),
              p.lda, p.b + (p.transB ? n0 * p.ldb + k0 : k0 * p.ldb + n0), p.ldb, target.c, p.ldc, target.beta,
              target.bias});
}

}  // namespace
}  // namespace gv::cpu

HWY_PUSH_ATTRIBUTES(GV_AMX_TARGET)
namespace gv::cpu {
namespace {

/** The side of C that passes by, as packed panels that all tasks share. */
template <class T>
struct SharedPanels {
  uint16_t* words = nullptr;  // [stretch of the depth][panel]
  uint32_t* largest = nullptr;
  int64_t first = 0, panels = 0;  // the row or column where they begin

  int64_t index(int64_t stretch, int64_t at) const { return stretch * panels + (at - first) / amx::kPanel; }
};

template <class T>
amx::Source<T> leftSource(const Product<T>& p) {
  return {p.a, p.lda, !p.transA, true};
}

template <class T>
amx::Source<T> rightSource(const Product<T>& p) {
  return {p.b, p.ldb, p.transB, false};
}

/** Whether a moving panel is rows of bf16 that need no packing. */
template <class T>
bool rowsInPlace(const Product<T>& p, bool keepA, int64_t rows, int64_t k) {
  return std::is_same_v<T, ops::BF16> && !keepA && !p.transA && rows >= amx::kPanel && k % amx::kStep == 0;
}

/** What follows the sums, over a part of C that is done. */
template <class T>
void finishBlock(const Product<T>& p, const Block& b) {
  const int64_t first = b.m0 * p.ldc + b.n0;
  if (p.rounded == nullptr) {
    finishRows(*p.finish, p.c + first, b.m1 - b.m0, p.ldc, b.n1 - b.n0);
  } else {
    finishRows(*p.finish, p.rounded + first, b.m1 - b.m0, p.ldc, b.n1 - b.n0);
  }
}

/** The block of C with its rows (keepA) or its columns packed whole. */
template <class T>
void multiplyBlock(const Product<T>& p, const Block& block, bool keepA, const SharedPanels<T>& shared) {
  using amx::kPanel;
  const int64_t stretch = stretchOf<T>(p.k), panelWords = panelWordsOf<T>(p.k);
  const int64_t kept0 = keepA ? block.m0 : block.n0, kept1 = keepA ? block.m1 : block.n1;
  const int64_t moving0 = keepA ? block.n0 : block.m0, moving1 = keepA ? block.n1 : block.m1;
  const int64_t keptPanels = divideUp(kept1 - kept0, kPanel);
  uint16_t* const kept = reinterpret_cast<uint16_t*>(scratch(kScratchAmx, (keptPanels + 1) * panelWords / 2));
  uint16_t* const own = kept + keptPanels * panelWords;
  const amx::Source<T> keptSource = keepA ? leftSource(p) : rightSource(p);
  const amx::Source<T> movingSource = keepA ? rightSource(p) : leftSource(p);
  uint32_t largest[kMostKept] = {};
  const amx::TileScope tiles;
  for (int64_t k0 = 0; k0 < p.k; k0 += stretch) {
    const int64_t k = std::min(stretch, p.k - k0), steps = divideUp(k, amx::kStep);
    for (int64_t i = 0; i < keptPanels; i++) {
      const int64_t at = kept0 + i * kPanel;
      largest[i] = amx::packPanel(keptSource, at, std::min<int64_t>(kPanel, kept1 - at), k0, k, kept + i * panelWords);
    }
    for (int64_t at = moving0; at < moving1; at += kPanel) {
      const uint16_t* moving = own;
      uint32_t movingLargest = 0;
      const bool inPlace = rowsInPlace(p, keepA, moving1 - at, k);
      if (inPlace) {
        moving = nullptr;
      } else if (shared.words == nullptr) {
        movingLargest = amx::packPanel(movingSource, at, std::min<int64_t>(kPanel, moving1 - at), k0, k, own);
      } else {
        const int64_t index = shared.index(k0 / stretch, at);
        moving = shared.words + index * panelWords;
        movingLargest = shared.largest[index];
      }
      for (int64_t i = 0; i < keptPanels; i++) {
        const int64_t keptAt = kept0 + i * kPanel;
        const int64_t m0 = keepA ? keptAt : at, n0 = keepA ? at : keptAt;
        const amx::Target target{
            p.c == nullptr ? nullptr : p.c + m0 * p.ldc + n0,
            p.rounded == nullptr ? nullptr : p.rounded + m0 * p.ldc + n0,
            p.ldc,
            static_cast<int>(std::min<int64_t>(kPanel, block.m1 - m0)),
            static_cast<int>(std::min<int64_t>(kPanel, block.n1 - n0)),
            k0 == 0 ? p.beta : 1.0f,
            k0 == 0 && p.bias != nullptr ? p.bias + n0 : nullptr,
        };
        if constexpr (std::is_same_v<T, float>) {
          if (!piecesFit(largest[i], movingLargest, p.k)) {
            multiplyOnVectors(p, m0, n0, k0, k, target);
            continue;
          }
        }
        const uint16_t* const keptPanel = kept + i * panelWords;
        amx::LeftPanel left = amx::LeftPanel::packed<T>(keepA ? keptPanel : moving, target.rows);
        if constexpr (std::is_same_v<T, ops::BF16>) {
          if (inPlace) left = amx::LeftPanel::rows(p.a + m0 * p.lda + k0, p.lda);
        }
        amx::multiplyPanels<T>(left, keepA ? moving : keptPanel, steps, target);
      }
      if (p.finish == nullptr || k0 + stretch < p.k) continue;
      const int64_t end = std::min(at + kPanel, moving1);
      finishBlock(p, keepA ? Block{block.m0, block.m1, at, end} : Block{at, end, block.n0, block.n1});
    }
  }
}

/** Packs the moving panels [first, end) for all tasks, in parallel. */
template <class T>
SharedPanels<T> packShared(const Product<T>& p, bool keepA, int64_t first, int64_t end) {
  using amx::kPanel;
  const int64_t stretch = stretchOf<T>(p.k), panelWords = panelWordsOf<T>(p.k), stretches = divideUp(p.k, stretch);
  SharedPanels<T> shared;
  shared.first = first;
  shared.panels = divideUp(end - first, kPanel);
  const int64_t count = stretches * shared.panels;
  shared.words = reinterpret_cast<uint16_t*>(scratch(kScratchPackB, count * panelWords / 2 + count));
  shared.largest = reinterpret_cast<uint32_t*>(shared.words + count * panelWords);
  const amx::Source<T> source = keepA ? rightSource(p) : leftSource(p);
  parallelFor(count, [&](int64_t i) {
    const int64_t k0 = i / shared.panels * stretch, at = first + i % shared.panels * kPanel;
    shared.largest[i] = amx::packPanel(source, at, std::min<int64_t>(kPanel, end - at), k0, std::min(stretch, p.k - k0),
                                       shared.words + i * panelWords);
  });
  return shared;
}

template <class T>
void multiply(const Product<T>& p) {
  using amx::kPanel;
  // The shorter side is kept, so that the longer one, often the weights, is read once. With many rows on both sides it
  // is the columns: C is then written in rows, from page to page.
  constexpr int64_t kFewRows = 256;
  const bool keepA = p.m <= p.n && p.m <= kFewRows;
  const int64_t keptEnd = keepA ? p.m : p.n, movingEnd = keepA ? p.n : p.m;
  const int64_t keptPanels = divideUp(keptEnd, kPanel);
  const int64_t most = std::clamp<int64_t>(kKeptWords / panelWordsOf<T>(p.k), 1, kMostKept);
  const int64_t keptBlocks = divideUp(keptPanels, most), threads = threadCount();
  // A panel that several tasks multiply is packed once for all of them.
  const bool share = keptBlocks > 1 && !rowsInPlace(p, keepA, kPanel, p.k);
  const int64_t slab = share ? std::max<int64_t>(kSharedWords / (panelWordsOf<T>(p.k) * divideUp(p.k, stretchOf<T>(p.k))), 1)
                             : divideUp(movingEnd, kPanel);
  for (int64_t first = 0; first < movingEnd; first += slab * kPanel) {
    const int64_t end = std::min(movingEnd, first + slab * kPanel), movingPanels = divideUp(end - first, kPanel);
    SharedPanels<T> shared;
    if (share) shared = packShared(p, keepA, first, end);
    int64_t splits = 1;
    // As few blocks as keep the threads busy: each packs its kept side anew.
    while (p.m * p.n * p.k > kSerialWork && splits < movingPanels) {
      const int64_t tasks = keptBlocks * splits, rounds = divideUp(tasks, threads);
      if (tasks * 8 >= rounds * threads * 7) break;
      splits++;
    }
    parallelFor(keptBlocks * splits, [&](int64_t task) {
      const int64_t i = task / splits, j = task % splits;
      const int64_t k0 = keptPanels * i / keptBlocks * kPanel;
      const int64_t k1 = std::min(keptPanels * (i + 1) / keptBlocks * kPanel, keptEnd);
      const int64_t v0 = first + movingPanels * j / splits * kPanel;
      const int64_t v1 = std::min(first + movingPanels * (j + 1) / splits * kPanel, end);
      multiplyBlock(p, keepA ? Block{k0, k1, v0, v1} : Block{v0, v1, k0, k1}, keepA, shared);
    });
  }
}

}  // namespace

bool gemmAmxPays(int64_t m, int64_t n, int64_t k) {
  return std::min(m, n) >= amx::kPanel && k >= amx::kStep && m * n * k >= int64_t{1} << 18 && amxAvailable();
}

bool gemmAmxPaysBF16(int64_t m, int64_t n, int64_t k) {
  return m * n * k >= int64_t{1} << 12 && amxAvailable();
}

void gemmAmx(const GemmArgs& g) {
  multiply(Product<float>{g.transA, g.transB, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.c, nullptr, g.ldc, g.beta, g.bias,
                          g.finish});
}

void gemmAmx(const GemmBF16Args& g) {
  Product<ops::BF16> p{g.transA, g.transB, g.m, g.n, g.k, g.a, g.lda, g.b, g.ldb, g.c, g.cRounded, g.ldc, g.beta, g.bias,
                        g.finish};
  if (g.cRounded == nullptr || stretchOf<ops::BF16>(g.k) >= g.k) return multiply(p);
  // Partial sums of a long depth must not be rounded: they are kept in float32 first.
  p.c = scratch(kScratchWide, g.m * g.n);
  p.rounded = nullptr;
  p.ldc = g.n;
  multiply(p);
  parallelRange(g.m, divideUp(16384, g.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for (int64_t j = 0; j < g.n; j++) g.cRounded[i * g.ldc + j] = ops::toBF16(p.c[i * g.n + j]);
    }
  });
}

}  // namespace gv::cpu
HWY_POP_ATTRIBUTES

#else

namespace gv::cpu {

bool gemmAmxPays(int64_t, int64_t, int64_t) { return false; }
bool gemmAmxPaysBF16(int64_t, int64_t, int64_t) { return false; }
void gemmAmx(const GemmArgs& args) { gemmVector(args); }
void gemmAmx(const GemmBF16Args&) {}

}  // namespace gv::cpu

#endif
