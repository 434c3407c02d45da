// Conversion between element types, as ops/unary.h's cast defines it, for other kernels.
#pragma once
#include <cstdint>

#include "engine/tensor.h"
#include "ops/unary.h"

namespace gv::cpu {

/** y = x in y's dtype; both have memory and the same number of elements. On several threads. */
void convert(const Tensor& x, const Tensor& y);

/** y[0..n) = x, on the calling thread. */
void widen(const ops::BF16* x, int64_t n, float* y);

}  // namespace gv::cpu
