// Sampling of an image at given places (spatial transformers, Jaderberg et al. 2015), with PyTorch's conventions.
// x [N, H, W, C]; grid [N, OH, OW, 2] holds (x, y) in [-1, 1]. attrs [mode, padding, alignCorners].
//
//   gridSample     x, grid      -> y [N, OH, OW, C]
//   gridInputGrad  gy, grid     -> gradient by x; two more attributes: H, W
//   gridPlaceGrad  gy, x, grid  -> gradient by grid
//
// alignCorners: -1 and 1 are the centres of the border pixels, else their outer edges. A place outside is 0 (Zeros), or
// moved to the nearest pixel (Border), or mirrored at the border (Reflection). A place that is no number is outside.
#pragma once
#include <cmath>

#include "../engine/call.h"
#include "../engine/philox.h"

namespace gv {

enum class GridMode { Bilinear, Nearest, kCount };
enum class GridPadding { Zeros, Border, Reflection, kCount };

struct GridArgs {
  GridMode mode;
  GridPadding padding;
  bool align;
  static GridArgs decode(const Call& call);
};

/** A place along one axis in pixels, and its derivative by the grid's number; double keeps a far place's digits. */
struct GridPlace {
  double at, slope;
};

/** Reflects at twiceLow / 2 and twiceHigh / 2 until inside, as ATen's reflect_coordinates_set_grad. */
GV_HD inline GridPlace reflectPlace(GridPlace p, int64_t twiceLow, int64_t twiceHigh) {
  if (twiceLow == twiceHigh) return {0, 0};
  const double low = double(twiceLow) / 2, span = double(twiceHigh - twiceLow) / 2;
  double in = p.at - low, slope = p.slope;
  if (in < 0) {
    in = -in;
    slope = -slope;
  }
  const double extra = std::fmod(in, span), flips = std::floor(in / span);
  if (std::fmod(flips, 2.0) == 0) return {extra + low, slope};
  return {span - extra + low, -slope};
}

GV_HD inline GridPlace clipPlace(GridPlace p, int64_t size) {
  if (!(p.at > 0)) return {0, 0};
  if (p.at >= double(size - 1)) return {double(size - 1), 0};
  return p;
}

GV_HD inline GridPlace gridPlace(const GridArgs& a, float g, int64_t size) {
  GridPlace p = a.align ? GridPlace{(double(g) + 1) / 2 * double(size - 1), double(size - 1) / 2}
                        : GridPlace{((double(g) + 1) * double(size) - 1) / 2, double(size) / 2};
  if (a.padding == GridPadding::Reflection)
    p = a.align ? reflectPlace(p, 0, 2 * (size - 1)) : reflectPlace(p, -1, 2 * size - 1);
  if (a.padding != GridPadding::Zeros) p = clipPlace(p, size);
  // Whole numbers are made of it: nothing that an int cannot hold may pass.
  if (!(p.at > -1e9 && p.at < 1e9)) p = {-100, 0};
  return p;
}

}  // namespace gv
