// Reductions over axes: sum, max, min, argmax, argmin, and what is made of them (mean, variance, std). An axis may be
// negative, a list reduces several at once, none given reduces all. Results do not depend on the number of threads.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type OpSpec, type Sample, type SampleInput } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Shape, type Tensor } from '../tensor.js';
import { div, mul, sub } from './binary.js';
import { equal } from './compare.js';
import { axisOf, broadcastTo, reshape } from './shape.js';
import { cast, sqrt, square } from './unary.js';

/** One axis or several; negative ones count from the end. */
export type Axes = number | readonly number[];

interface ReduceAttrs {
  /** Non-negative, sorted and unique. */
  axes: readonly number[];
  keepDims: boolean;
  /** Of sum: a bf16 sum stays f32. */
  wide?: boolean;
}

interface ArgReduceAttrs {
  axis: number;
  keepDims: boolean;
}

const encode = ({ axes, keepDims }: ReduceAttrs): number[] => [Number(keepDims), axes.length, ...axes];

/** x's shape with a 1 for each reduced axis: what the result broadcasts back from. */
const keptShape = (shape: Shape, axes: readonly number[]): number[] =>
  shape.map((d, i) => (axes.includes(i) ? 1 : d));

function reduceSamples(large: Partial<SampleInput> = {}): Sample<ReduceAttrs>[] {
  const of = (shape: number[], axes: number[], keepDims = false, more: Partial<SampleInput> = {}) => ({
    inputs: [{ shape, ...more }],
    attrs: { axes, keepDims },
  });
  return [
    of([], []),
    of([1], [0]),
    of([7], [0]),
    of([3, 5], []),
    of([3, 5], [0]),
    of([3, 5], [1], true),
    of([3, 5], [0, 1]),
    of([5, 37], [1]),
    of([37, 5], [0], true),
    of([0, 3], [1]),
    of([2, 3, 4, 2], [0, 1, 2]),
    of([2, 3, 4, 2], [1, 2], true),
    of([2, 3, 4, 2], [0, 2]),
    of([1, 2, 1, 3, 2], [1, 4]),
    ...[[0], [1]].map((axes) => ({ ...of([130, 150], axes, false, large), gradient: false })),
    ...[[0], [1], [0, 2]].map((axes) => ({ ...of([70, 9, 40], axes, false, large), gradient: false })),
    of([3, 19], [0], false, { dtype: 'i32' }),
    of([3, 19], [1], true, { dtype: 'u8' }),
  ];
}

const sumOp = defineOp<ReduceAttrs>({
  name: 'sum',
  run: (inputs, attrs) => native('sum', inputs, [...encode(attrs), Number(attrs.wide ?? false)]),
  vjp: ({ inputs: [x], attrs: { axes } }, gy) => [
    broadcastTo(reshape(gy, keptShape(x.shape, axes)), x.shape),
  ],
  saves: {},
  samples: () =>
    reduceSamples({ lo: 0, hi: 1 }).concat({
      inputs: [{ shape: [0, 3] }],
      attrs: { axes: [0], keepDims: false },
    }),
});

function defineExtreme(name: 'max' | 'min'): OpSpec<ReduceAttrs> {
  return defineOp<ReduceAttrs>({
    name,
    run: (inputs, attrs) => native(name, inputs, encode(attrs)),
    // Equal extremes share the gradient evenly.
    vjp: ({ inputs: [x], outputs: [y], attrs: { axes } }, gy) => {
      const kept = keptShape(x.shape, axes);
      const where = equal(x, reshape(y, kept));
      return [mul(div(reshape(gy, kept), sum(where, axes, true)), where)];
    },
    saves: { inputs: [0], outputs: [0] },
    samples: () => reduceSamples(),
  });
}

const maxOp = defineExtreme('max');
const minOp = defineExtreme('min');

function defineArg(name: 'argmax' | 'argmin'): OpSpec<ArgReduceAttrs> {
  return defineOp<ArgReduceAttrs>({
    name,
    run: (inputs, { axis, keepDims }) => native(name, inputs, [Number(keepDims), axis]),
    samples: () => {
      const of = (shape: number[], axis: number, keepDims = false, dtype: SampleInput['dtype'] = 'f32') => ({
        inputs: [{ shape, dtype }],
        attrs: { axis, keepDims },
      });
      return [
        of([1], 0),
        of([7], 0),
        of([3, 37], 1),
        of([37, 3], 0, true),
        of([0, 3], 1),
        of([2, 5, 4, 3], 2),
        of([1, 2, 1, 3, 2], 3, true),
        of([300, 70], 1),
        of([70, 300], 0),
        of([9, 8], 1, false, 'i32'),
        of([9, 8], 0, false, 'u8'),
      ];
    },
  });
}

const argmaxOp = defineArg('argmax');
const argminOp = defineArg('argmin');

