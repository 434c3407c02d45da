// Which pixels meet which taps: the index arithmetic that the convolution kernels share. No arithmetic on data.
//
// Forward pass and input gradient are the same gathering sum: each destination pixel adds up source pixels times
// weights. Along one axis the destination positions fall into phases (one in the forward pass; in the input gradient
// one per residue modulo the stride, each a dense stride-1 problem without wasted taps), and a phase into runs of
// positions that see the same taps inside the image, so that padding is never multiplied.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/conv.h"

namespace gv::cpu {

/** Positions dest0 + i * destStep, i < count, that see taps tap0 .. tap0 + taps - 1 of their phase. */
struct AxisRun {
  int64_t dest0, count;
  int64_t source0;  // where tap tap0 of position 0 reads; the next position reads AxisPhase::sourceStep further
  int64_t tap0, taps;
};

struct AxisPhase {
  int64_t taps;               // taps of the kernel that belong to this phase
  int64_t weight0, weightStep;  // tap t is weight index weight0 + t * weightStep along this axis
  int64_t tapStep;            // source distance from tap t to t + 1; positive
  int64_t destStep, sourceStep;
  std::vector<AxisRun> runs;
};

/** One axis of the convolution itself: `out` positions over `in` source pixels. */
std::vector<AxisPhase> forwardAxis(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                                   int64_t dilation, bool trim);

/** The same axis of its input gradient: `in` positions that gather from `out` gradients. */
std::vector<AxisPhase> inputGradAxis(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                                     int64_t dilation, bool trim);

/** Source, destination and both axes of a gathering convolution. */
struct GatherPlan {
  int64_t n, sourceH, sourceW, sourceC, destH, destW, destC, groups;
  int64_t depth;    // source channels of a group: the innermost index of the sum
  int64_t columns;  // destination channels of a group
  std::vector<AxisPhase> y, x;
};

/** `trim` false keeps all taps of every position; the kernel then supplies zeros for pixels outside the image. */
GatherPlan gatherPlan(ConvPass pass, const ConvShape& shape, bool trim);

/** Whether leaving out the taps that fall on padding pays, although it splits the pixels into smaller sets. */
bool trimmingPays(const GatherPlan& trimmed);

}  // namespace gv::cpu
