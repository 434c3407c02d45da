// The three-dimensional convolution on the two-dimensional engine (cpu/conv.h), which brings its algorithms along.
//
// The slices that the kernel's depth covers become channels of one image: a result slice of a volume [D, H, W, C] under
// a kernel of depth kD is the convolution of an image [H, W, kD C]. Unfolding copies kD / stride times the volume, a
// bounded number of slices at a time; its transpose, folding, adds the input gradients of all slices that overlap.
// A kernel of depth 1 and one that covers the whole volume need neither.
#include "ops/conv3d.h"

#include <algorithm>
#include <cstring>

#include "cpu/conv.h"
#include "cpu/pool.h"

namespace gv::cpu {
namespace {

using Axis = ops::Conv3dArgs::Axis;

constexpr int64_t kUnfoldedFloats = int64_t{1} << 23;  // of an unfolded chunk: 32 MiB

/** A convolution of volumes as one of images, and how the volumes unfold into them. */
struct Plan {
  int64_t n, d, od, kd;  // samples, input and result slices, kernel slices
  Axis depth;
  ConvShape image;  // of all result slices; c counts the unfolded channels
  bool direct;      // the volumes are the images as they lie

  int64_t slices() const { return n * od; }
  int64_t groupChannels() const { return image.c / image.groups / (direct ? 1 : kd); }
  int64_t channels() const { return groupChannels() * image.groups; }
  int64_t imageFloats() const { return image.h * image.w * image.c; }
  int64_t resultFloats() const { return image.oh * image.ow * image.k; }
  int64_t weightFloats() const { return image.k * image.kh * image.kw * (image.c / image.groups); }
  /** Result slices of a chunk; chunks are as equal as can be. */
  int64_t chunk() const {
    const int64_t most = std::max<int64_t>(1, kUnfoldedFloats / std::max<int64_t>(1, imageFloats()));
    const int64_t chunks = (slices() + most - 1) / most;
    return (slices() + chunks - 1) / chunks;
  }
};

Plan planOf(const ops::Conv3dArgs& a, const Shape& x, const Shape& w, const Shape& y) {
  const auto& [depth, vertical, horizontal] = a.axes;
  Plan p{x[0], x[1], y[1], w[1], depth, {}, false};
  p.image = {x[0] * y[1], x[2], x[3], x[4] * w[1], y[2], y[3], w[0], w[2], w[3], vertical.stride, horizontal.stride,
             vertical.before, horizontal.before, vertical.dilation, horizontal.dilation, a.groups};
  const auto covers = [&](int i) {
    return y[i + 1] == 1 && w[i + 1] == x[i + 1] && a.axes[i].before == 0 && (w[i + 1] == 1 || a.axes[i].dilation == 1);
  };
  if (w[1] == 1 && depth.stride == 1 && depth.before == 0 && y[1] == x[1]) {
    p.direct = true;
  } else if (a.groups == 1 && covers(0) && covers(1) && covers(2)) {
    p.direct = true;
    p.image = {x[0], 1, 1, x.count(1, 5), 1, 1, w[0], 1, 1, 1, 1, 0, 0, 1, 1, 1};
  }
  return p;
}

ConvShape slicesOf(const Plan& p, int64_t count) {
  ConvShape shape = p.image;
  shape.n = count;
  return shape;
}

void copy(const float* from, int64_t count, float* to) {
  constexpr int64_t kShort = 32;  // the call would cost more than the copy
  if (count >= kShort) {
    std::memcpy(to, from, size_t(count) * sizeof(float));
  } else {
    for (int64_t i = 0; i < count; i++) to[i] = from[i];
  }
}

/** Result slices [first, first + count) as images [H, W, groups, kD, C / groups], zeros where the kernel leaves x. */
void unfold(const Plan& p, const float* x, int64_t first, int64_t count, float* images) {
  const int64_t h = p.image.h, w = p.image.w, c = p.groupChannels(), groups = p.image.groups, pixel = p.image.c;
  parallelFor(count * h, [&](int64_t i) {
    const int64_t slice = first + i / h, sample = slice / p.od, row = i % h;
    float* const line = images + i * w * pixel;
    for (int64_t k = 0; k < p.kd; k++) {
      const int64_t z = slice % p.od * p.depth.stride - p.depth.before + k * p.depth.dilation;
      const bool inside = z >= 0 && z < p.d;
      const float* from = x + (((sample * p.d + z) * h + row) * w) * p.channels();
      for (int64_t j = 0; j < w * groups; j++) {
        float* to = line + (j * p.kd + k) * c;
        if (inside) {
          copy(from + j * c, c, to);
        } else {
          std::fill_n(to, c, 0.0f);
        }
      }
    }
  });
}

/** Adds the images of result slices [first, first + count), laid out as above, to the slices of dx they came from. */
void foldAdd(const Plan& p, const float* images, int64_t first, int64_t count, float* dx) {
  const int64_t h = p.image.h, w = p.image.w, c = p.groupChannels(), groups = p.image.groups, pixel = p.image.c;
  const int64_t sample0 = first / p.od, samples = (first + count - 1) / p.od - sample0 + 1;
  parallelFor(samples * p.d * h, [&](int64_t i) {
    const int64_t row = i % h, z = i / h % p.d, sample = sample0 + i / h / p.d;
    float* const line = dx + (((sample * p.d + z) * h + row) * w) * p.channels();
    for (int64_t k = 0; k < p.kd; k++) {
      const int64_t at = z + p.depth.before - k * p.depth.dilation, slice = at / p.depth.stride;
      if (at < 0 || at % p.depth.stride != 0 || slice >= p.od) continue;
      const int64_t index = sample * p.od + slice - first;
      if (index < 0 || index >= count) continue;
      const float* const from = images + (index * h + row) * w * pixel + k * c;
      for (int64_t j = 0; j < w * groups; j++) {
        for (int64_t m = 0; m < c; m++) line[j * c + m] += from[j * p.kd * c + m];
      }
    }
  });
}

/** Turns weights [K][kD][kH kW][c] into [K][kH kW][kD][c], or back: the two middle sizes change places. */
void swapTaps(const Plan& p, const float* from, int64_t outer, int64_t inner, float* to) {
  const int64_t c = p.groupChannels();
  parallelRange(p.image.k, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, outer * inner * c)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t i = begin * outer * inner; i < end * outer * inner; i++) {
                    const int64_t k = i / (outer * inner), a = i / inner % outer, b = i % inner;
                    copy(from + i * c, c, to + ((k * inner + b) * outer + a) * c);
                  }
                });
}

