// Statistics of channelNorm that more than one (sample, channel) shares: the whole batch, groups of channels, or both.
// Merges what was found per sample and channel; knows no pixels. Moments join in a fixed order (Chan, Golub & LeVeque
// 1983), so results do not depend on the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/norm.h"

namespace gv::cpu {

/** n more elements with this mean and sum of squared deviations join `seen` others. */
inline void joinMoments(double seen, double n, double otherMean, double otherTotal, double& mean, double& total) {
  const double delta = otherMean - mean, share = n / (seen + n);
  mean += delta * share;
  total += otherTotal + delta * delta * seen * share;
}

/**
 * From the moments of each (batch item, channel) over `rows` rows to those of everything that shares statistics: over
 * the batch (into item 0) and over each group of channels (into all of them).
 */
inline void shareMoments(const NormShape& s, const ChannelSharing& sharing, double* mean, double* total) {
  if (s.rows == 0) return;
  const int64_t C = s.channels;
  int64_t rows = s.rows, sets = s.batch;
  if (sharing.together) {
    for (int64_t b = 1; b < s.batch; b++)
      for (int64_t c = 0; c < C; c++)
        joinMoments(double(b * rows), double(rows), mean[b * C + c], total[b * C + c], mean[c], total[c]);
    rows *= s.batch;
    sets = 1;
  }
  for (int64_t first = 0; sharing.groupSize > 1 && first < sets * C; first += sharing.groupSize) {
    for (int64_t k = 1; k < sharing.groupSize; k++)
      joinMoments(double(k * rows), double(rows), mean[first + k], total[first + k], mean[first], total[first]);
    std::fill_n(mean + first, sharing.groupSize, mean[first]);
    std::fill_n(total + first, sharing.groupSize, total[first]);
  }
}

/** The sums of value(b, c) over everything that shares statistics with (set, c), into sums [sets, C]. */
template <class F>
void shareSums(const NormShape& s, const ChannelSharing& sharing, double* sums, const F& value) {
  const int64_t C = s.channels, sets = sharing.together ? 1 : s.batch;
  std::fill_n(sums, sets * C, 0.0);
  for (int64_t b = 0; b < s.batch; b++) {
    double* of = sums + (sharing.together ? 0 : b * C);
    for (int64_t c = 0; c < C; c++) of[c] += value(b, c);
  }
  for (int64_t first = 0; sharing.groupSize > 1 && first < sets * C; first += sharing.groupSize) {
    for (int64_t k = 1; k < sharing.groupSize; k++) sums[first] += sums[first + k];
    std::fill_n(sums + first, sharing.groupSize, sums[first]);
  }
}

/** How many elements share one mean. */
inline double elementsPerSet(const NormShape& s, const ChannelSharing& sharing) {
  return double(std::max<int64_t>(s.rows * sharing.groupSize * (sharing.together ? s.batch : 1), 1));
}

}  // namespace gv::cpu
