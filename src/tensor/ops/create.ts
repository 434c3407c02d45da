// Tensors made from a shape and a few numbers. Constants to every gradient, so none of them is in the op table;
// tensor() for given values is in ../from.ts, random values are in random.ts.

import { GanvasError } from '../../errors.js';
import { dtypes } from '../../native.js';
import { native } from '../define.js';
import { scope } from '../scope.js';
import {
  assertDType,
  assertTensor,
  type DType,
  type MethodsOf,
  methods,
  type Shape,
  type Tensor,
} from '../tensor.js';
import { equal } from './compare.js';
import { reshape } from './shape.js';
import { cast } from './unary.js';

/** @internal Throws ERR_SHAPE unless `shape` is a list of whole numbers >= 0. */
export function assertShape(op: string, shape: unknown): asserts shape is Shape {
  if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: a shape is a list of whole numbers of at least 0, got ${JSON.stringify(shape)}`,
    );
  }
}

/**
 * A tensor with every element equal to `value`.
 *
 * Throws ERR_SHAPE for an impossible shape, ERR_DTYPE for an unknown dtype, ERR_ARGUMENT when an i32 or u8 tensor
 * cannot hold the value.
 */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  assertShape('full', shape);
  assertDType(dtype, 'full');
  if (typeof value !== 'number') {
    throw new GanvasError('ERR_ARGUMENT', `full: the value must be a number, got ${typeof value}`);
  }
  return native('fill', [], [dtypes.indexOf(dtype), value, shape.length, ...shape])[0];
}

/** A tensor of zeros. Throws ERR_SHAPE or ERR_DTYPE for what cannot be made. */
export function zeros(shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(shape, 0, dtype);
}

/** A tensor of ones. Throws ERR_SHAPE or ERR_DTYPE for what cannot be made. */
export function ones(shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(shape, 1, dtype);
}

/** Zeros of x's shape and dtype. */
export function zerosLike(x: Tensor): Tensor {
  assertTensor(x, 'zerosLike: x');
  return full(x.shape, 0, x.dtype);
}

/** Ones of x's shape and dtype. */
export function onesLike(x: Tensor): Tensor {
  assertTensor(x, 'onesLike: x');
  return full(x.shape, 1, x.dtype);
}

/**
 * The numbers start, start + step, … below stop (above it, for a negative step), as one dimension. `arange(n)` counts
 * from 0. The dtype is i32 if all three are whole numbers in its range, otherwise f32; element i is start + i step.
 *
 * Throws ERR_ARGUMENT for a step of 0 or numbers that are not finite.
 */
export function arange(stop: number): Tensor;
export function arange(start: number, stop: number, step?: number, dtype?: DType): Tensor;
export function arange(first: number, second?: number, step = 1, dtype?: DType): Tensor {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (![start, stop, step].every(Number.isFinite) || step === 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `arange: expected finite numbers and a step other than 0, got start ${start}, stop ${stop}, step ${step}`,
    );
  }
  const type = dtype ?? ([start, stop, step].every((v) => v === (v | 0)) ? 'i32' : 'f32');
  assertDType(type, 'arange');
  const n = Math.max(0, Math.ceil((stop - start) / step));
  return native('arange', [], [dtypes.indexOf(type), n, start, step])[0];
}

/**
 * n numbers from start to stop, both included, evenly spaced: start + i (stop - start) / (n - 1). f32, shape [n];
 * n = 1 gives start. Throws ERR_ARGUMENT unless n is a whole number >= 0 and the ends are finite.
 */
export function linspace(start: number, stop: number, n: number): Tensor {
  if (!Number.isSafeInteger(n) || n < 0 || !Number.isFinite(start) || !Number.isFinite(stop)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `linspace: expected finite ends and a whole number of at least 0, got ${start}, ${stop}, ${n}`,
    );
  }
  return native('arange', [], [dtypes.indexOf('f32'), n, start, n > 1 ? (stop - start) / (n - 1) : 0])[0];
}

/** The identity matrix [n, m] (default m = n): 1 where row and column agree, else 0. f32. */
export function eye(n: number, m: number = n): Tensor {
  assertShape('eye', [n, m]);
  return scope(() => cast(equal(reshape(arange(n), [n, 1]), arange(m)), 'f32'));
}

/**
 * Class labels as vectors: y[..., c] = 1 where indices[...] = c, else 0, in f32 with a last dimension of `depth`.
 * An index outside [0, depth) gives a row of zeros. Throws ERR_DTYPE unless the indices are i32 or u8.
 */
export function oneHot(indices: Tensor, depth: number): Tensor {
  assertTensor(indices, 'oneHot: indices');
  assertShape('oneHot', [depth]);
  if (indices.dtype !== 'i32' && indices.dtype !== 'u8') {
    throw new GanvasError('ERR_DTYPE', `oneHot: indices must be i32 or u8, got ${indices.dtype}`);
  }
  return scope(() => cast(equal(reshape(indices, [...indices.shape, 1]), arange(depth)), 'f32'));
}

const table = { zerosLike, onesLike, oneHot } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
