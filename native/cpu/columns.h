// How kernels walk x [batch, rows, channels] column by column, lanes over the channels: norm and bias.
//
// Few channels would leave lanes empty, so `fold` rows are read as one wide row of fold * channels columns (column j
// belongs to channel j % channels); rows left over form a piece of their own. The pieces depend on the shape alone.
#pragma once
#include <algorithm>
#include <cstdint>

namespace gv::cpu {

struct ColumnPlan {
  static constexpr int64_t kMaxWidth = 1024;       // columns of a piece: its accumulators stay in L1
  static constexpr int64_t kPieceElements = 65536;

  int64_t batch, rows, channels;
  int64_t fold = 1, width = 0;             // rows side by side, and their columns
  int64_t wideRows = 0, tailRows = 0;      // rows = wideRows * fold + tailRows
  int64_t pieceWidth = 0, pieceRows = 0;   // columns and wide rows of a piece
  int64_t columnPieces = 0, rowPieces = 0;
  int64_t pieces = 0;                      // of the whole batch

  struct Piece {
    int64_t batch, column;         // first column within the wide row
    int64_t offset;                // of the first element in x
    int64_t rows, width, stride;
  };

  ColumnPlan(int64_t batch, int64_t rows, int64_t channels) : batch(batch), rows(rows), channels(channels) {
    width = channels;
    if (batch == 0 || rows == 0 || channels == 0) return;
    // The smallest power of two that gives at least 64 columns and no partial vector.
    while ((width < 64 || width % 16 != 0) && channels < 64) {
      fold *= 2;
      width *= 2;
    }
    fold = std::min(fold, rows);
    width = fold * channels;
    wideRows = rows / fold;
    tailRows = rows % fold;
    pieceWidth = std::min(width, kMaxWidth);
    pieceRows = std::min(wideRows, std::max<int64_t>(kPieceElements / pieceWidth, 1));
    columnPieces = (width + pieceWidth - 1) / pieceWidth;
    rowPieces = (wideRows + pieceRows - 1) / pieceRows;
    pieces = batch * perBatch();
  }

  int64_t perBatch() const { return rowPieces * columnPieces + (tailRows > 0 ? 1 : 0); }
  /** Pieces that together are worth a thread's attention. */
  int64_t grain() const { return std::max<int64_t>(16384 / std::max<int64_t>(pieceRows * pieceWidth, 1), 1); }

  Piece piece(int64_t index) const {
    const int64_t b = index / perBatch(), k = index % perBatch(), base = b * rows * channels;
    if (k == rowPieces * columnPieces) {
      const int64_t n = tailRows * channels;
      return {b, 0, base + wideRows * width, 1, n, n};
    }
    const int64_t row = k / columnPieces * pieceRows, column = k % columnPieces * pieceWidth;
    return {b, column, base + row * width + column, std::min(pieceRows, wideRows - row),
            std::min(pieceWidth, width - column), width};
  }

  /**
   * For merging what each piece computed per column (stored at piece * pieceWidth): calls f(from, channel, n, rows)
   * for each run of n channels of batch item b that starts at partial result `from`, always in the same order.
   */
  template <class F>
  void forEachPartial(int64_t b, const F& f) const {
    for (int64_t k = b * perBatch(); k < (b + 1) * perBatch(); k++) {
      const Piece p = piece(k);
      for (int64_t j = 0; j < p.width;) {
        const int64_t channel = (p.column + j) % channels, n = std::min(p.width - j, channels - channel);
        f(k * pieceWidth + j, channel, n, p.rows);
        j += n;
      }
    }
  }
};

}  // namespace gv::cpu
