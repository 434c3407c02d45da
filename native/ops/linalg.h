// Linear algebra for metrics, computed in f64. None of it has a gradient.
//
//   eigh        x [..., n, n] f32, the lower triangle of symmetric matrices -> values [..., n] ascending, vectors
//               [..., n, n] in columns, f32
//   sqrtm       x [..., n, n] f32, symmetric and positive semidefinite -> its symmetric square root, f32
//   covariance  x [n, d] f32, observations in rows, attribute [correction] -> [d, d] f32,
//               Σ (x - mean)(x - mean)ᵀ / (n - correction)
//   moments     x [n, d] f32 -> mean [d, 2], Σ (x - mean)(x - mean)ᵀ [d, d, 2], both f64
//   traceSqrtProduct  a, b [d, d, 2] f64, symmetric and positive semidefinite -> trace of the square root of ab, [2] f64
//
// There is no f64 dtype: an f64 tensor here is an i32 tensor whose last dimension holds the two halves of each number
// as they lie in memory. What is not finite gives NaN.
#pragma once
#include "engine/call.h"
