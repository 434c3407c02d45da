// The Winograd transforms on vectors of channels: Transform gives W t W^T for a constant matrix W of
// winograd_matrices.h and small tiles t. Per target, header only.
//
// The matrix product is unrolled at compile time. Multiplications by 0 and 1 vanish, and points p and -p share their
// even and odd halves, which saves a third of the operations. Where the elements of t come from and go to is up to
// the functors given to Transform; those for transformed tiles and for pixels are below.
#if defined(GV_CPU_WINOGRAD_TRANSFORM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef GV_CPU_WINOGRAD_TRANSFORM_INL_H
#undef GV_CPU_WINOGRAD_TRANSFORM_INL_H
#else
#define GV_CPU_WINOGRAD_TRANSFORM_INL_H
#endif

#include <cstdint>
#include <type_traits>

#include "cpu/simd-inl.h"
#include "cpu/winograd_matrices.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

/** Columns kFrom, kFrom + kStep, ... of a row of kW, as kFactor times a sum that begins with in[kLead]. */
template <const auto& kW, int kRow, int kFrom, int kStep>
struct RowPart {
  static constexpr bool has(int col) { return col >= kFrom && (col - kFrom) % kStep == 0 && kW.at[kRow][col] != 0; }

  /** A column whose element is 1, or else one whose element divides the others exactly, or else any. */
  static constexpr int leadColumn() {
    int lead = -1;
    for (int col = 0; col < kW.kCols; col++) {
      if (!has(col)) continue;
      if (kW.at[kRow][col] == 1) return col;
      bool exact = true;
      for (int other = 0; other < kW.kCols; other++) {
        const double ratio = double(kW.at[kRow][other]) / kW.at[kRow][col];
        exact = exact && (!has(other) || (float(ratio) == ratio && ratio * kW.at[kRow][col] == kW.at[kRow][other]));
      }
      if (exact || lead < 0) lead = col;
    }
    return lead;
  }
  static constexpr int kLead = leadColumn();
  static constexpr float kFactor = kW.at[kRow][kLead];

  /** in[kLead] + the others times their elements / kFactor; in[] is `stride` apart. */
  template <int stride>
  static HWY_INLINE V Sum(const V* in) {
    return SumFrom<stride, 0>(in, in[kLead * stride]);
  }
  template <int stride, int col>
  static HWY_INLINE V SumFrom(const V* in, V sum) {
    if constexpr (col == kW.kCols) {
      return sum;
    } else if constexpr (!has(col) || col == kLead) {
      return SumFrom<stride, col + 1>(in, sum);
    } else {
      constexpr float k = kW.at[kRow][col] / kFactor;
      const V x = in[col * stride];
      if constexpr (k == 1) sum = hn::Add(sum, x);
      else if constexpr (k == -1) sum = hn::Sub(sum, x);
      else sum = hn::MulAdd(hn::Set(D(), k), x, sum);
      return SumFrom<stride, col + 1>(in, sum);
    }
  }
};

/** out[i] = row i of kW times in[0], in[stride], ...; rows before `row` are done. Paired rows share their halves. */
template <const auto& kW, int stride, int row = 0>
HWY_INLINE void RowsTimes(const V* in, V* out) {
  const D d;
  if constexpr (constexpr int sign = pairedRows(kW, row); sign != 0) {
    using Even = RowPart<kW, row, 0, 2>;
    using Odd = RowPart<kW, row, 1, 2>;
    constexpr bool evenIsBase = Even::kFactor == 1 || Odd::kFactor != 1;
    using Base = std::conditional_t<evenIsBase, Even, Odd>;
    using Other = std::conditional_t<evenIsBase, Odd, Even>;
    V base = Base::template Sum<stride>(in);
    if constexpr (Base::kFactor != 1) base = hn::Mul(hn::Set(d, Base::kFactor), base);
    const V other = Other::template Sum<stride>(in), factor = hn::Set(d, Other::kFactor);
    out[row] = hn::MulAdd(factor, other, base);
    out[row + 1] = evenIsBase == (sign == 1) ? hn::NegMulAdd(factor, other, base) : hn::MulSub(factor, other, base);
    RowsTimes<kW, stride, row + 2>(in, out);
  } else if constexpr (row < kW.kRows) {
    using Row = RowPart<kW, row, 0, 1>;
    out[row] = Row::template Sum<stride>(in);
    if constexpr (Row::kFactor == -1) out[row] = hn::Neg(out[row]);
    else if constexpr (Row::kFactor != 1) out[row] = hn::Mul(hn::Set(d, Row::kFactor), out[row]);
    RowsTimes<kW, stride, row + 1>(in, out);
  }
}

