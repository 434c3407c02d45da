// Elementwise work on x [batch, rows, channels] where each channel has numbers of its own: a thread keeps to one
// channel, so it reads those once, and divides nothing per element.
#pragma once
#include "fold.h"

namespace gv::cuda {

/** f(b, channel, first, end, step): the rows first, first + step, ... below end of that channel are this thread's. */
template <class F>
void overColumns(int64_t batch, int64_t rows, int64_t channels, F f) {
  constexpr int kThreads = 256;
  const int width = tileWidth(channels), height = kThreads / width;
  const int64_t tiles = ceilDivide(channels, width), step = int64_t(height) * 16, spans = ceilDivide(rows, step);
  forBlocks<kThreads>(batch * spans * tiles, 0, [=] GV_DEVICE(const Block& block) {
    const int64_t tile = block.index % tiles, task = block.index / tiles;
    const int64_t channel = tile * width + block.thread % width, first = task % spans * step;
    if (channel < channels)
      f(task / spans, channel, first + block.thread / width, std::min(first + step, rows), int64_t(height));
  });
}

}  // namespace gv::cuda
