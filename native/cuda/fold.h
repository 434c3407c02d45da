// Reductions over the middle of [outer, reduce, inner]: one thread for each result where the rows are few, else a block
// for each tile of columns, whose threads take rows in turn and join what they found in a tree. Long columns are cut
// into spans by the shape alone, so that many blocks have work; sums are always taken in the same order.
//
// What is folded is a functor F of namespace scope:
//   using Part                                       a running result
//   Part part(outer, first, end, step, column)       of the rows first, first + step, ... below end; first < end
//   Part join(a, b)
//   void store(at, part)                             the result of outer and column, at = outer * inner + column
#pragma once
#include <algorithm>

#include "../ops/unary.h"
#include "call.h"

namespace gv::cuda {

struct FoldShape {
  int64_t outer, reduce, inner;
};

/** Columns that neighbouring threads take of a matrix with so many: a power of two of at most 64. */
inline int tileWidth(int64_t columns) {
  int width = 1;
  while (width < columns && width < 64) width *= 2;
  return width;
}

inline int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** take(r, load(r)) for r = first, first + step, ... below end, in order; four loads are under way at a time. */
template <class Load, class Take>
GV_DEVICE void overRows(int64_t first, int64_t end, int64_t step, const Load& load, const Take& take) {
  int64_t r = first;
  for (; r + 3 * step < end; r += 4 * step) {
    const auto a = load(r), b = load(r + step), c = load(r + 2 * step), d = load(r + 3 * step);
    take(r, a);
    take(r + step, b);
    take(r + 2 * step, c);
    take(r + 3 * step, d);
  }
  for (; r < end; r += step) take(r, load(r));
}

/** A sum of floats: runs of 64 in f32, the runs in double, so errors do not grow with the length. */
struct RunningSum {
  float run = -0.0f;  // the number that changes nothing, 0 would turn -0 into +0
  int count = 0;
  double total = -0.0;

  GV_HD void add(float v) {
    run += v;
    if (++count < 64) return;
    total += double(run);
    run = -0.0f;
    count = 0;
  }
  GV_HD double sum() const { return total + double(run); }
};

/** Two sums at once, and what a block's threads add them with. */
struct TwoSums {
  double first, second;
};
struct AddTwoSums {
  GV_HD TwoSums operator()(const TwoSums& a, const TwoSums& b) const {
    return {a.first + b.first, a.second + b.second};
  }
};

namespace detail {

constexpr int kFoldThreads = 256;

/** Results, or with `parts` one part for each [outer, span, column]. */
template <int kThreads, class F>
void foldBlocks(const FoldShape& s, int64_t spanRows, F f, typename F::Part* parts) {
  using Part = typename F::Part;
  const int width = tileWidth(s.inner), height = kThreads / width;
  const int64_t tiles = ceilDivide(s.inner, width), spans = ceilDivide(s.reduce, spanRows);
  const int64_t reduce = s.reduce, inner = s.inner;
  forBlocks<kThreads>(s.outer * spans * tiles, kThreads * sizeof(Part), [=] GV_DEVICE(const Block& block) {
    const int64_t tile = block.index % tiles, task = block.index / tiles, outer = task / spans;
    const int64_t first = task % spans * spanRows, end = std::min(first + spanRows, reduce);
    const int x = block.thread % width, y = block.thread / width;
    const int64_t column = tile * width + x, active = std::min<int64_t>(height, end - first);
    const bool takes = column < inner && y < active;
    Part* const own = reinterpret_cast<Part*>(block.shared) + block.thread;
    if (takes) *own = f.part(outer, first + y, end, int64_t(height), column);
    for (int d = height / 2; d > 0; d /= 2) {
      block.sync();
      if (takes && y < d && y + d < active) *own = f.join(own[0], own[d * width]);
    }
    if (!takes || y > 0) return;
    if (parts)
      parts[task * inner + column] = *own;
    else
      f.store(outer * inner + column, *own);
  });
}

/** The fold of the parts that F left for each span. */
template <class F>
struct PartsFold {
  using Part = typename F::Part;
  F f;
  const Part* parts;
  int64_t spans, inner;

  GV_DEVICE Part part(int64_t outer, int64_t first, int64_t end, int64_t step, int64_t column) const {
    const Part* const at = parts + outer * spans * inner + column;
    Part result = at[first * inner];
    overRows(first + step, end, step, [&](int64_t r) { return at[r * inner]; },
             [&](int64_t, const Part& p) { result = f.join(result, p); });
    return result;
  }
  GV_DEVICE Part join(const Part& a, const Part& b) const { return f.join(a, b); }
  GV_DEVICE void store(int64_t at, const Part& p) const { f.store(at, p); }
};

}  // namespace detail

/** Stores a result for each outer and column; there must be at least one row. */
template <class F>
void fold(const Call& call, const FoldShape& s, F f) {
  using Part = typename F::Part;
  const int64_t results = s.outer * s.inner, reduce = s.reduce, inner = s.inner;
  if (results == 0) return;
  if (reduce <= 16 || (reduce <= 128 && inner >= 32 && results >= int64_t(1) << 17)) {
    forEach(results, [=] GV_DEVICE(int64_t i) {
      const int64_t outer = i / inner;
      f.store(i, f.part(outer, 0, reduce, 1, i - outer * inner));
    });
    return;
  }
  if (inner == 1 && reduce <= 1024) return detail::foldBlocks<32>(s, reduce, f, static_cast<Part*>(nullptr));
  const int width = tileWidth(inner), height = detail::kFoldThreads / width;
  const int64_t blocks = s.outer * ceilDivide(inner, width);
  const int64_t most = std::min<int64_t>(ceilDivide(reduce, height * 16), 256);
  const int64_t wanted = std::clamp<int64_t>(1024 / blocks, 1, most);
  const int64_t spanRows = ceilDivide(ceilDivide(reduce, wanted), height) * height;
  const int64_t spans = ceilDivide(reduce, spanRows);
  if (spans == 1) return detail::foldBlocks<detail::kFoldThreads>(s, spanRows, f, static_cast<Part*>(nullptr));
  const Workspace space(call, size_t(s.outer * spans * inner) * sizeof(Part));
  detail::foldBlocks<detail::kFoldThreads>(s, spanRows, f, space.as<Part>());
  const detail::PartsFold<F> rest{f, space.as<Part>(), spans, inner};
  detail::foldBlocks<detail::kFoldThreads>({s.outer, spans, inner}, spans, rest, static_cast<Part*>(nullptr));
}

}  // namespace gv::cuda
