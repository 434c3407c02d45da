// Affine maps of images, one for each of a batch: the geometric half of ADA's pipeline, all of it in a single resampling.
// What the numbers are is drawn in ada.ts.

import {
  affineGrid,
  cos,
  equal,
  eye,
  gridSample,
  matmul,
  min,
  mul,
  neg,
  onesLike,
  reciprocal,
  reshape,
  sin,
  slice,
  stack,
  tensor,
  where,
  zerosLike,
} from '../tensor/ops/index.js';
import { withPrecision } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';

/** A map of pixel coordinates around the image's centre, x to the right and y down: f32 [N, 3, 3]. */
export type Affine = Tensor;

/** Rows of [N] tensors as [N, 3, 3]; 0 and 1 stand for constants. */
function matrix(like: Tensor, rows: readonly (readonly (Tensor | 0 | 1)[])[]): Affine {
  const [zero, one] = [zerosLike(like), onesLike(like)];
  const entries = rows.flat().map((entry) => (entry === 0 ? zero : entry === 1 ? one : entry));
  return reshape(stack(entries, 1), [-1, 3, 3]);
}

/** The inverse of (x, y) → (sx x, sy y); sx and sy [N]. */
export function unscale(sx: Tensor, sy: Tensor): Affine {
  return matrix(sx, [
    [reciprocal(sx), 0, 0],
    [0, reciprocal(sy), 0],
    [0, 0, 1],
  ]);
}

/** The inverse of a turn by an angle [N] in radians, clockwise as y points down. */
export function unrotate(angle: Tensor): Affine {
  const [c, s] = [cos(angle), sin(angle)];
  return matrix(angle, [
    [c, s, 0],
    [neg(s), c, 0],
    [0, 0, 1],
  ]);
}

/** The inverse of a move by (tx, ty) [N] pixels. */
export function untranslate(tx: Tensor, ty: Tensor): Affine {
  return matrix(tx, [
    [1, 0, neg(tx)],
    [0, 1, neg(ty)],
    [0, 0, 1],
  ]);
}

/** The inverse of doing the maps from the first to the last, from their inverses in that order. */
export function inOrder(inverses: readonly Affine[]): Affine {
  return withPrecision('f32', () => inverses.reduce((product, next) => matmul(product, next)));
}

/**
 * Images moved by the map of which `inverse` is the inverse. Bilinear; outside the image its mirror image, with the
 * border pixels repeated. An image whose map is the identity comes out bit for bit.
 * @param x [N, H, W, C]
 * @param inverse [N, 3, 3], from coordinates of the result to those of x
 */
export function moved(x: Tensor, inverse: Affine): Tensor {
  const [n, height, width] = x.shape;
  // affineGrid measures both sides from -1 to 1.
  const units = tensor([
    [1, height / width, 2 / width],
    [width / height, 1, 2 / height],
  ]);
  const theta = mul(slice(inverse, [0, 0, 0], [n, 2, 3]), units);
  const sampled = gridSample(x, affineGrid(theta, [height, width]), { paddingMode: 'reflection' });
  const still = reshape(min(equal(inverse, eye(3)), [1, 2]), [n, 1, 1, 1]);
  return where(still, x, sampled);
}
