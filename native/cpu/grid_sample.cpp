// Kernels of ops/grid_sample.h: the four pixels around each place, vectors across the channels. The gradient by x is
// scattered by one thread per image and block of channels, so that sums have a fixed order.
#include "ops/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "cpu/pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/grid_sample.cpp"
#include "cpu/simd.h"

#include "cpu/lanes-inl.h"

#ifndef GV_CPU_GRID_SAMPLE_CPP
#define GV_CPU_GRID_SAMPLE_CPP
namespace gv::cpu {
namespace {

/** floor(v), which is a call where the processor's own instruction may not be assumed; v fits an int (gridPlace). */
inline int64_t wholeBelow(double v) {
  const int64_t whole = int64_t(v);
  return whole - (double(whole) > v);
}

/** The pixels that a place reads: up to four corners inside the image, with weights, and their slopes by the grid. */
struct Corners {
  int count = 0;
  int64_t pixel[4];
  float weight[4], slopeX[4], slopeY[4];

  Corners(const GridArgs& a, const float* place, int64_t height, int64_t width) {
    const GridPlace x = gridPlace(a, place[0], width), y = gridPlace(a, place[1], height);
    if (a.mode == GridMode::Nearest) {
      add(int64_t(std::nearbyint(y.at)), int64_t(std::nearbyint(x.at)), height, width, 1, 0, 0);
      return;
    }
    const int64_t left = wholeBelow(x.at), top = wholeBelow(y.at);
    const double tx = x.at - double(left), ty = y.at - double(top);
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < 2; j++) {
        const double wy = i ? ty : 1 - ty, wx = j ? tx : 1 - tx;
        add(top + i, left + j, height, width, wy * wx, (j ? wy : -wy) * x.slope,
            (i ? wx : -wx) * y.slope);
      }
    }
  }

 private:
  void add(int64_t row, int64_t column, int64_t height, int64_t width, double w, double byX, double byY) {
    if (row < 0 || row >= height || column < 0 || column >= width) return;
    pixel[count] = row * width + column;
    weight[count] = float(w);
    slopeX[count] = float(byX);
    slopeY[count++] = float(byY);
  }
};

/** What the kernels share of a call; `places` of one image. */
struct GridCall {
  GridArgs args;
  int64_t height, width, channels, places;
  const float* grid;

  Corners corners(int64_t place) const { return {args, grid + 2 * place, height, width}; }
  int64_t image(int64_t place) const { return place / places * height * width * channels; }
};

}  // namespace
}  // namespace gv::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace gv::cpu::HWY_NAMESPACE {

void GridRead(const GridCall& call, int64_t begin, int64_t end, const float* images, float* results) {
  for (int64_t i = begin; i < end; i++) {
    const Corners p = call.corners(i);
    const float* const x = images + call.image(i);
    float* const y = results + i * call.channels;
    overLanes(call.channels, [&](int64_t c, auto access) HWY_ATTR {
      V sum = hn::Zero(D());
      for (int k = 0; k < p.count; k++)
        sum = hn::MulAdd(hn::Set(D(), p.weight[k]), access.load(x + p.pixel[k] * call.channels + c), sum);
      access.store(sum, y + c);
    });
  }
}

/** dx += weight gy at every corner of an image's places, for its channels first .. first + n - 1. */
void GridWrite(const GridCall& call, int64_t image, int64_t first, int64_t n, const float* gradients, float* dx) {
  for (int64_t i = image * call.places; i < (image + 1) * call.places; i++) {
    const Corners p = call.corners(i);
    const float* const gy = gradients + i * call.channels + first;
    overLanes(n, [&](int64_t c, auto access) HWY_ATTR {
      const V g = access.load(gy + c);
      for (int k = 0; k < p.count; k++) {
        float* const to = dx + p.pixel[k] * call.channels + c;
        access.store(hn::MulAdd(hn::Set(D(), p.weight[k]), g, access.load(to)), to);
      }
    });
  }
}

