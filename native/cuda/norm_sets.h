// Which samples and channels of channelNorm share statistics, and where their numbers lie. A group is what shares one
// mean; groups are numbered as the first of their channels in [sets, channels].
#pragma once
#include "../ops/norm.h"
#include "launch.h"

namespace gv::cuda {

struct NormSets {
  int64_t batch, channels, groupSize;
  bool together;   // the statistics are over the batch
  bool perSample;  // gamma and beta are [batch, channels]

  static NormSets of(const Call& call, const NormShape& s, const Shape& gamma) {
    const ChannelSharing sharing = ChannelSharing::decode(call);
    return {s.batch, s.channels, sharing.groupSize, sharing.together, gamma.rank() > 1};
  }

  int64_t groups() const { return (together ? 1 : batch) * (channels / groupSize); }
  /** Pairs of sample and channel in a group. */
  int64_t members() const { return (together ? batch : 1) * groupSize; }
  /** Where member k of a group lies in [batch, channels]. */
  GV_HD int64_t member(int64_t group, int64_t k) const {
    return together ? k / groupSize * channels + group * groupSize + k % groupSize : group * groupSize + k;
  }
  /** Where the statistics of (b, c) lie in [sets, channels], and its parameters in theirs. */
  GV_HD int64_t statistic(int64_t b, int64_t c) const { return together ? c : b * channels + c; }
  GV_HD int64_t parameter(int64_t b, int64_t c) const { return perSample ? b * channels + c : c; }
};

}  // namespace gv::cuda
