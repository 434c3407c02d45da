// The inner loops of the reductions (included after simd.h, compiled per target; integers are left to the compiler).
// A fold works on rows of equal width that lie `stride` apart and reduces them to one row. A long row is folded the
// same way, as a matrix of 64 columns first. Sums of f32 and bf16 add blocks of 64 rows in f32, and the blocks in double,
// so the error stays near one rounding whatever the length.
#if defined(GANVAS_CPU_REDUCE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GANVAS_CPU_REDUCE_INL_H
#undef GANVAS_CPU_REDUCE_INL_H
#else
#define GANVAS_CPU_REDUCE_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/lanes-inl.h"
#include "cpu/simd-inl.h"
#include "ops/binary.h"
#include "ops/unary.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

// What is folded: the elements, a block of them, and the running result over blocks.
template <class T, class B, class P, class F>
struct Fold {
  using Value = T;
  using Block = B;
  using Part = P;
  using Combine = F;
};
using SumF32 = Fold<float, float, double, ops::Add>;
using SumBF16 = Fold<ops::BF16, float, double, ops::Add>;
template <class T> using SumInteger = Fold<T, int32_t, int32_t, ops::Add>;
template <class T> using Exact = std::conditional_t<std::is_same_v<T, ops::BF16>, float, T>;
template <class T> using MaxFold = Fold<T, Exact<T>, Exact<T>, ops::Maximum>;
template <class T> using MinFold = Fold<T, Exact<T>, Exact<T>, ops::Minimum>;

template <class F, class T>
HWY_INLINE T combine(T a, T b) {
  if constexpr (std::is_same_v<T, double>)
    return a + b;
  else
    return typename F::Combine()(a, b);
}

/** An element as part of a block. */
template <class F>
HWY_INLINE typename F::Block blockOf(typename F::Value v) {
  return ops::Cast<typename F::Block>()(v);
}

/** combine on vectors. */
template <class F>
HWY_INLINE V combineLanes(V a, V b) {
  if constexpr (std::is_same_v<typename F::Combine, ops::Add>) return hn::Add(a, b);
  const auto first = std::is_same_v<typename F::Combine, ops::Maximum> ? hn::Gt(a, b) : hn::Lt(a, b);
  return hn::IfThenElse(hn::Eq(a, a), hn::IfThenElse(first, a, b), a);
}

constexpr int64_t kBlockRows = 64;
constexpr int64_t kLaneWidth = 64;
constexpr int64_t kMaxWidth = 1024;

/** block[c] = the fold of block[c] and four elements, as a short tree; [from, to) are the columns. */
template <class F, class T>
HWY_INLINE void FoldFour(const T* x, int64_t stride, int64_t from, int64_t to, typename F::Block* HWY_RESTRICT block) {
  using B = typename F::Block;
  const T *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
  for (int64_t c = from; c < to; c++) {
    const B low = combine<F>(blockOf<F>(x[c]), blockOf<F>(x1[c]));
    const B high = combine<F>(blockOf<F>(x2[c]), blockOf<F>(x3[c]));
    block[c] = combine<F>(block[c], combine<F>(low, high));
  }
}

/** The same on vectors, for as many columns as fill them; returns how many. */
template <class F, class T>
HWY_INLINE int64_t FoldFourLanes(const T* x, int64_t stride, int64_t width, float* HWY_RESTRICT block) {
  const D d;
  const T *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
  const int64_t whole = width - width % kLanes;
  for (int64_t c = 0; c < whole; c += kLanes) {
    const V low = combineLanes<F>(LoadLanes(x + c), LoadLanes(x1 + c));
    const V high = combineLanes<F>(LoadLanes(x2 + c), LoadLanes(x3 + c));
    hn::StoreU(combineLanes<F>(hn::LoadU(d, block + c), combineLanes<F>(low, high)), d, block + c);
  }
  return whole;
}

/** block[c] = the fold of x[0..rows)[c]; rows >= 1. Four rows at a time, for less traffic and a smaller error. */
template <class F>
void FoldBlock(const typename F::Value* x, int64_t rows, int64_t stride, int64_t width,
               typename F::Block* HWY_RESTRICT block) {
  for (int64_t c = 0; c < width; c++) block[c] = blockOf<F>(x[c]);
  int64_t r = 1;
  for (; r + 4 <= rows; r += 4) {
    int64_t done = 0;
    if constexpr (std::is_same_v<typename F::Block, float>)
      done = FoldFourLanes<F>(x + r * stride, stride, width, block);
    FoldFour<F>(x + r * stride, stride, done, width, block);
  }
  for (; r < rows; r++)
    for (int64_t c = 0; c < width; c++) block[c] = combine<F>(block[c], blockOf<F>(x[r * stride + c]));
}

