// Addresses of patches; see conv_patch.h.
#include "cpu/conv_patch.h"

#include <algorithm>

namespace gv::cpu {

void findPatchRows(const GatherPlan& p, const PatchSet& set, const float* source, int64_t row0, int64_t rows,
                   PatchRows& out) {
  const AxisPhase &py = *set.phaseY, &px = *set.phaseX;
  const AxisRun &y = *set.y, &x = *set.x;
  int64_t image = row0 / set.perImage(), iy = row0 % set.perImage() / x.count, ix = row0 % x.count;
  for (int64_t r = 0; r < rows; r++) {
    const int64_t sourceY = y.source0 + iy * py.sourceStep, sourceX = x.source0 + ix * px.sourceStep;
    const int64_t destY = y.dest0 + iy * py.destStep, destX = x.dest0 + ix * px.destStep;
    out.sourceY[r] = sourceY;
    out.sourceX[r] = sourceX;
    out.window[r] = source + ((image * p.sourceH + sourceY) * p.sourceW + sourceX) * p.sourceC + set.group * p.depth;
    out.dest[r] = ((image * p.destH + destY) * p.destW + destX) * p.destC + set.group * p.columns;
    out.inside[r] = sourceY >= 0 && sourceX >= 0 && sourceY + (y.taps - 1) * py.tapStep < p.sourceH &&
                    sourceX + (x.taps - 1) * px.tapStep < p.sourceW;
    if (++ix == x.count) {
      ix = 0;
      if (++iy == y.count) {
        iy = 0;
        image++;
      }
    }
  }
}

void cutPieces(const GatherPlan& p, const PatchSet& set, int64_t tapY, int64_t k0, int64_t k,
               std::vector<PatchPiece>& pieces) {
  // Neighbouring taps that are neighbours in memory join into one stretch.
  const bool joined = set.phaseX->tapStep == 1 && p.groups == 1;
  const int64_t row = set.x->taps * p.depth, stretch = joined ? row : p.depth;
  pieces.clear();
  for (int64_t done = 0; done < k;) {
    const int64_t inRow = (k0 + done) % row, y = tapY + (k0 + done) / row;
    const int64_t x = inRow / p.depth, channel = inRow % p.depth;
    const int64_t length = std::min(stretch - inRow % stretch, k - done);
    const int64_t offset = (y * set.phaseY->tapStep * p.sourceW + x * set.phaseX->tapStep) * p.sourceC + channel;
    pieces.push_back({offset, length, done, y, x, channel});
    done += length;
  }
}

void copyClipped(const GatherPlan& p, const PatchSet& set, const PatchRows& rows, int64_t r,
                 const std::vector<PatchPiece>& pieces, float* line) {
  for (const PatchPiece& piece : pieces) {
    const int64_t y = rows.sourceY[r] + piece.tapY * set.phaseY->tapStep;
    int64_t x = rows.sourceX[r] + piece.tapX * set.phaseX->tapStep, channel = piece.channel;
    for (int64_t done = 0; done < piece.length; x += set.phaseX->tapStep, channel = 0) {
      // One tap at a time: a stretch of several may be cut at either edge of the image.
      const int64_t length = std::min(p.depth - channel, piece.length - done);
      float* to = line + piece.k + done;
      if (y >= 0 && y < p.sourceH && x >= 0 && x < p.sourceW) {
        const int64_t fromFirst = ((y - rows.sourceY[r]) * p.sourceW + x - rows.sourceX[r]) * p.sourceC + channel;
        std::copy_n(rows.window[r] + fromFirst, length, to);
      } else {
        std::fill_n(to, length, 0.0f);
      }
      done += length;
    }
  }
}

}  // namespace gv::cpu
