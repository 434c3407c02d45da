// The inner loops of channelNorm, its gradient and affineAct (norm.cpp) over one piece of cpu/columns.h: `rows` rows of
// `width` columns that lie `stride` elements apart. x, y, gy and dx are f32 or bf16 alike.
#pragma once
#include <cstdint>

#include "cpu/floats.h"
#include "ops/activation.h"

namespace gv::cpu {

/** Per wide column: y = act((x - mean) scale + shift), and with inner, outer: dx = scale g - outer - inner (x - mean). */
struct ColumnParams {
  const float *mean, *scale, *shift, *outer, *inner;
};

struct ColumnKernels {
  /** Mean of each column and the sum of the squared deviations from it. */
  void (*moments)(Floats x, int64_t rows, int64_t stride, int64_t width, double* mean, double* squares);
  void (*normalise)(ActivationArgs activation, Floats x, Floats y, int64_t rows, int64_t stride, int64_t width,
                    ColumnParams p);
  /** For each column: the sums over rows of g and of g (x - mean), g being the gradient before the activation. */
  void (*gradSums)(ActivationArgs activation, Floats gy, Floats x, int64_t rows, int64_t stride, int64_t width,
                   ColumnParams p, double* sum, double* product);
  void (*gradInput)(ActivationArgs activation, Floats gy, Floats x, Floats dx, int64_t rows, int64_t stride,
                    int64_t width, ColumnParams p);
};

/** Those of the processor. */
ColumnKernels columnKernels();

}  // namespace gv::cpu