ConvPrecision precisionOf(const ops::Conv3dArgs& a) {
  return a.accurate ? ConvPrecision::Accurate : ConvPrecision::Fast;
}

/** Calls f(first, count) for the chunks of result slices, in order. */
template <class F>
void forEachChunk(const Plan& p, const F& f) {
  const int64_t chunk = p.chunk();
  for (int64_t first = 0; first < p.slices(); first += chunk) f(first, std::min(chunk, p.slices() - first));
}

}  // namespace

namespace run {

void conv3d(const Call& call) {
  const Tensor &x = call.in[0], &w = call.in[1], &y = call.out[0];
  if (y.size() == 0) return;
  const ops::Conv3dArgs args = ops::Conv3dArgs::of(call);
  const Plan p = planOf(args, x.shape, w.shape, y.shape);
  const ConvPrecision precision = precisionOf(args);
  if (p.direct) return convForward(p.image, x.data<float>(), w.data<float>(), nullptr, y.data<float>(), precision);
  const Workspace weights(call, size_t(p.weightFloats()) * sizeof(float));
  const Workspace images(call, size_t(p.chunk() * p.imageFloats()) * sizeof(float));
  swapTaps(p, w.data<float>(), p.kd, p.image.kh * p.image.kw, weights.as<float>());
  forEachChunk(p, [&](int64_t first, int64_t count) {
    unfold(p, x.data<float>(), first, count, images.as<float>());
    convForward(slicesOf(p, count), images.as<float>(), weights.as<float>(), nullptr,
                y.data<float>() + first * p.resultFloats(), precision);
  });
}

void conv3dInputGrad(const Call& call) {
  const Tensor &dy = call.in[0], &w = call.in[1], &dx = call.out[0];
  if (dx.size() == 0) return;
  const ops::Conv3dArgs args = ops::Conv3dArgs::of(call);
  const Plan p = planOf(args, dx.shape, w.shape, dy.shape);
  const ConvPrecision precision = precisionOf(args);
  if (p.direct) return cpu::convInputGrad(p.image, dy.data<float>(), w.data<float>(), dx.data<float>(), precision);
  parallelRange(dx.size(), 65536, [&](int64_t begin, int64_t end) {
    std::fill(dx.data<float>() + begin, dx.data<float>() + end, 0.0f);
  });
  if (dy.size() == 0) return;
  const Workspace weights(call, size_t(p.weightFloats()) * sizeof(float));
  const Workspace images(call, size_t(p.chunk() * p.imageFloats()) * sizeof(float));
  swapTaps(p, w.data<float>(), p.kd, p.image.kh * p.image.kw, weights.as<float>());
  forEachChunk(p, [&](int64_t first, int64_t count) {
    cpu::convInputGrad(slicesOf(p, count), dy.data<float>() + first * p.resultFloats(), weights.as<float>(),
                       images.as<float>(), precision);
    foldAdd(p, images.as<float>(), first, count, dx.data<float>());
  });
}

void conv3dWeightGrad(const Call& call) {
  const Tensor &x = call.in[0], &dy = call.in[1], &dw = call.out[0];
  if (dw.size() == 0) return;
  const ops::Conv3dArgs args = ops::Conv3dArgs::of(call);
  const Plan p = planOf(args, x.shape, dw.shape, dy.shape);
  const ConvPrecision precision = precisionOf(args);
  if (p.direct) return cpu::convWeightGrad(p.image, x.data<float>(), dy.data<float>(), dw.data<float>(), precision);
  if (dy.size() == 0) {
    std::fill_n(dw.data<float>(), dw.size(), 0.0f);
    return;
  }
  const int64_t size = p.weightFloats();
  const Workspace sums(call, size_t(2 * size) * sizeof(float));  // the sum so far, and the next chunk's part
  const Workspace images(call, size_t(p.chunk() * p.imageFloats()) * sizeof(float));
  forEachChunk(p, [&](int64_t first, int64_t count) {
    float* const part = sums.as<float>() + (first == 0 ? 0 : size);
    unfold(p, x.data<float>(), first, count, images.as<float>());
    cpu::convWeightGrad(slicesOf(p, count), images.as<float>(), dy.data<float>() + first * p.resultFloats(), part,
                        precision);
    if (first == 0) return;
    parallelRange(size, 16384, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) sums.as<float>()[i] += part[i];
    });
  });
  swapTaps(p, sums.as<float>(), p.image.kh * p.image.kw, p.kd, dw.data<float>());
}

}  // namespace run
}  // namespace gv::cpu
