// Kernels of ops/grid_sample.h. The gradient by x scatters whole numbers of 64 bits, a fixed fraction of the image's
// largest gradient each, so that the sums do not depend on the order in which threads arrive; with n places they carry
// 61 - log2(n) bits.
#include "../ops/grid_sample.h"

#include <cfloat>

#include "call.h"
#include "pack.h"
#include "rows.h"

namespace gv::cuda {
namespace {

/** floor(v) of what fits an int (gridPlace). */
GV_HD inline int64_t wholeBelow(double v) {
  const int64_t whole = int64_t(v);
  return whole - (double(whole) > v);
}

/** A pixel that a place reads, with its weight, and the weight's slopes by the grid; pixel < 0: outside the image. */
struct Corner {
  int64_t pixel;
  float weight, slopeX, slopeY;
};

struct Corners {
  Corner at[4];

  GV_HD Corners(const GridArgs& a, const float* place, int64_t height, int64_t width) {
    const GridPlace x = gridPlace(a, place[0], width), y = gridPlace(a, place[1], height);
    const bool nearest = a.mode == GridMode::Nearest;
    const int64_t left = nearest ? int64_t(nearbyint(x.at)) : wholeBelow(x.at);
    const int64_t top = nearest ? int64_t(nearbyint(y.at)) : wholeBelow(y.at);
    const double tx = x.at - double(left), ty = y.at - double(top);
    for (int k = 0; k < 4; k++) {
      const bool down = k / 2 != 0, right = k % 2 != 0;
      const double wy = down ? ty : 1 - ty, wx = right ? tx : 1 - tx;
      const int64_t row = top + down, column = left + right;
      const bool inside = row >= 0 && row < height && column >= 0 && column < width && !(nearest && k > 0);
      at[k].pixel = inside ? row * width + column : -1;
      at[k].weight = nearest ? 1.0f : float(wy * wx);
      at[k].slopeX = nearest ? 0.0f : float((right ? wy : -wy) * x.slope);
      at[k].slopeY = nearest ? 0.0f : float((down ? wx : -wx) * y.slope);
    }
  }
};

/** What the kernels share of a call; `places` of one image. */
struct Grid {
  GridArgs args;
  int64_t images, height, width, channels, places;
  const float* at;

  Grid(const Call& call, const Shape& image, const Tensor& grid)
      : args(GridArgs::decode(call)),
        images(image[0]),
        height(image[1]),
        width(image[2]),
        channels(image[3]),
        places(grid.shape[1] * grid.shape[2]),
        at(grid.data<float>()) {}

  GV_HD Corners corners(int64_t place) const { return {args, at + 2 * place, height, width}; }
  /** Where the image begins that place `place` of all reads. */
  GV_HD int64_t image(int64_t place) const { return place / places * height * width * channels; }
};

template <int W>
void sample(const Grid& call, const float* x, float* y) {
  const Grid grid = call;
  const int64_t packs = grid.channels / W;
  forEach(grid.images * grid.places * packs, [=] GV_DEVICE(int64_t i) {
    const int64_t place = i / packs;
    const Corners corners = grid.corners(place);
    const float* const from = x + grid.image(place) + i % packs * W;
    Numbers<W> sum{};
    for (const Corner& corner : corners.at) {
      if (corner.pixel < 0) continue;
      const Numbers<W> v = loadPack<W>(from + corner.pixel * grid.channels);
      for (int n = 0; n < W; n++) sum.at[n] += corner.weight * v.at[n];
    }
    storePack<W>(y + i * W, sum);
  });
}

GV_HD inline bool finite(float x) { return fabsf(x) <= FLT_MAX; }

/** The scale of each image's whole numbers: a power of two with which its places' gradients sum to at most 2^62. */
void writeScales(const Grid& grid, const float* gy, uint32_t* largest, double* scale) {
  check(cudaMemsetAsync(largest, 0, size_t(grid.images) * sizeof *largest, Context::current().stream),
        "clearing memory");
  constexpr int kThreads = 256, kEach = 16;
  const int64_t size = grid.places * grid.channels, blocks = (size - 1) / (kThreads * kEach) + 1;
  forBlocks<kThreads>(grid.images * blocks, 0, [=] GV_DEVICE(const Block& block) {
    const int64_t image = block.index / blocks, first = block.index % blocks * kThreads * kEach + block.thread;
    float most = 0;
    for (int k = 0; k < kEach; k++) {
      const int64_t i = first + k * kThreads;
      const float magnitude = i < size ? fabsf(gy[image * size + i]) : 0.0f;
      if (finite(magnitude)) most = fmaxf(most, magnitude);
    }
    most = block.reduce(most, [](float a, float b) { return fmaxf(a, b); });
    uint32_t order;  // the bits of numbers of at least 0 are in their order
    memcpy(&order, &most, sizeof order);
    if (block.thread == 0) atomicMax(largest + image, order);
  });
  int bits = 0;
  while (bits < 60 && (int64_t{1} << bits) < grid.places) bits++;
  forEach(grid.images, [=] GV_DEVICE(int64_t n) {
    float most;
    memcpy(&most, largest + n, sizeof most);
    scale[n] = most > 0.0f ? ldexp(1.0, 61 - bits - ilogbf(most)) : 1.0;
  });
}

/** Adds to a number of 64 bits, lower half first, whose sum is right once all threads have added. */
GV_DEVICE inline void addWhole(uint32_t* halves, int64_t value) {
  const uint32_t low = uint32_t(value), before = atomicAdd(halves, low);
  atomicAdd(halves + 1, uint32_t(uint64_t(value) >> 32) + (before + low < before ? 1u : 0u));
}

struct Slope {
  float byX, byY;
};
struct AddSlopes {
  GV_HD Slope operator()(const Slope& a, const Slope& b) const { return {a.byX + b.byX, a.byY + b.byY}; }
};

/** The gradient by a place: the sum over corners and channels of slope x gy. */
struct PlaceGrad {
  Grid grid;
  const float *gy, *x;
  float* dgrid;

