// Running sums over the threads of a block.
#pragma once
#include "launch.h"

namespace gv::cuda {

template <class T>
struct Scanned {
  T before;  // of the threads before this one
  T total;
};

/** Uses the block's first threads * sizeof(T) bytes of shared memory. */
template <class T>
GV_DEVICE inline Scanned<T> scan(const Block& block, T v) {
  T* const sums = reinterpret_cast<T*>(block.shared);
  sums[block.thread] = v;
  block.sync();
  for (int d = 1; d < block.threads; d *= 2) {
    const T before = block.thread >= d ? sums[block.thread - d] : T(0);
    block.sync();
    sums[block.thread] += before;
    block.sync();
  }
  const Scanned<T> result{block.thread ? sums[block.thread - 1] : T(0), sums[block.threads - 1]};
  block.sync();
  return result;
}

}  // namespace gv::cuda