/** part[c] = the fold of x[0..rows)[c]; rows >= 1, width <= kMaxWidth. */
template <class F>
void FoldRows(const typename F::Value* x, int64_t rows, int64_t stride, int64_t width,
              typename F::Part* HWY_RESTRICT part) {
  using P = typename F::Part;
  alignas(64) typename F::Block block[kMaxWidth];
  for (int64_t r = 0; r < rows; r += kBlockRows) {
    FoldBlock<F>(x + r * stride, std::min(kBlockRows, rows - r), stride, width, block);
    if (r == 0)
      for (int64_t c = 0; c < width; c++) part[c] = P(block[c]);
    else
      for (int64_t c = 0; c < width; c++) part[c] = combine<F>(part[c], P(block[c]));
  }
}

/** Folds v[0..width) into v[0]; width is a power of two. */
template <class F, class T>
HWY_INLINE T FoldHalves(T* v, int64_t width) {
  for (int64_t half = width / 2; half; half /= 2)
    for (int64_t c = 0; c < half; c++) v[c] = combine<F>(v[c], v[c + half]);
  return v[0];
}

/** The fold of n >= 1 elements in a row. */
template <class F>
typename F::Part FoldRow(const typename F::Value* x, int64_t n) {
  using P = typename F::Part;
  using B = typename F::Block;
  const int64_t lanes = n < 4 * kLaneWidth ? 8 : kLaneWidth;
  const int64_t rows = n / lanes;
  int64_t i = rows * lanes;
  P result;
  if (rows == 0) {
    result = P(blockOf<F>(x[0]));
    i = 1;
  } else if (rows <= kBlockRows) {
    alignas(64) B block[kLaneWidth];
    FoldBlock<F>(x, rows, lanes, lanes, block);
    result = P(FoldHalves<F>(block, lanes));
  } else {
    alignas(64) P parts[kLaneWidth];
    FoldRows<F>(x, rows, lanes, lanes, parts);
    result = FoldHalves<F>(parts, lanes);
  }
  for (; i < n; i++) result = combine<F>(result, P(blockOf<F>(x[i])));
  return result;
}

/** y[i] = the fold of row i of n >= 1 elements. Short rows go side by side, as one would wait for each addition. */
template <class F, class Y>
void FoldEachRow(const typename F::Value* x, int64_t rows, int64_t n, Y* y) {
  using B = typename F::Block;
  constexpr int64_t kTogether = 64;
  if constexpr (std::is_same_v<typename F::Value, ops::BF16>) {
    // Rows that are no whole vectors are widened first, as many as fit.
    if (n <= kMaxWidth) {
      alignas(64) float wide[kMaxWidth];
      for (int64_t first = 0, some = kMaxWidth / n; first < rows; first += some) {
        const int64_t count = std::min(some, rows - first);
        const ops::BF16* const from = x + first * n;
        overLanes(count * n, [&](int64_t i, auto at) HWY_ATTR { at.store(at.load(from + i), wide + i); });
        FoldEachRow<Fold<float, B, typename F::Part, typename F::Combine>>(wide, count, n, y + first);
      }
      return;
    }
  }
  if (n >= 16) {
    for (int64_t i = 0; i < rows; i++) y[i] = ops::Cast<Y>()(B(FoldRow<F>(x + i * n, n)));
    return;
  }
  for (int64_t first = 0; first < rows; first += kTogether) {
    const int64_t count = std::min(kTogether, rows - first);
    const typename F::Value* const base = x + first * n;
    B result[kTogether];
    for (int64_t i = 0; i < count; i++) result[i] = blockOf<F>(base[i * n]);
    for (int64_t j = 1; j < n; j++)
      for (int64_t i = 0; i < count; i++) result[i] = combine<F>(result[i], blockOf<F>(base[i * n + j]));
    for (int64_t i = 0; i < count; i++) y[first + i] = ops::Cast<Y>()(result[i]);
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
