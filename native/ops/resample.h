// Linear resampling of one axis or two neighbouring ones: interpolation, average pooling, borders and finite impulse
// response filters are all y[i] = sum_u w[i, u] x[from[i, u]] along an axis, with weights that depend on sizes and
// options alone. The op and its transpose (the gradient) are one kernel; the CUDA twin reads the same tables.
//
//   resample  x  attrs [transposed, axis, axes (1 or 2), then per axis: kind, in, out, count, parameters...]
//
// `in` and `out` are the sizes of the axis before and after; a transposed call takes `out` and gives `in`. Parameters:
//   Interpolate  mode, alignCorners, antialias, scale (source pixels per result pixel, 0: the ratio of the sizes)
//   Average      kernel, stride, before, after, countBorder (whether the border counts in the mean)
//   Adaptive     none: windows [floor(i in / out), ceil((i + 1) in / out))
//   Border       before, mode
//   Fir          up, down, before (may be negative), taps...: y[i] = sum_k f[k] z[i down + k - before], where
//                z[j up] = x[j], zeros elsewhere
#pragma once
#include "../engine/call.h"

namespace gv {

enum class AxisKind { Interpolate, Average, Adaptive, Border, Fir, kCount };
enum class Interpolation { Nearest, NearestExact, Linear, Cubic, kCount };
enum class BorderMode { Reflect, Replicate, Circular, kCount };

struct AxisMap {
  AxisKind kind;
  int64_t in, out;
  const double* parameters;  // in the call's attributes
  int64_t count;

  int64_t integer(int k) const { return int64_t(parameters[k]); }
};

struct ResampleArgs {
  bool transposed;
  int axis, axes;
  AxisMap maps[2];
  static ResampleArgs decode(const Call& call);
};

/** The weights of one axis, row by row: row i reads from[k] with weight[k], begin[i] <= k < begin[i + 1]. */
struct AxisWeights {
  std::vector<int64_t> begin{0};
  std::vector<int32_t> from;
  std::vector<float> weight;

  int64_t rows() const { return int64_t(begin.size()) - 1; }
  void add(int64_t at, double w) {
    from.push_back(int32_t(at));
    weight.push_back(float(w));
  }
  void endRow() { begin.push_back(int64_t(from.size())); }
  /** Whether rows i and j read the same with the same weights. */
  bool same(int64_t i, int64_t j) const;
};

/** The table of a map, `in` columns, or its transpose. */
AxisWeights axisWeights(const AxisMap& map, bool transposed);

}  // namespace gv