function axesOf(op: string, axis: Axes | undefined, rank: number): number[] {
  if (axis === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list = (typeof axis === 'number' ? [axis] : [...axis]).map((a) => axisOf(op, a, rank));
  const axes = [...new Set(list)].sort((a, b) => a - b);
  if (axes.length !== list.length) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: an axis is named twice in [${String(axis)}]`);
  }
  return axes;
}

function reduce(op: OpSpec<ReduceAttrs>, x: Tensor, axis: Axes | undefined, keepDims: boolean): Tensor {
  assertTensor(x, `${op.name}: x`);
  return apply(op, [x], { axes: axesOf(op.name, axis, x.rank), keepDims });
}

/**
 * The sum over the axes (default: all). f32 and bf16 stay, i32 and u8 give i32; the sum of nothing is 0. The error is
 * about one rounding, whatever the length.
 *
 * @param keepDims leave a dimension of 1 where an axis was reduced
 * @throws GanvasError ERR_ARGUMENT for an axis that does not exist
 */
export function sum(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  return reduce(sumOp, x, axis, keepDims);
}

/**
 * The greatest element over the axes (default: all), NaN if there is one. Equal greatest elements share the gradient.
 * Throws ERR_SHAPE when a reduced axis is empty, ERR_ARGUMENT for an axis that does not exist.
 */
export function max(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  return reduce(maxOp, x, axis, keepDims);
}

/**
 * The least element over the axes (default: all), NaN if there is one. Equal least elements share the gradient.
 * Throws ERR_SHAPE when a reduced axis is empty, ERR_ARGUMENT for an axis that does not exist.
 */
export function min(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  return reduce(minOp, x, axis, keepDims);
}

const isFloat = (x: Tensor): boolean => x.dtype === 'f32' || x.dtype === 'bf16';

/** How many elements of x each element of the reduced tensor stands for. */
const countOver = (x: Tensor, axes: readonly number[]): number => axes.reduce((n, a) => n * x.shape[a], 1);

/**
 * The mean over the axes (default: all), NaN over an empty axis; bf16 for bf16, else f32.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function mean(x: Tensor, axis?: Axes, keepDims = false): Tensor {
  assertTensor(x, 'mean: x');
  const axes = axesOf('mean', axis, x.rank);
  return scope(() => {
    // Integers are converted first: their i32 sum could wrap around.
    const total = apply(sumOp, [isFloat(x) ? x : cast(x, 'f32')], { axes, keepDims, wide: true });
    const y = div(total, countOver(x, axes));
    return x.dtype === 'bf16' ? cast(y, 'bf16') : y;
  });
}

/**
 * The variance over the axes (default: all), Σ (x - mean)² / (n - correction); bf16 for bf16, else f32. The default
 * correction of 1 is the unbiased estimate from a sample; 0 is the variance that normalisation layers use.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function variance(x: Tensor, axis?: Axes, keepDims = false, correction = 1): Tensor {
  assertTensor(x, 'variance: x');
  const axes = axesOf('variance', axis, x.rank);
  return scope(() => {
    const wide = x.dtype === 'bf16' ? cast(x, 'f32') : x;
    const deviations = square(sub(wide, mean(wide, axes, true)));
    const y = div(sum(deviations, axes, keepDims), Math.max(0, countOver(x, axes) - correction));
    return x.dtype === 'bf16' ? cast(y, 'bf16') : y;
  });
}

/** The standard deviation √variance(x, axis, keepDims, correction). Its gradient is infinite where it is 0. */
export function std(x: Tensor, axis?: Axes, keepDims = false, correction = 1): Tensor {
  return scope(() => sqrt(variance(x, axis, keepDims, correction)));
}

function argReduce(
  op: OpSpec<ArgReduceAttrs>,
  x: Tensor,
  axis: number | undefined,
  keepDims: boolean,
): Tensor {
  assertTensor(x, `${op.name}: x`);
  if (axis !== undefined) return apply(op, [x], { axis: axisOf(op.name, axis, x.rank), keepDims });
  return scope(() => {
    const y = apply(op, [reshape(x, [x.size])], { axis: 0, keepDims: false });
    return keepDims
      ? reshape(
          y,
          x.shape.map(() => 1),
        )
      : y;
  });
}

/**
 * Where along the axis the greatest element lies, i32; the first of equals, NaN counts as the greatest. Without an
 * axis: its position in row-major order. Throws ERR_SHAPE for an empty axis, ERR_ARGUMENT for one that does not exist.
 */
export function argmax(x: Tensor, axis?: number, keepDims = false): Tensor {
  return argReduce(argmaxOp, x, axis, keepDims);
}

/**
 * Where along the axis the least element lies, i32; the first of equals, NaN counts as the least. Without an axis:
 * its position in row-major order. Throws ERR_SHAPE for an empty axis, ERR_ARGUMENT for one that does not exist.
 */
export function argmin(x: Tensor, axis?: number, keepDims = false): Tensor {
  return argReduce(argminOp, x, axis, keepDims);
}

/**
 * @internal The inverse of broadcasting `shape` to g's shape: sums what was repeated. g itself if nothing was.
 * `wide`: a sum of bf16 stays f32.
 */
export function sumTo(g: Tensor, shape: Shape, wide = false): Tensor {
  const lead = g.rank - shape.length;
  const axes = g.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return axes.length === 0 ? g : reshape(apply(sumOp, [g], { axes, keepDims: false, wide }), shape);
}

const table = { sum, mean, max, min, argmax, argmin, variance, std } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
