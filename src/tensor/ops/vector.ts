// Norms, angles and products of vectors, made of other ops, so that they can be differentiated to any order.
// Decompositions of matrices: linalg.ts.

import { GanvasError } from '../../errors.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { div, maximum, mul, pow } from './binary.js';
import { equal, notEqual, where } from './compare.js';
import { type Axes, max, min, sum } from './reduce.js';
import { unsqueeze } from './shape.js';
import { abs, cast, sqrt, square } from './unary.js';

/** x to the power 1/p where that has a derivative, 0 (with derivative 0, a subgradient) at 0. */
function root(x: Tensor, p: number): Tensor {
  const zero = equal(x, 0);
  const safe = where(zero, 1, x);
  return where(zero, 0, p === 2 ? sqrt(safe) : pow(safe, 1 / p));
}

/**
 * The p-norm over the axes (default: all): (Σ |x|ᵖ)^(1/p); p = Infinity: max |x|; -Infinity: min |x|; 0: the number of
 * elements that are not 0. As torch.linalg.vector_norm; the gradient at 0 is 0.
 *
 * @param p default 2, the Euclidean norm (for a matrix: Frobenius)
 * @param keepDims leave a dimension of 1 where an axis was reduced
 * @throws GanvasError ERR_ARGUMENT for an axis that does not exist or p = NaN, ERR_SHAPE for ±Infinity over nothing
 */
export function norm(x: Tensor, p = 2, axis?: Axes, keepDims = false): Tensor {
  assertTensor(x, 'norm: x');
  if (Number.isNaN(p)) throw new GanvasError('ERR_ARGUMENT', 'norm: p must be a number, got NaN');
  return scope(() => {
    if (p === Number.POSITIVE_INFINITY) return max(abs(x), axis, keepDims);
    if (p === Number.NEGATIVE_INFINITY) return min(abs(x), axis, keepDims);
    if (p === 0) return sum(cast(notEqual(x, 0), 'f32'), axis, keepDims);
    if (p === 1) return sum(abs(x), axis, keepDims);
    if (p === 2) return root(sum(square(x), axis, keepDims), 2);
    // |x|ᵖ has no derivative at 0 for p < 1, and pow none worth having in between.
    const zero = equal(x, 0);
    const powers = where(zero, p > 0 ? 0 : Number.POSITIVE_INFINITY, pow(abs(where(zero, 1, x)), p));
    return root(sum(powers, axis, keepDims), p);
  });
}

/**
 * x / max(‖x‖ₚ, eps) along the axis (default the last): vectors of length 1. As torch.nn.functional.normalize.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function normalize(x: Tensor, { p = 2, axis = -1 as Axes, eps = 1e-12 } = {}): Tensor {
  assertTensor(x, 'normalize: x');
  return scope(() => div(x, maximum(norm(x, p, axis, true), eps)));
}

/**
 * The cosine of the angle between x and y along the axis (default the last), x·y / (max(‖x‖, eps) max(‖y‖, eps)); the
 * shapes broadcast. As torch.nn.functional.cosine_similarity.
 * Throws ERR_SHAPE where shapes do not fit, ERR_ARGUMENT for an axis that does not exist.
 */
export function cosineSimilarity(x: Tensor, y: Tensor, axis = -1, eps = 1e-8): Tensor {
  assertTensor(x, 'cosineSimilarity: x');
  assertTensor(y, 'cosineSimilarity: y');
  const lengthOf = (t: Tensor) => maximum(norm(t, 2, axis, true), eps);
  return scope(() => sum(mul(div(x, lengthOf(x)), div(y, lengthOf(y))), axis));
}

function assertVectors(op: string, a: Tensor, b: Tensor): void {
  assertTensor(a, `${op}: a`);
  assertTensor(b, `${op}: b`);
  if (a.rank === 1 && b.rank === 1) return;
  throw new GanvasError('ERR_SHAPE', `${op}: expected two vectors, got shapes [${a.shape}] and [${b.shape}]`);
}

/** Σ aᵢ bᵢ of two vectors of one length. Throws ERR_SHAPE for anything else. */
export function dot(a: Tensor, b: Tensor): Tensor {
  assertVectors('dot', a, b);
  if (a.size !== b.size) {
    throw new GanvasError('ERR_SHAPE', `dot: expected vectors of one length, got ${a.size} and ${b.size}`);
  }
  return scope(() => sum(mul(a, b)));
}

/** y[i, j] = aᵢ bⱼ of two vectors. Throws ERR_SHAPE for anything else. */
export function outer(a: Tensor, b: Tensor): Tensor {
  assertVectors('outer', a, b);
  return scope(() => mul(unsqueeze(a, 1), b));
}

const table = { norm, normalize, cosineSimilarity, dot, outer } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