/** The gradient by the place: sum over corners and channels of slope x gy. */
void GridSlope(const GridCall& call, int64_t begin, int64_t end, const float* gradients, const float* images,
               float* dgrid) {
  for (int64_t i = begin; i < end; i++) {
    const Corners p = call.corners(i);
    const float *const gy = gradients + i * call.channels, *const x = images + call.image(i);
    V sum[4] = {hn::Zero(D()), hn::Zero(D()), hn::Zero(D()), hn::Zero(D())};
    overLanes(call.channels, [&](int64_t c, auto access) HWY_ATTR {
      const V g = access.load(gy + c);
      for (int k = 0; k < p.count; k++)
        sum[k] = hn::MulAdd(g, access.load(x + p.pixel[k] * call.channels + c), sum[k]);
    });
    float dots[4], byX = 0, byY = 0;
    SumLanes4(sum[0], sum[1], sum[2], sum[3], dots);
    for (int k = 0; k < p.count; k++) {
      byX += p.slopeX[k] * dots[k];
      byY += p.slopeY[k] * dots[k];
    }
    dgrid[2 * i] = byX;
    dgrid[2 * i + 1] = byY;
  }
}

}  // namespace gv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace gv::cpu {
HWY_EXPORT(GridRead);
HWY_EXPORT(GridWrite);
HWY_EXPORT(GridSlope);

namespace {

GridCall gridCall(const Call& call, const Shape& image, const Shape& y, const Tensor& grid) {
  return {GridArgs::decode(call), image[1], image[2], image[3], y[1] * y[2], grid.data<float>()};
}

}  // namespace

namespace run {

void gridSample(const Call& call) {
  if (call.out[0].size() == 0) return;
  const Shape& y = call.out[0].shape;
  const GridCall grid = gridCall(call, call.in[0].shape, y, call.in[1]);
  const float* const x = call.in[0].data<float>();
  float* const out = call.out[0].data<float>();
  const auto read = HWY_DYNAMIC_DISPATCH(GridRead);
  parallelRange(y[0] * grid.places, 4096 / grid.channels + 64,
                [&](int64_t begin, int64_t end) { read(grid, begin, end, x, out); });
}

void gridInputGrad(const Call& call) {
  if (call.out[0].size() == 0) return;
  const Shape& image = call.out[0].shape;
  const GridCall grid = gridCall(call, image, call.in[0].shape, call.in[1]);
  const int64_t pixels = grid.height * grid.width, channels = grid.channels;
  const float* const gy = call.in[0].data<float>();
  float* const dx = call.out[0].data<float>();
  constexpr int64_t kBlock = 64;
  const int64_t blocks = (channels + kBlock - 1) / kBlock;
  const auto write = HWY_DYNAMIC_DISPATCH(GridWrite);
  parallelFor(image[0] * blocks, [&](int64_t chunk) {
    const int64_t n = chunk / blocks, first = chunk % blocks * kBlock, count = std::min(kBlock, channels - first);
    float* const to = dx + n * pixels * channels + first;
    for (int64_t i = 0; i < pixels; i++) std::fill_n(to + i * channels, count, 0.0f);
    write(grid, n, first, count, gy, to);
  });
}

void gridPlaceGrad(const Call& call) {
  const Shape& y = call.in[0].shape;
  const GridCall grid = gridCall(call, call.in[1].shape, y, call.in[2]);
  const float *const gy = call.in[0].data<float>(), *const x = call.in[1].data<float>();
  float* const dgrid = call.out[0].data<float>();
  const auto slope = HWY_DYNAMIC_DISPATCH(GridSlope);
  parallelRange(y[0] * grid.places, 4096 / (grid.channels + 1) + 64,
                [&](int64_t begin, int64_t end) { slope(grid, begin, end, gy, x, dgrid); });
}

}  // namespace run
}  // namespace gv::cpu
#endif
