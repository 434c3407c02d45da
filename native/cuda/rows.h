// Work on contiguous rows, each by a team whose size suits their length: a thread alone, 32 threads, or 256.
#pragma once
#include "../engine/philox.h"
#include "call.h"

namespace gv::cuda {

/** A thread by itself, with the interface of Block. */
struct Alone {
  int64_t index;
  static constexpr int thread = 0, threads = 1;
  template <class T, class Op>
  GV_HD T reduce(T v, Op) const {
    return v;
  }
  template <class T>
  GV_HD T sum(T v) const {
    return v;
  }
};

/**
 * f(team) for each of `rows` rows of n elements; the row is team.index, and element j is for thread j % team.threads.
 * Every thread of a team must reach each team.sum and team.reduce.
 */
template <class F>
void eachRow(int64_t rows, int64_t n, F f) {
  if (n <= 16)
    forEach(rows, [=] GV_DEVICE(int64_t row) { f(Alone{row}); });
  else if (n <= 1024)
    forBlocks<32>(rows, 0, [=] GV_DEVICE(const Block& block) { f(block); });
  else
    forBlocks<256>(rows, 0, [=] GV_DEVICE(const Block& block) { f(block); });
}

}  // namespace gv::cuda
