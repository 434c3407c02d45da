// The decompositions of ops/linalg.h on row-major matrices in host memory, by Eigen (MPL-2.0) in f64 on one thread.
// Every device runs these: they are for metrics, and end in a few values.
#pragma once
#include <cstdint>

namespace gv::ops {

/** Of x [n, n], of which the lower triangle is read: values [n] ascending, vectors [n, n] in columns. */
void eighOf(const float* x, int64_t n, float* values, float* vectors);

/** y [n, n], the square root of x [n, n]. */
void sqrtmOf(const float* x, int64_t n, float* y);

/** The trace of the square root of a b, both [n, n]. */
double traceSqrtProductOf(const double* a, const double* b, int64_t n);

}  // namespace gv::ops
