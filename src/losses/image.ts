// Losses and similarities that know that pixels have neighbours: structural similarity, total variation and gradient
// difference. Images are [N, H, W, C]; everything is differentiable and computed in f32.

import { GanvasError } from '../errors.js';
import {
  abs,
  add,
  avgPool2d,
  cast,
  concat,
  div,
  mean,
  mul,
  pow,
  relu,
  reshape,
  slice,
  split,
  square,
  sub,
  sum,
  upfirdn2d,
} from '../tensor/ops/index.js';
import { gaussianTaps } from '../tensor/ops/upfirdn.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertSameShape, type ReductionOptions, reduceLoss } from './reduction.js';

export interface SsimOptions extends ReductionOptions {
  /** Greatest minus least value an element can have: 2 for images in [-1, 1], 255 for bytes. */
  dataRange: number;
  /** Standard deviation of the Gaussian window, in pixels. Default 1.5. */
  sigma?: number;
  /** Side of the window, odd. Default 2⌊3.5σ + ½⌋ + 1, which is 11. */
  kernelSize?: number;
  /** The constants are (k1 · dataRange)² and (k2 · dataRange)². Defaults 0.01 and 0.03. */
  k1?: number;
  k2?: number;
}

function assertImage(loss: string, x: Tensor): void {
  if (x.rank !== 4) {
    throw new GanvasError('ERR_SHAPE', `${loss}: images must be [N, H, W, C], got [${x.shape}]`);
  }
}

interface Window {
  taps: number[];
  c1: number;
  c2: number;
}

function windowOf(op: string, options: SsimOptions): Window {
  const { dataRange, sigma = 1.5, k1 = 0.01, k2 = 0.03 } = options;
  const { kernelSize = 2 * Math.floor(3.5 * sigma + 0.5) + 1 } = options;
  if (!(dataRange > 0 && sigma > 0 && k1 >= 0 && k2 >= 0 && Number.isFinite(dataRange * sigma * k1 * k2))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: dataRange and sigma must be positive, k1 and k2 at least 0, got ${JSON.stringify(options)}`,
    );
  }
  if (!Number.isSafeInteger(kernelSize) || kernelSize < 1 || kernelSize % 2 === 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: kernelSize must be a positive odd number, got ${String(kernelSize)}`,
    );
  }
  return {
    taps: gaussianTaps(kernelSize, sigma),
    c1: (k1 * dataRange) ** 2,
    c2: (k2 * dataRange) ** 2,
  };
}

