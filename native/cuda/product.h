// Products of any two operands (tile.h) that can tell their element for a place outside the sum and a depth inside it:
// matrices (matmul.cu), the windows of a convolution (conv_kernels.cu). Tiles of the result are summed by one block
// each, from slices of both operands in shared memory; where there are few tiles and long sums, the depth is cut into
// parts whose sums are added up in order afterwards. How a sum is cut depends on the sizes alone.
#pragma once
#include <algorithm>

#include "../engine/call.h"
#include "activation.h"
#include "epilogue.h"
#include "tile.h"

namespace gv::cuda {

/** `batch` products [rows, depth] [depth, columns]. */
struct Extent {
  int64_t rows, columns, depth, batch;
};

/** Where sums go: y = finish(sum + beta y + bias), f32 or bf16. */
struct Result {
  void* y;
  DType dtype = DType::F32;
  int64_t batchStep = 0, rowStep = 0, columnStep = 1;
  float beta = 0;
  const float* bias = nullptr;
  int64_t biasBatchStep = 0, biasRowStep = 0, biasColumnStep = 0;
  bool finishes = false;
  FinishArgs ending{};

  GV_HD void store(int64_t batch, int64_t row, int64_t column, float sum) const {
    const int64_t i = batch * batchStep + row * rowStep + column * columnStep;
    float* const wide = static_cast<float*>(y);
    ops::BF16* const narrow = static_cast<ops::BF16*>(y);
    if (beta != 0.0f) sum += beta * (dtype == DType::F32 ? wide[i] : ops::fromBF16(narrow[i]));
    if (bias) sum += bias[batch * biasBatchStep + row * biasRowStep + column * biasColumnStep];
    if (finishes) sum = finish(ending, sum);
    if (dtype == DType::F32)
      wide[i] = sum;
    else
      narrow[i] = ops::toBF16(sum);
  }
};

namespace detail {

constexpr int64_t kEnoughTiles = 256;      // to fill a device
constexpr int64_t kShortestPart = 256;     // of a sum that is cut
constexpr int64_t kMostPartials = 1 << 24;  // numbers, 64 MiB

inline int64_t divideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Into how many parts to cut the depth so that about `wanted` pieces of work become of `pieces`. */
inline int64_t partsOf(const Extent& e, int64_t pieces, int64_t wanted, int64_t shortest) {
  const int64_t results = e.rows * e.columns * e.batch;
  const int64_t most = std::min(e.depth / shortest, kMostPartials / results);
  return std::max<int64_t>(1, std::min(divideUp(wanted, pieces), most));
}

/** Adds up the parts' sums, [parts, batch, rows, columns], in order. */
inline void addParts(const Extent& e, int64_t parts, const float* sums, const Result& result) {
  const int64_t columns = e.columns, size = e.rows * columns, all = size * e.batch;
  forEach(all, [=] GV_DEVICE(int64_t i) {
    float sum = 0;
    for (int64_t p = 0; p < parts; p++) sum += sums[p * all + i];
    result.store(i / size, i % size / columns, i % columns, sum);
  });
}

/** compute(to) with a result for the sums of all parts, in which part p of product b is product p * batch + b. */
template <class F>
void inParts(const Extent& e, int64_t parts, const Result& result, const F& compute) {
  if (parts == 1) return compute(result);
  Call call;
  call.memory = &Context::current().memory;
  const Workspace partials(call, size_t(parts * e.rows * e.columns * e.batch) * sizeof(float));
  Result to{partials.as<float>()};
  to.batchStep = e.rows * e.columns;
  to.rowStep = e.columns;
  compute(to);
  addParts(e, parts, partials.as<float>(), result);
}

/** kRows by kColumns results for a block of 256 threads, 4 rows by kEach columns for each thread. */
template <int kRows, int kColumns, class A, class B>
void computeTiles(const Extent& e, int64_t parts, const A& a, const B& b, const Result& result) {
  constexpr int kThreads = 256, kAcross = kThreads / (kRows / 4), kEach = kColumns / kAcross;
  constexpr int kRowPitch = kRows + 4, kColumnPitch = kColumns + 4;
  const int64_t rowTiles = divideUp(e.rows, kRows), columnTiles = divideUp(e.columns, kColumns);
  const int64_t partDepth = divideUp(divideUp(e.depth, parts), kStep) * kStep;
  constexpr size_t kShared = size_t(kStep) * (kRowPitch + kColumnPitch) * sizeof(float);
  forBlocks<kThreads>(parts * e.batch * rowTiles * columnTiles, kShared, [=] GV_DEVICE(const Block& block) {
    float* const left = reinterpret_cast<float*>(block.shared);
    float* const right = left + kStep * kRowPitch;
    const int64_t column0 = block.index % columnTiles * kColumns, line = block.index / columnTiles;
    const int64_t row0 = line % rowTiles * kRows, product = line / rowTiles;  // product = part * batch + which
    const int64_t batch = product % e.batch, begin = product / e.batch * partDepth;
    const int64_t end = begin + partDepth < e.depth ? begin + partDepth : e.depth;
    SliceReader<A, kRows, kThreads> rows(a, block.thread, batch, row0, e.rows);
    SliceReader<B, kColumns, kThreads> columns(b, block.thread, batch, column0, e.columns);
    const int r = block.thread / kAcross * 4, c = block.thread % kAcross * kEach;
    float sums[4][kEach] = {};
    if (begin < end) {  // operands may be unable to tell a depth where there is none
      rows.read(a, begin, end);
      columns.read(b, begin, end);
    }
    for (int64_t k = begin; k < end; k += kStep) {
      rows.write(left, kRowPitch);
      columns.write(right, kColumnPitch);
      block.sync();
      if (k + kStep < end) {  // on their way while this slice is worked on
        rows.read(a, k + kStep, end);
        columns.read(b, k + kStep, end);
      }
      float slice[4][kEach] = {};  // rounds less often at the size of the whole sum
      addOuterProducts<kStep, 4>(left + r, kRowPitch, right + c, kColumnPitch, slice);
      for (int i = 0; i < 4; i++)
        for (int j = 0; j < kEach; j++) sums[i][j] += slice[i][j];
      block.sync();
    }
    GV_UNROLL
    for (int i = 0; i < 4; i++)
      GV_UNROLL
      for (int j = 0; j < kEach; j++)
        if (row0 + r + i < e.rows && column0 + c + j < e.columns)
          result.store(product, row0 + r + i, column0 + c + j, sums[i][j]);
  });
}

/** A thread for each result of each part; neighbours are the same element of neighbouring products. */
template <class A, class B>
void computeSingly(const Extent& e, int64_t parts, const A& a, const B& b, const Result& result) {
  const int64_t partDepth = divideUp(e.depth, parts);
  forEach(parts * e.rows * e.columns * e.batch, [=] GV_DEVICE(int64_t i) {
    const int64_t batch = i % e.batch, place = i / e.batch, column = place % e.columns, line = place / e.columns;
    const int64_t row = line % e.rows, part = line / e.rows, begin = part * partDepth;
    const int64_t end = begin + partDepth < e.depth ? begin + partDepth : e.depth;
    const typename A::Outer left = a.outer(batch, row);
    const typename B::Outer right = b.outer(batch, column);
    float sum = 0;
    for (int64_t k = begin; k < end; k++) sum += a.at(left, a.depth(k)) * b.at(right, b.depth(k));
    result.store(part * e.batch + batch, row, column, sum);
  });
}

}  // namespace detail

/** The products by tiles: for all sizes, good ones from about 16 columns. */
template <class A, class B>
void multiplyTiles(const Extent& e, const A& a, const B& b, const Result& result) {
  constexpr int64_t kThin = 16;
  const bool thin = e.columns <= kThin;
  const int64_t tiles = detail::divideUp(e.rows, thin ? 128 : 64) * detail::divideUp(e.columns, 64) * e.batch;
  if (tiles == 0) return;
  const int64_t parts = tiles >= detail::kEnoughTiles
                            ? 1
                            : detail::partsOf(e, tiles, 2 * detail::kEnoughTiles, detail::kShortestPart);
  detail::inParts(e, parts, result, [&](const Result& to) {
    if (thin)
      detail::computeTiles<128, kThin>(e, parts, a, b, to);
    else
      detail::computeTiles<64, 64>(e, parts, a, b, to);
  });
}

/** The products by a thread for each element: for many products of few rows and columns. */
template <class A, class B>
void multiplySingly(const Extent& e, const A& a, const B& b, const Result& result) {
  constexpr int64_t kEnoughThreads = 1 << 17, kShortestPart = 32;
  const int64_t size = e.rows * e.columns * e.batch;
  if (size == 0) return;
  const int64_t parts = size >= kEnoughThreads ? 1 : detail::partsOf(e, size, kEnoughThreads, kShortestPart);
  detail::inParts(e, parts, result, [&](const Result& to) { detail::computeSingly(e, parts, a, b, to); });
}

}  // namespace gv::cuda
