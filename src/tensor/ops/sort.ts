// Sorting along an axis: values with their positions, all of them or the first k. The kernel works on the last axis;
// another one is moved there and back. Values are differentiable, positions are constants.

import { GanvasError } from '../../errors.js';
import { applyAll, defineOp, native, type SampleInput } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { scatterAddAlongAxis } from './along.js';
import { axisOf, transpose } from './shape.js';

interface SortAttrs {
  descending: boolean;
  k: number;
}

const sortOp = defineOp<SortAttrs>({
  name: 'sort',
  run: (inputs, { descending, k }) => native('sort', inputs, [Number(descending), k]),
  vjp: ({ inputs: [x], outputs: [, positions] }, gy) => [scatterAddAlongAxis(positions, gy, x.shape, -1)],
  saves: { inputs: [], outputs: [1] },
  samples: () => {
    const of = (shape: number[], k: number, descending = false, more: Partial<SampleInput> = {}) => ({
      inputs: [{ shape, ...more }],
      attrs: { descending, k },
    });
    const odd = [
      0,
      -0,
      Number.NaN,
      3,
      Number.NEGATIVE_INFINITY,
      3,
      Number.POSITIVE_INFINITY,
      -0,
      -1,
      Number.NaN,
    ];
    return [
      of([1], 1),
      of([7], 7),
      of([3, 19], 19, true),
      of([3, 19], 4),
      of([2, 3, 5], 2, true),
      of([0, 3], 3),
      of([3, 0], 0),
      of([4, 3], 0),
      of([2, 10], 10, false, { values: [...odd, ...odd] }),
      of([2, 10], 10, true, { values: [...odd, ...odd] }),
      of([1, 10], 8, true, { values: odd }),
      of([3, 41], 41, false, { dtype: 'i32' }),
      of([3, 41], 9, true, { dtype: 'u8' }),
      of([2, 6], 6, false, { dtype: 'bf16' }),
      { ...of([2, 9000], 9000), gradient: false },
      { ...of([2, 9000], 9000, true, { dtype: 'i32' }), gradient: false },
      { ...of([9000], 5000, true), gradient: false },
    ].map((sample) => (sample.inputs[0].values ? { ...sample, gradient: false } : sample));
  },
});

/** Values in order and where along the axis they were (i32). */
export interface Sorted {
  values: Tensor;
  indices: Tensor;
}

function sortAlong(
  op: string,
  x: Tensor,
  axis: number,
  count: (n: number) => number,
  descending: boolean,
): Sorted {
  assertTensor(x, `${op}: x`);
  const at = axisOf(op, axis, x.rank);
  const last = x.rank - 1;
  const attrs = { descending, k: count(x.shape[at]) };
  if (at === last) {
    const [values, indices] = applyAll(sortOp, [x], attrs);
    return { values, indices };
  }
  const swapped = x.shape.map((_, i) => (i === at ? last : i === last ? at : i));
  return scope(() => {
    const [values, indices] = applyAll(sortOp, [transpose(x, swapped)], attrs);
    return { values: transpose(values, swapped), indices: transpose(indices, swapped) };
  });
}

/**
 * The elements along an axis (default: the last) in ascending order, or descending. Stable: equal elements keep their
 * order. NaN comes last either way. Keeps the dtype; the gradient goes back to where each value came from.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function sort(x: Tensor, axis = -1, descending = false): Sorted {
  return sortAlong('sort', x, axis, (n) => n, descending);
}

/**
 * The positions, i32, that sort would take the elements from: sort(x, axis, descending).indices.
 * Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function argsort(x: Tensor, axis = -1, descending = false): Tensor {
  const { values, indices } = sortAlong('argsort', x, axis, (n) => n, descending);
  values.dispose();
  return indices;
}

export interface TopKOptions {
  /** Default: the last. */
  axis?: number;
  /** false: the k least. Default true. */
  largest?: boolean;
}

/**
 * The k greatest elements along an axis, greatest first, or the k least, least first; of equal ones the first. NaN is
 * taken only when nothing else is left. The gradient goes back to where each value came from.
 * Throws ERR_ARGUMENT unless k is a whole number from 0 to the size of the axis.
 */
export function topK(x: Tensor, k: number, { axis = -1, largest = true }: TopKOptions = {}): Sorted {
  const count = (n: number): number => {
    if (Number.isInteger(k) && k >= 0 && k <= n) return k;
    throw new GanvasError('ERR_ARGUMENT', `topK: k must be a whole number from 0 to ${n}, got ${String(k)}`);
  };
  return sortAlong('topK', x, axis, count, largest);
}

const table = { sort, argsort, topK } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
