// The loop over planes and rows around the register kernel of amx-inl.h; see winograd_amx.h.
#include "cpu/winograd_amx.h"

#include "cpu/amx-inl.h"

#if defined(__x86_64__)

HWY_PUSH_ATTRIBUTES(GV_AMX_TARGET)
namespace gv::cpu {

namespace {

constexpr int kSums = amx::kPanel * amx::kPanel;

inline void addSums(const float* sums, int rows, float* c) {
  for (int i = 0; i < rows * amx::kPanel; i += amx::kTile) {
    _mm512_store_ps(c + i, _mm512_add_ps(_mm512_load_ps(c + i), _mm512_load_ps(sums + i)));
  }
}

}  // namespace

void multiplySplit(const SplitProducts& p) {
  using amx::kPanel;
  static_assert(kSplitTile == amx::kTile && kSplitPiece == amx::kTileWords && amx::kPieces<float> == 3);
  const amx::TileScope tiles;
  // A whole tile is stored where part of it is asked for: the rest is never read, and spares a copy.
  const int columns = p.columns > amx::kTile ? kPanel : amx::kTile;
  // Sums are added to c one product later, when the matrix unit has long written them.
  alignas(64) float sums[2][kSums] = {};
  const float* due = nullptr;
  float* dueAt = nullptr;
  int dueRows = 0, turn = 0;
  for (int plane = 0; plane < p.planes; plane++) {
    const uint16_t* const a = p.a + plane * p.planeA;
    const uint16_t* const b = p.b + plane * p.planeB;
    float* const c = p.c + plane * p.planeC;
    for (int64_t row = 0; row < p.rows; row += kPanel) {
      const int rows = p.rows - row > amx::kTile ? kPanel : amx::kTile;
      float* const to = p.accumulate ? sums[turn] : c + row * kPanel;
      turn ^= 1;
      amx::multiplyPanels<float>({a + row / amx::kTile * kSplitTileWords, 64, kSplitTileWords, p.strideA}, b, p.steps,
                                 {to, nullptr, kPanel, rows, columns, 0.0f, nullptr});
      if (!p.accumulate) continue;
      if (due != nullptr) addSums(due, dueRows, dueAt);
      due = to;
      dueAt = c + row * kPanel;
      dueRows = rows;
    }
  }
  if (due != nullptr) addSums(due, dueRows, dueAt);
}

}  // namespace gv::cpu
HWY_POP_ATTRIBUTES

#endif