template <const auto& kW>
struct Folded {
  static constexpr auto kMatrix = folded(kW);
};

/** Replaces in[] by the sums and differences that Folded<kW> wants, where columns of kW pair up. */
template <const auto& kW, int stride, int col = 0>
HWY_INLINE void FoldPairs(V* in) {
  if constexpr (col + 1 < kW.kCols) {
    constexpr bool paired = pairedColumns(kW, col) != 0;
    if constexpr (paired) {
      const V a = in[col * stride], b = in[(col + 1) * stride];
      in[col * stride] = hn::Add(a, b);
      in[(col + 1) * stride] = hn::Sub(a, b);
    }
    FoldPairs<kW, stride, col + (paired ? 2 : 1)>(in);
  }
}

/** out = kW times in[0], in[stride], ..., which it may overwrite. */
template <const auto& kW, int stride>
HWY_INLINE void MatrixTimes(V* in, V* out) {
  FoldPairs<kW, stride>(in);
  RowsTimes<Folded<kW>::kMatrix, stride>(in, out);
}

/** write(i, j, element) for each element of kW t kW^T, where t(i, j) = read(i, j). */
template <const auto& kW, class Read, class Write>
HWY_INLINE void Transform(const Read& read, const Write& write) {
  constexpr int kRows = kW.kRows, kCols = kW.kCols;
  V half[kCols * kRows];  // [column][row]
#pragma GCC unroll 8
  for (int j = 0; j < kCols; j++) {
    V column[kCols];
#pragma GCC unroll 8
    for (int i = 0; i < kCols; i++) column[i] = read(i, j);
    MatrixTimes<kW, 1>(column, half + j * kRows);
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i++) {
    V out[kRows];
    MatrixTimes<kW, kRows>(half + i, out);
#pragma GCC unroll 8
    for (int j = 0; j < kRows; j++) write(i, j, out[j]);
  }
}

// The functors of Transform. A transformed tile is spread over N x N planes that begin `plane` floats apart.
// An Access (lanes-inl.h) loads and stores a vector or the part of it that there are channels for.

template <int N>
struct ReadPlanes {
  const float* first;
  int64_t plane;
  HWY_INLINE V operator()(int i, int j) const { return hn::Load(D(), first + (i * N + j) * plane); }
};

template <int N>
struct WritePlanes {
  float* first;
  int64_t plane;
  HWY_INLINE void operator()(int i, int j, V v) const { hn::Store(v, D(), first + (i * N + j) * plane); }
};

// Pixel (i, j) of an N x N tile is at pixels[i * N + j], `channel` floats further on. `later` are the pixels of a tile
// that is due soon: images are far larger than any cache, and their tiles too scattered to be fetched unasked.

template <int N, class Access>
struct ReadPixels {
  const float* const* pixels;
  const float* const* later;
  int64_t channel;
  Access access;
  HWY_INLINE V operator()(int i, int j) const {
    hwy::Prefetch(later[i * N + j] + channel);
    return access.load(pixels[i * N + j] + channel);
  }
};

template <int N, class Access>
struct WritePixels {
  float* const* pixels;
  float* const* later;
  int64_t channel;
  Access access;
  V bias;
  HWY_INLINE void operator()(int i, int j, V v) const {
    hwy::Prefetch(later[i * N + j] + channel);
    access.store(hn::Add(v, bias), pixels[i * N + j] + channel);
  }
};

/** Writes a tile that shares `overlap` rows and columns with the tiles above and to the left: those are added to. */
template <int N, int overlap, class Access>
struct AddPixels {
  float* const* pixels;
  float* const* later;
  int64_t channel;
  Access access;
  bool above, left;
  HWY_INLINE void operator()(int i, int j, V v) const {
    hwy::Prefetch(later[i * N + j] + channel);
    float* p = pixels[i * N + j] + channel;
    if ((i < overlap && above) || (j < overlap && left)) v = hn::Add(v, access.load(p));
    access.store(v, p);
  }
};

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