  template <class Team>
  GV_DEVICE void operator()(const Team& team) const {
    const int64_t channels = grid.channels;
    const Corners corners = grid.corners(team.index);
    const float *const g = gy + team.index * channels, *const image = x + grid.image(team.index);
    Slope sum{0, 0};
    for (const Corner& corner : corners.at) {
      if (corner.pixel < 0) continue;
      const float* const v = image + corner.pixel * channels;
      float dot = 0;
      for (int64_t c = team.thread; c < channels; c += team.threads) dot += g[c] * v[c];
      sum.byX += corner.slopeX * dot;
      sum.byY += corner.slopeY * dot;
    }
    sum = team.reduce(sum, AddSlopes());
    if (team.thread != 0) return;
    dgrid[2 * team.index] = sum.byX;
    dgrid[2 * team.index + 1] = sum.byY;
  }
};

}  // namespace

namespace run {

void gridSample(const Call& call) {
  if (call.out[0].size() == 0) return;
  const Grid grid(call, call.in[0].shape, call.in[1]);
  const float* const x = call.in[0].data<float>();
  float* const y = call.out[0].data<float>();
  if (grid.channels % 4 == 0)
    sample<4>(grid, x, y);
  else
    sample<1>(grid, x, y);
}

void gridInputGrad(const Call& call) {
  const Tensor &gradient = call.in[0], &result = call.out[0];
  const cudaStream_t stream = Context::current().stream;
  const int64_t size = result.size();
  if (size == 0) return;
  check(cudaMemsetAsync(result.data<void>(), 0, result.bytes(), stream), "clearing memory");
  if (gradient.size() == 0) return;
  const Grid grid(call, result.shape, call.in[1]);
  const float* const gy = gradient.data<float>();
  float* const dx = result.data<float>();

  const Workspace scales(call, size_t(grid.images) * (sizeof(double) + sizeof(uint32_t)));
  const Workspace wholes(call, size_t(size) * sizeof(uint64_t));
  double* const scale = scales.as<double>();
  uint32_t* const halves = wholes.as<uint32_t>();
  check(cudaMemsetAsync(halves, 0, size_t(size) * sizeof(uint64_t), stream), "clearing memory");
  writeScales(grid, gy, reinterpret_cast<uint32_t*>(scale + grid.images), scale);
  forEach(gradient.size(), [=] GV_DEVICE(int64_t i) {
    const int64_t place = i / grid.channels;
    const Corners corners = grid.corners(place);
    const int64_t first = grid.image(place) + i % grid.channels;
    for (const Corner& corner : corners.at) {
      if (corner.pixel < 0) continue;
      const int64_t at = first + corner.pixel * grid.channels;
      const float term = corner.weight * gy[i];
      if (!finite(term))
        atomicAdd(dx + at, term);  // infinite or NaN in any order
      else if (term != 0.0f)
        addWhole(halves + 2 * at, llrint(double(term) * scale[place / grid.places]));
    }
  });
  const int64_t image = size / grid.images;
  forEach(size, [=] GV_DEVICE(int64_t i) {
    const int64_t whole = int64_t(uint64_t(halves[2 * i + 1]) << 32 | halves[2 * i]);
    dx[i] += float(double(whole) / scale[i / image]);
  });
}

void gridPlaceGrad(const Call& call) {
  const Grid grid(call, call.in[1].shape, call.in[2]);
  eachRow(grid.images * grid.places, grid.channels,
          PlaceGrad{grid, call.in[0].data<float>(), call.in[1].data<float>(), call.out[0].data<float>()});
}

}  // namespace run
}  // namespace gv::cuda
