// Neighbouring f32 or bf16 numbers read and written as one word of up to 16 bytes, and computed with as f32. Tensors
// begin at multiples of 64 bytes, so packs fit wherever the innermost dimension is a multiple of their width.
#pragma once
#include "../ops/bf16.h"
#include "launch.h"

namespace gv::cuda {

template <int W> struct Numbers {
  float at[W];
};

/** How many numbers of type T one word holds. */
template <class T> constexpr int kPackWidth = int(16 / sizeof(T));

namespace detail {

template <class T, int W> struct alignas(sizeof(T) * W) Word {
  T at[W];
};

GV_HD inline float widen(float x) { return x; }
GV_HD inline float widen(ops::BF16 x) { return ops::fromBF16(x); }
GV_HD inline void narrow(float x, float& y) { y = x; }
GV_HD inline void narrow(float x, ops::BF16& y) { y = ops::toBF16(x); }

}  // namespace detail

/** The W numbers from p on; p is a multiple of W numbers away from the beginning of a tensor. */
template <int W, class T> GV_HD Numbers<W> loadPack(const T* p) {
  const auto word = *reinterpret_cast<const detail::Word<T, W>*>(p);
  Numbers<W> x;
  for (int k = 0; k < W; k++) x.at[k] = detail::widen(word.at[k]);
  return x;
}

/** bf16 is rounded to nearest even. */
template <int W, class T> GV_HD void storePack(T* p, const Numbers<W>& x) {
  detail::Word<T, W> word;
  for (int k = 0; k < W; k++) detail::narrow(x.at[k], word.at[k]);
  *reinterpret_cast<detail::Word<T, W>*>(p) = word;
}

}  // namespace gv::cuda
