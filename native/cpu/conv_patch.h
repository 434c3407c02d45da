// The patches of a gathering convolution in memory: where the window of each pixel begins and which stretches of it
// are contiguous. What conv_plan.h says in indices, this says in addresses; the packing itself is the kernels'.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/conv_plan.h"

namespace gv::cpu {

/** The pixels of one run along both axes (of all images), for one group of channels. */
struct PatchSet {
  const AxisPhase *phaseY, *phaseX;
  const AxisRun *y, *x;
  int64_t group;

  int64_t perImage() const { return y->count * x->count; }
};

constexpr int64_t kMaxPatchRows = 256;

/** A few pixels of a set, in (image, y, x) order. */
struct PatchRows {
  const float* window[kMaxPatchRows];  // the first tap's first channel; not to be read where the window sticks out
  int64_t dest[kMaxPatchRows];         // the destination pixel's first channel of the group
  int64_t sourceY[kMaxPatchRows], sourceX[kMaxPatchRows];
  bool inside[kMaxPatchRows];  // the whole window lies in the image
};

void findPatchRows(const GatherPlan& plan, const PatchSet& set, const float* source, int64_t row0, int64_t rows,
                   PatchRows& out);

/** `length` elements of a patch that are contiguous in the source, `offset` floats behind the window's beginning. */
struct PatchPiece {
  int64_t offset, length, k;    // k: where they belong in the packed row
  int64_t tapY, tapX, channel;  // the first of them, counted from the run's first tap
};

/** Cuts k elements of the set's patches, from element k0 of tap row tapY on; a tap row's elements are (tap, channel). */
void cutPieces(const GatherPlan& plan, const PatchSet& set, int64_t tapY, int64_t k0, int64_t k,
               std::vector<PatchPiece>& pieces);

/** Writes the pieces of row r to `line`, with zeros where the window sticks out of the image. */
void copyClipped(const GatherPlan& plan, const PatchSet& set, const PatchRows& rows, int64_t r,
                 const std::vector<PatchPiece>& pieces, float* line);

}  // namespace gv::cpu
