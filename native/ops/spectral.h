// Spectral normalisation (Miyato et al. 2018), as torch.nn.utils.parametrizations.spectral_norm. A weight of any shape is
// read as a matrix A [R, K] of contiguous rows; `left` [R] and `right` [K] approximate its first singular vectors. All f32.
//
//   powerIteration   for each weight: A, u, v     attrs [iterations, eps, then transposed for each weight]
//       u = A v / max(|A v|, eps), v = A^T u / max(|A^T u|, eps), `iterations` times; u is [R] and v [K], or, where
//       transposed (a transposed convolution keeps its outputs last), u is [K] and v [R] and A and A^T change places
//       -> u, v for each weight
//   spectralNorm     A, left, right               -> A / sigma, sigma [1] = left . A right
//   spectralNormGrad gy, y, sigma, left, right    -> dA = (gy - <gy, y> left right^T) / sigma, y = A / sigma
#pragma once
#include "../engine/call.h"
