// Two-dimensional convolution of NHWC float32 images: the three products of a convolution and its gradients.
// The argument checks are the caller's; any size is computed right, none is too small (0 images, 1 x 1 pixels).
//
//   y[n, oy, ox, o] = bias[o] + sum over ky, kx, i of x[n, oy strideH - padTop + ky dilationH, ox strideW - padLeft
//                     + kx dilationW, i] w[o, ky, kx, i], where pixels outside the image are zero,
// and o sees the input channels of its own group. Sums are taken in an order that depends on the shape alone.
#pragma once

#include <cstdint>

#include "cpu/epilogue.h"
#include "ops/bf16.h"

namespace gv::cpu {

/** x [n, h, w, c], y [n, oh, ow, k], weights [k, kh, kw, c / groups]; bottom and right padding follow from oh, ow. */
struct ConvShape {
  int64_t n, h, w, c, oh, ow, k, kh, kw;
  int64_t strideH, strideW, padTop, padLeft, dilationH, dilationW, groups;
};

/** Accurate has the error of plain summation; Fast may take an algorithm with 2 to 4 times that. */
enum class ConvPrecision { Fast, Accurate };

/** y = convolution of x, with what follows it: a bias k long, an activation. */
void convForward(const ConvShape& shape, const float* x, const float* w, const Epilogue& end, float* y,
                 ConvPrecision precision = ConvPrecision::Fast);

/** dx = the transposed convolution of dy, with what follows it. Every pixel is written, also where no tap reaches. */
void convInputGrad(const ConvShape& shape, const float* dy, const float* w, float* dx,
                   ConvPrecision precision = ConvPrecision::Fast, const Epilogue& end = {});

/** dw [k, kh, kw, c / groups] = the sum over all pixels of dy times the x each tap saw. */
void convWeightGrad(const ConvShape& shape, const float* x, const float* dy, float* dw,
                    ConvPrecision precision = ConvPrecision::Fast);

/**
 * The same three for bf16 images and weights, with float32 sums; y and dx are rounded once. They return false, having
 * done nothing, where there is no AMX, and for groups, few result channels and empty images: the caller then widens to
 * float32.
 */
bool convForwardBF16(const ConvShape& shape, const ops::BF16* x, const ops::BF16* w, ops::BF16* y,
                     const Epilogue& end = {});
bool convInputGradBF16(const ConvShape& shape, const ops::BF16* dy, const ops::BF16* w, ops::BF16* dx,
                       const Epilogue& end = {});
bool convWeightGradBF16(const ConvShape& shape, const ops::BF16* x, const ops::BF16* dy, float* dw);

enum class ConvPass { Forward, InputGrad, WeightGrad };

enum class ConvAlgorithm {
  Dense,            // each window is one whole row of memory: a plain matrix product
  ImplicitGemm,     // patches are packed on the fly into the operand of a matrix product; groups of many channels too
  Thin,             // 1 to 4 channels on one side, and none are wasted: sums in registers, no patches
  Narrow,           // 1 to 4 result channels: dot products along the window, no lane is wasted
  Grouped,          // groups of few channels: sums in registers over a packed block of pixels, several groups at once
  Depthwise,        // one channel in, one out: vectors along the channels
  Winograd2,        // tiles of 2 x 2 results: fewer multiplications for k4 s2 and k3 s1, same error
  Winograd4,        // tiles of 4 x 4 results: fewest multiplications, 2 to 4 times the error
  GroupedWinograd2,  // the same two for groups of about a vector of channels, k3 s1
  GroupedWinograd4,
};

/** The one place that chooses how a convolution is computed, by its shape and the precision asked for. */
ConvAlgorithm pickConvAlgorithm(ConvPass pass, const ConvShape& shape, ConvPrecision precision);

}  // namespace gv::cpu
