// Convolutions as the products of product.h ("implicit GEMM"): an operand tells its element from the image and the
// place of a window in it, so windows are never written to memory. One form for two and three dimensions, every stride,
// padding and dilation; groups are a batch of products.
//
//   forward          rows: results, columns: channels k, sum over taps and channels c
//   input gradient   rows: pixels of the image, columns: channels c, sum over taps and channels k
//   weight gradient  rows: taps and channels c, columns: channels k, sum over results
#include "conv_kernels.h"

#include "product.h"

namespace gv::cuda {
namespace {

using Kind = Convolution::Kind;

/** A convolution with three spatial dimensions, the first of size 1 where there are two. */
struct Geometry {
  int64_t n, c, k, groups, groupC, groupK, taps, pixels, results;  // the last three: products of the sizes below
  int64_t size[3], kernel[3], result[3], stride[3], dilation[3], pad[3];

  static Geometry of(const Convolution& v) {
    Geometry g{v.n, v.c, v.k, v.groups, v.c / v.groups, v.k / v.groups, 1, 1, 1, {}, {}, {}, {}, {}, {}};
    for (int i = 0; i < 3; i++) {
      const int j = i - (3 - v.dims);
      g.size[i] = j < 0 ? 1 : v.size[j];
      g.kernel[i] = j < 0 ? 1 : v.kernel[j];
      g.result[i] = j < 0 ? 1 : v.result[j];
      g.stride[i] = j < 0 ? 1 : v.stride[j];
      g.dilation[i] = j < 0 ? 1 : v.dilation[j];
      g.pad[i] = j < 0 ? 0 : v.padBefore[j];
      g.taps *= g.kernel[i];
      g.pixels *= g.size[i];
      g.results *= g.result[i];
    }
    return g;
  }
};

/** A place in an image of some sizes, from its number in row-major order. */
struct Place {
  int64_t at[3], image;

  GV_HD static Place of(int64_t i, const int64_t* size) {
    Place p;
    for (int d = 2; d >= 0; d--) {
      const int64_t q = i / size[d];
      p.at[d] = i - q * size[d];
      i = q;
    }
    p.image = i;
    return p;
  }
};

/** A tap of the kernel, as its distance from the window's corner, and a channel. */
struct Tap {
  int64_t offset[3], channel;

  GV_HD static Tap of(int64_t i, int64_t channels, const Geometry& g) {
    const Place p = Place::of(i / channels, g.kernel);
    return {{p.at[0] * g.dilation[0], p.at[1] * g.dilation[1], p.at[2] * g.dilation[2]}, i % channels};
  }
};

/** The images under the windows: where a result's window begins and what a tap of it sees, 0 outside. */
template <class T>
struct Windows {
  const T* x;
  Geometry g;

  struct Corner {
    const T* image;
    int64_t at[3];
  };
  GV_HD Corner corner(int64_t i) const {
    const Place p = Place::of(i, g.result);
    Corner c{x + p.image * g.pixels * g.c, {}};
    for (int d = 0; d < 3; d++) c.at[d] = p.at[d] * g.stride[d] - g.pad[d];
    return c;
  }
  GV_HD float seen(const Corner& from, const Tap& tap) const {
    int64_t place = 0;
    for (int d = 0; d < 3; d++) {
      const int64_t at = from.at[d] + tap.offset[d];
      if (at < 0 || at >= g.size[d]) return 0.0f;
      place = place * g.size[d] + at;
    }
    return loadNumber(from.image + place * g.c + tap.channel);
  }
};

/** Operand of the forward product. */
template <class T>
struct WindowRows : Windows<T> {
  static constexpr bool depthFirst = true;
  using Outer = typename Windows<T>::Corner;
  using Depth = Tap;
  GV_HD Outer outer(int64_t group, int64_t i) const {
    Outer c = this->corner(i);
    c.image += group * this->g.groupC;
    return c;
  }
  GV_HD Depth depth(int64_t k) const { return Tap::of(k, this->g.groupC, this->g); }
  GV_HD float at(const Outer& from, const Depth& tap) const { return this->seen(from, tap); }
};

/** Operand of the weight gradient: the same elements, summed over the results. */
template <class T>
struct WindowTaps : Windows<T> {
  static constexpr bool depthFirst = false;
  using Outer = Tap;
  using Depth = typename Windows<T>::Corner;
  GV_HD Outer outer(int64_t group, int64_t i) const {
    Tap tap = Tap::of(i, this->g.groupC, this->g);
    tap.channel += group * this->g.groupC;
    return tap;
  }
  GV_HD Depth depth(int64_t k) const { return this->corner(k); }
  GV_HD float at(const Outer& tap, const Depth& from) const { return this->seen(from, tap); }
};

/** The results whose windows reach a pixel: operand of the input gradient. */
template <class T>
struct Reaching {
  const T* dy;
  Geometry g;

  static constexpr bool depthFirst = true;
  struct Outer {
    const T* image;
    int64_t at[3];
  };
  using Depth = Tap;
  GV_HD Outer outer(int64_t group, int64_t i) const {
    const Place p = Place::of(i, g.size);
    Outer o{dy + p.image * g.results * g.k + group * g.groupK, {}};
    for (int d = 0; d < 3; d++) o.at[d] = p.at[d] + g.pad[d];
    return o;
  }
  GV_HD Depth depth(int64_t k) const { return Tap::of(k, g.groupK, g); }
  GV_HD float at(const Outer& from, const Depth& tap) const {
    int64_t place = 0;
    for (int d = 0; d < 3; d++) {
      int64_t at = from.at[d] - tap.offset[d];
      if (at < 0) return 0.0f;
      if (g.stride[d] != 1) {
        const int64_t q = at / g.stride[d];
        if (q * g.stride[d] != at) return 0.0f;
        at = q;
      }
      if (at >= g.result[d]) return 0.0f;
      place = place * g.result[d] + at;
    }
    return loadNumber(from.image + place * g.k + tap.channel);
  }
};

/** Weights [k, taps, groupC] with the channel c outside the sum. */
template <class T>
struct TurnedWeights {
  const T* w;
  Geometry g;