/** SSIM and its contrast-structure part of each image: [N] both, means over the windows that lie inside the image. */
function similarity(
  op: string,
  a: Tensor,
  b: Tensor,
  { taps, c1, c2 }: Window,
): { ssim: Tensor; contrast: Tensor } {
  const [n, height, width] = a.shape;
  if (height < taps.length || width < taps.length) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: images [${a.shape}] must be at least as large as the window of ${taps.length} pixels`,
    );
  }
  const local = upfirdn2d(concat([a, b, square(a), square(b), mul(a, b)]), taps);
  const [muA, muB, aa, bb, ab] = split(local, 5);
  const [muAA, muBB, muAB] = [square(muA), square(muB), mul(muA, muB)];
  const covariance = sub(ab, muAB);
  const variances = add(sub(aa, muAA), sub(bb, muBB));
  const contrast = div(add(mul(covariance, 2), c2), add(variances, c2));
  const luminance = div(add(mul(muAB, 2), c1), add(add(muAA, muBB), c1));
  const perImage = (x: Tensor) => mean(reshape(x, [n, x.size / Math.max(n, 1)]), 1);
  return { ssim: perImage(mul(luminance, contrast)), contrast: perImage(contrast) };
}

function prepared(op: string, a: Tensor, b: Tensor): [Tensor, Tensor] {
  assertImage(op, a);
  assertSameShape(op, a, b);
  return [cast(a, 'f32'), cast(b, 'f32')];
}

/**
 * Structural similarity (Wang et al. 2004), at most 1, which equal images have: the mean over Gaussian windows and
 * channels of (2μaμb + c1)(2σab + c2) / ((μa² + μb² + c1)(σa² + σb² + c2)). Windows that leave the image do not count,
 * as in the paper and in pytorch-msssim (torchmetrics mirrors the image and counts them). A loss is 1 − ssim.
 *
 * a, b [N, H, W, C] of one shape → a scalar, or [N] with reduction 'none'.
 * @throws GanvasError ERR_SHAPE unless the shapes agree and hold a window, ERR_ARGUMENT for impossible options
 */
export function ssim(a: Tensor, b: Tensor, options: SsimOptions): Tensor {
  const window = windowOf('ssim', options);
  return scope(() => {
    const [x, y] = prepared('ssim', a, b);
    return reduceLoss('ssim', similarity('ssim', x, y, window).ssim, options.reduction);
  });
}

export interface MsSsimOptions extends SsimOptions {
  /** Exponents of the scales, the finest first. Default: the five of Wang et al. 2003. */
  betas?: readonly number[];
}

/**
 * Multi-scale structural similarity (Wang et al. 2003): Π_j contrast_j^β_j · ssim_M^β_M over scales halved by averaging,
 * negative factors taken as 0, as in pytorch-msssim.
 *
 * a, b [N, H, W, C] → a scalar, or [N] with reduction 'none'; the smallest scale must still hold the window.
 * @throws GanvasError ERR_SHAPE and ERR_ARGUMENT as ssim
 */
export function msSsim(a: Tensor, b: Tensor, options: MsSsimOptions): Tensor {
  const window = windowOf('msSsim', options);
  const { betas = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333] } = options;
  if (betas.length === 0 || !betas.every((beta) => beta > 0)) {
    throw new GanvasError('ERR_ARGUMENT', `msSsim: betas must be positive numbers, got [${betas}]`);
  }
  return scope(() => {
    let [x, y] = prepared('msSsim', a, b);
    const factors = betas.map((beta, scale) => {
      if (scale > 0) [x, y] = [avgPool2d(x, 2), avgPool2d(y, 2)];
      const { ssim: full, contrast } = similarity('msSsim', x, y, window);
      return pow(relu(scale === betas.length - 1 ? full : contrast), beta);
    });
    return reduceLoss('msSsim', factors.reduce(mul), options.reduction);
  });
}

/** x[i + 1] − x[i] along an axis. */
function steps(x: Tensor, axis: number): Tensor {
  const size = x.shape.map((n, i) => (i === axis ? Math.max(n - 1, 0) : n));
  const from = (start: number) =>
    slice(
      x,
      x.shape.map((n, i) => (i === axis ? Math.min(start, n) : 0)),
      size,
    );
  return sub(from(1), from(0));
}

/**
 * Total variation (Rudin et al. 1992): Σ |x[i+1, j] − x[i, j]| + Σ |x[i, j+1] − x[i, j]| of each image, over its pixels
 * and channels; then the mean over the images, or as `reduction` says.
 * @throws GanvasError ERR_SHAPE unless x is [N, H, W, C]
 */
export function totalVariation(x: Tensor, { reduction }: ReductionOptions = {}): Tensor {
  assertImage('totalVariation', x);
  return scope(() => {
    const f = cast(x, 'f32');
    const along = (axis: number) => sum(abs(steps(f, axis)), [1, 2, 3]);
    return reduceLoss('totalVariation', add(along(1), along(2)), reduction);
  });
}

/**
 * Gradient difference loss (Mathieu et al. 2016, equation 6), which keeps edges sharp: ||Δa| − |Δb||^α for the steps Δ
 * between vertical and between horizontal neighbours, summed over each image; then the mean over the images, or as
 * `reduction` says.
 *
 * @param options alpha: the exponent, at least 1; default 1
 * @throws GanvasError ERR_SHAPE unless both are [N, H, W, C] of one shape, ERR_ARGUMENT for an alpha below 1
 */
export function gradientDifference(
  a: Tensor,
  b: Tensor,
  { alpha = 1, reduction }: ReductionOptions & { alpha?: number } = {},
): Tensor {
  if (!(alpha >= 1 && Number.isFinite(alpha))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `gradientDifference: alpha must be at least 1, got ${String(alpha)}`,
    );
  }
  return scope(() => {
    const [x, y] = prepared('gradientDifference', a, b);
    const along = (axis: number) => {
      const difference = abs(sub(abs(steps(x, axis)), abs(steps(y, axis))));
      return sum(alpha === 1 ? difference : pow(difference, alpha), [1, 2, 3]);
    };
    return reduceLoss('gradientDifference', add(along(1), along(2)), reduction);
  });
}
