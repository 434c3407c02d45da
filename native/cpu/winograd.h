// Convolution by Winograd's minimal filtering: the same sums as conv.h in 1/2 to 1/4 of the multiplications, for
// k4 s2 and k3 s1 and their gradients. Which algorithm a convolution takes is decided in conv.h, not here.
//
// A convolution of stride s is one of stride 1 on the space-to-depth view of the image (s * s phases, each with the
// image's channels), with r = ceil(k / s) taps; that one is cut into tiles of m x m results, each computed with
// (m + r - 1)^2 products per pair of channels instead of m^2 r^2 (Lavin & Gray 2016, see winograd_matrices.h).
// The results are real-number identical but rounded differently: see WinogradTile.
#pragma once

#include "cpu/conv.h"

namespace gv::cpu {

/**
 * The results per tile and axis. Fast multiplies least: 2.56 times less than the definition for k4 s2, 4 times for
 * k3 s1; its largest error is about 4e-6 of the largest result, 2 to 4 times that of plain summation. Accurate:
 * 1.78 and 2.25 times less, with the error of plain summation. A NaN or infinity reaches all results of its tile.
 */
enum class WinogradTile {
  Fast,      // 4 x 4
  Accurate,  // 2 x 2
};

/**
 * Whether the functions below can do it: square kernels and strides with stride 1 and 2 to 3 taps or stride 2 and
 * 3 to 6 taps, no dilation, one group, no negative padding, and a processor with vectors. It says nothing of speed.
 */
bool winogradSupports(ConvPass pass, const ConvShape& shape);

/** y = x * w + bias, overwriting y. bias is nullable, s.k long. */
void winogradForward(const ConvShape& s, const float* x, const float* w, const float* bias, float* y,
                     WinogradTile tile);

/** dx = the gradient of sum(dy .* y) with respect to x, overwriting all of dx. */
void winogradInputGrad(const ConvShape& s, const float* dy, const float* w, float* dx, WinogradTile tile);

/** dw = the gradient of sum(dy .* y) with respect to w, overwriting dw. */
void winogradWeightGrad(const ConvShape& s, const float* x, const float* dy, float* dw, WinogradTile tile);

/**
 * The same for several groups of about a vector of channels on either side, 3 x 3 taps, stride 1, no dilation. For no
 * image side or result side that is empty.
 */
bool winogradGroupedSupports(const ConvShape& s);

/** Forward (source x, dest y) or InputGrad (source dy, dest dx). bias is nullable, of the result channels. */
void winogradGrouped(ConvPass pass, const ConvShape& s, const float* source, const float* w, const float* bias,
                     float* dest, WinogradTile tile);
void winogradGroupedWeight(const ConvShape& s, const float* x, const float* dy, float* dw, WinogradTile tile);

}  // namespace gv::cpu