  static constexpr bool depthFirst = false;
  using Outer = const T*;
  using Depth = int64_t;
  GV_HD Outer outer(int64_t group, int64_t i) const { return w + group * g.groupK * g.taps * g.groupC + i; }
  GV_HD Depth depth(int64_t k) const {
    const int64_t tap = k / g.groupK;
    return ((k - tap * g.groupK) * g.taps + tap) * g.groupC;
  }
  GV_HD float at(Outer from, Depth k) const { return loadNumber(from + k); }
};

template <class A, class B>
void multiplyGroups(const Geometry& g, const Extent& e, const A& a, const B& b, const Result& result) {
  // Tiles would be almost empty for groups of so few channels.
  constexpr int64_t kFewChannels = 4;
  if (g.groups > 1 && std::max(g.groupC, g.groupK) <= kFewChannels)
    multiplySingly(e, a, b, result);
  else
    multiplyTiles(e, a, b, result);
}

Result imagesOf(const Tensor& y, int64_t channels, int64_t groupChannels, const Epilogue& end) {
  Result r{y.data<void>(), y.dtype};
  r.rowStep = channels;
  r.batchStep = r.biasBatchStep = groupChannels;
  r.bias = end.bias;
  r.biasColumnStep = 1;
  r.finishes = end.finishes();
  r.ending = end.finish;
  return r;
}

template <class T>
void convolveByTiles(const Convolution& v, const Tensor& a, const Tensor& b, const Tensor& y, const Epilogue& end) {
  const Geometry g = Geometry::of(v);
  const T *const left = a.data<T>(), *const right = b.data<T>();
  switch (v.kind) {
    case Kind::Forward: {
      const int64_t depth = g.taps * g.groupC;
      const Matrix<T> weights{right, depth, 1, g.groupK * depth, true};
      return multiplyGroups(g, {g.n * g.results, g.groupK, depth, g.groups}, WindowRows<T>{{left, g}}, weights,
                            imagesOf(y, g.k, g.groupK, end));
    }
    case Kind::InputGrad:
      return multiplyGroups(g, {g.n * g.pixels, g.groupC, g.taps * g.groupK, g.groups}, Reaching<T>{left, g},
                            TurnedWeights<T>{right, g}, imagesOf(y, g.c, g.groupC, end));
    case Kind::WeightGrad: {
      const int64_t rows = g.taps * g.groupC;
      const Matrix<T> gradient{right, 1, g.k, g.groupK, false};
      Result dw{y.data<void>(), y.dtype};
      dw.batchStep = g.groupK * rows;
      dw.rowStep = 1;
      dw.columnStep = rows;
      return multiplyGroups(g, {rows, g.groupK, g.n * g.results, g.groups}, WindowTaps<T>{{left, g}}, gradient, dw);
    }
  }
}

int64_t channelsOf(const Convolution& v) { return v.kind == Kind::Forward ? v.k : v.c; }

/** By the library; false where it has no engine. `a` and `b` are of type v.dtype. */
bool convolveByLibrary(const Convolution& v, const void* a, const void* b, const Tensor& y, const Epilogue& end) {
  Convolutions& library = *Context::current().convolutions;
  if (!end.empty() && (end.relu() || !end.finishes())) {
    const Finish finish{end.bias, end.relu()};
    if (library.run(v, a, b, y.data<void>(), &finish)) return true;
  }
  if (!library.run(v, a, b, y.data<void>())) return false;
  if (!end.empty()) finishRows(end, y.data<void>(), y.dtype, y.data<void>(), y.dtype, y.size(), channelsOf(v));
  return true;
}

/**
 * The same for bf16 images and results in f32: products of bf16 numbers are exact in TF32, so only the order of the
 * sums may differ. (For weight gradients the library sees to that.)
 */
bool convolveWidened(const Call& call, const Convolution& v, const Tensor& a, const Tensor& b, const Tensor& y,
                     const Epilogue& end) {
  const Tensor wideA = temporary(call, a.shape, DType::F32), wideB = temporary(call, b.shape, DType::F32);
  const Tensor sums = temporary(call, y.shape, DType::F32);
  convert(a, wideA);
  convert(b, wideB);
  Convolution wide = v;
  wide.dtype = DType::F32;
  wide.tf32 = true;
  if (!convolveByLibrary(wide, wideA.data<void>(), wideB.data<void>(), sums, Epilogue())) return false;
  finishRows(end, sums.data<void>(), sums.dtype, y.data<void>(), y.dtype, y.size(), channelsOf(v));
  return true;
}

}  // namespace

void convolve(const Call& call, const Convolution& v, const Tensor& a, const Tensor& b, const Tensor& y,
              const Epilogue& end) {
  if (a.size() != 0 && b.size() != 0) {
    if (convolveByLibrary(v, a.data<void>(), b.data<void>(), y, end)) return;
    const bool narrow = v.dtype == DType::BF16 && v.kind != Kind::WeightGrad;
    if (narrow && convolveWidened(call, v, a, b, y, end)) return;
  }
  if (v.dtype == DType::BF16)
    convolveByTiles<ops::BF16>(v, a, b, y, end);
  else
    convolveByTiles<float>(v, a, b, y, end);
}

}  // namespace gv::cuda
