// Ops that move the elements of one tensor and compute nothing: reshape (a view, nothing is copied), transpose, slice,
// pad, broadcastTo, and what is made of them. They take every dtype. Gradients are other ops of this file or
// scatterAdd. Several tensors at once: concat.ts.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type Sample, upload, view } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Shape, type Tensor } from '../tensor.js';
import { mirror } from './border.js';
import { scatterAdd } from './gather.js';
import type { BorderMode } from './resample.js';

const maxRank = 8;

const count = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);

const reshapeOp = defineOp<{ shape: Shape }>({
  name: 'reshape',
  run: ([x], { shape }) => [view(x, shape)],
  vjp: ({ inputs: [x] }, gy) => [reshape(gy, x.shape)],
  saves: {},
  samples: () => [
    { inputs: [{ shape: [2, 6] }], attrs: { shape: [3, 4] } },
    { inputs: [{ shape: [] }], attrs: { shape: [1, 1, 1] } },
    { inputs: [{ shape: [0, 3] }], attrs: { shape: [3, 2, 0] } },
    { inputs: [{ shape: [2, 3, 5], dtype: 'u8' }], attrs: { shape: [30] } },
  ],
});

const transposeOp = defineOp<{ perm: readonly number[] }>({
  name: 'transpose',
  run: (inputs, { perm }) => native('transpose', inputs, perm),
  vjp: ({ attrs: { perm } }, gy) => [transpose(gy, inverse(perm))],
  saves: {},
  samples: () => [
    { inputs: [{ shape: [] }], attrs: { perm: [] } },
    { inputs: [{ shape: [3] }], attrs: { perm: [0] } },
    { inputs: [{ shape: [2, 3] }], attrs: { perm: [1, 0] } },
    { inputs: [{ shape: [2, 0, 3] }], attrs: { perm: [2, 0, 1] } },
    { inputs: [{ shape: [1, 5, 4, 3] }], attrs: { perm: [0, 3, 1, 2] } },
    { inputs: [{ shape: [2, 3, 5, 4] }], attrs: { perm: [0, 2, 1, 3] } },
    { inputs: [{ shape: [2, 3, 1, 4, 2] }], attrs: { perm: [4, 1, 3, 0, 2] } },
    { inputs: [{ shape: [67, 70] }], attrs: { perm: [1, 0] } },
    { inputs: [{ shape: [2, 37, 3], dtype: 'i32' }], attrs: { perm: [0, 2, 1] } },
    { inputs: [{ shape: [17, 19], dtype: 'u8' }], attrs: { perm: [1, 0] } },
  ],
});

interface SliceAttrs {
  begin: readonly number[];
  size: readonly number[];
  step: readonly number[];
}

const sliceOp = defineOp<SliceAttrs>({
  name: 'slice',
  run: (inputs, { begin, size, step }) => native('slice', inputs, [begin.length, ...begin, ...size, ...step]),
  vjp: ({ inputs: [x], attrs }, gy) => [unslice(gy, x.shape, attrs)],
  saves: {},
  samples: () => [
    { inputs: [{ shape: [] }], attrs: { begin: [], size: [], step: [] } },
    { inputs: [{ shape: [7] }], attrs: { begin: [2], size: [3], step: [1] } },
    { inputs: [{ shape: [7] }], attrs: { begin: [5], size: [3], step: [-2] } },
    { inputs: [{ shape: [3, 5] }], attrs: { begin: [2, 4], size: [3, 5], step: [-1, -1] } },
    { inputs: [{ shape: [3, 5] }], attrs: { begin: [1, 0], size: [0, 5], step: [-1, 1] } },
    { inputs: [{ shape: [2, 9, 4] }], attrs: { begin: [1, 1, 0], size: [1, 3, 2], step: [1, 3, 2] } },
    {
      inputs: [{ shape: [1, 4, 2, 3, 2] }],
      attrs: { begin: [0, 1, 0, 2, 1], size: [1, 2, 2, 2, 1], step: [1, 1, 1, -2, 1] },
    },
    { inputs: [{ shape: [5, 41] }], attrs: { begin: [1, 3], size: [4, 37], step: [1, 1] } },
    { inputs: [{ shape: [4, 3], dtype: 'u8' }], attrs: { begin: [3, 0], size: [2, 3], step: [-2, 1] } },
  ],
});

interface PadAttrs {
  padding: readonly (readonly [number, number])[];
  value: number;
}

const padOp = defineOp<PadAttrs>({
  name: 'pad',
  run: (inputs, { padding, value }) => native('pad', inputs, [value, ...padding.flat()]),
  vjp: ({ inputs: [x], attrs: { padding } }, gy) => [
    slice(
      gy,
      padding.map(([before]) => before),
      x.shape,
    ),
  ],
  saves: {},
  samples: () => {
    const of = (shape: number[], padding: [number, number][], value = 0): Sample<PadAttrs> => ({
      inputs: [{ shape }],
      attrs: { padding, value },
    });
    return [
      of([], []),
      of([3], [[2, 1]]),
      of(
        [0, 2],
        [
          [1, 0],
          [0, 3],
        ],
        1.5,
      ),
      of(
        [2, 3],
        [
          [0, 0],
          [0, 0],
        ],
      ),
      of(
        [2, 5, 4, 3],
        [
          [0, 0],
          [1, 2],
          [0, 1],
          [0, 0],
        ],
        -1,
      ),
      of(
        [1, 2, 1, 3, 2],
        [
          [1, 0],
          [0, 0],
          [2, 0],
          [0, 0],
          [1, 1],
        ],
      ),
      of(
        [19, 40],
        [
          [3, 0],
          [1, 5],
        ],
      ),
      {
        inputs: [{ shape: [2, 3], dtype: 'u8' }],
        attrs: {
          padding: [
            [1, 0],
            [1, 1],
          ],
          value: 7,
        },
      },
    ];
  },
});

const broadcastToOp = defineOp<{ shape: Shape }>({
  name: 'broadcastTo',
  run: (inputs, { shape }) => native('broadcastTo', inputs, shape),
  vjp: (_, gy) => [gy], // the engine sums it down to x's shape
  saves: {},
  samples: () => [
    { inputs: [{ shape: [] }], attrs: { shape: [] } },
    { inputs: [{ shape: [] }], attrs: { shape: [2, 3] } },
    { inputs: [{ shape: [1] }], attrs: { shape: [0] } },
    { inputs: [{ shape: [3] }], attrs: { shape: [4, 3] } },
    { inputs: [{ shape: [2, 1, 3] }], attrs: { shape: [2, 5, 3] } },
    { inputs: [{ shape: [5, 1] }], attrs: { shape: [5, 37] } },
    { inputs: [{ shape: [1, 2, 1, 3] }], attrs: { shape: [2, 4, 2, 3, 3] } },
    { inputs: [{ shape: [1, 19], dtype: 'i32' }], attrs: { shape: [6, 19] } },
  ],
});

function inverse(perm: readonly number[]): number[] {
  const result = new Array<number>(perm.length);
  perm.forEach((from, to) => {
    result[from] = to;
  });
  return result;
}

/** The transpose of slice: zeros of `shape` with g in the places the slice took. */
function unslice(g: Tensor, shape: Shape, { begin, size, step }: SliceAttrs): Tensor {
  let result = g;
  const padding = shape.map((n, axis): [number, number] => {
    if (size[axis] === 0) return [0, n];
    if (step[axis] !== 1 && step[axis] !== -1) {
      const indices = Int32Array.from({ length: size[axis] }, (_, i) => begin[axis] + i * step[axis]);
      result = scatterAdd(upload(indices, [size[axis]], 'i32'), result, n, axis);
      return [0, 0];
    }
    if (step[axis] === -1) result = flip(result, axis);
    const before = step[axis] === 1 ? begin[axis] : begin[axis] - size[axis] + 1;
    return [before, n - before - size[axis]];
  });
  return pad(result, padding);
}

/** @internal `axis` counted from the front, or ERR_ARGUMENT. */
export function axisOf(op: string, axis: number, rank: number): number {
  const result = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || result < 0 || result >= rank) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: axis ${axis} does not exist in a tensor of ${rank} dimensions`,
    );
  }
  return result;
}

/** @internal Throws ERR_ARGUMENT unless `list` holds `length` whole numbers. */
function assertIntegers(
  op: string,
  what: string,
  list: unknown,
  length?: number,
): asserts list is readonly number[] {
  const fits = Array.isArray(list) && list.every((n) => Number.isSafeInteger(n));
  if (!fits || (length !== undefined && list.length !== length)) {
    const wanted = length === undefined ? 'whole numbers' : `${length} whole numbers`;
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: ${what} must be an array of ${wanted}, got ${JSON.stringify(list)}`,
    );
  }
}

/**
 * The same elements, in the same order, under another shape of as many; one dimension may be -1 and is computed.
 * Nothing is copied. Throws ERR_SHAPE if the numbers of elements differ.
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  assertTensor(x, 'reshape: x');
  assertIntegers('reshape', 'shape', shape);
  const known = count(shape.filter((d) => d !== -1));
  const open = shape.filter((d) => d === -1).length;
  const result = shape.map((d) => (d === -1 ? x.size / known : d));
  const fits = open <= 1 && result.every((d) => Number.isInteger(d) && d >= 0) && count(result) === x.size;
  if (!fits || result.length > maxRank) {
    throw new GanvasError(
      'ERR_SHAPE',
      `reshape: x [${x.shape}] of ${x.size} elements cannot have shape [${shape}]`,
    );
  }
  return apply(reshapeOp, [x], { shape: result });
}

/** Merges the dimensions from `startAxis` (default 0) to the last into one. */
export function flatten(x: Tensor, startAxis = 0): Tensor {
  assertTensor(x, 'flatten: x');
  if (x.rank === 0) return reshape(x, [1]);
  const start = axisOf('flatten', startAxis, x.rank);
  return reshape(x, [...x.shape.slice(0, start), count(x.shape.slice(start))]);
}

/** Drops the dimension `axis`, which must have size 1 (ERR_SHAPE); without `axis`, every dimension of size 1. */
export function squeeze(x: Tensor, axis?: number): Tensor {
  assertTensor(x, 'squeeze: x');
  if (axis === undefined) {
    return reshape(
      x,
      x.shape.filter((d) => d !== 1),
    );
  }
  const at = axisOf('squeeze', axis, x.rank);
  if (x.shape[at] !== 1) {
    throw new GanvasError(
      'ERR_SHAPE',
      `squeeze: dimension ${axis} of x [${x.shape}] has size ${x.shape[at]}, not 1`,
    );
  }
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/** Inserts a dimension of size 1 before dimension `axis` (-1: at the end). */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  assertTensor(x, 'unsqueeze: x');
  const at = axisOf('unsqueeze', axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/**
 * Permutes the dimensions: dimension i of the result is dimension perm[i] of x. Default: all reversed.
 * Throws ERR_ARGUMENT unless perm holds each axis once.
 */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  assertTensor(x, 'transpose: x');
  if (perm === undefined) return apply(transposeOp, [x], { perm: x.shape.map((_, i) => x.rank - 1 - i) });
  assertIntegers('transpose', 'perm', perm, x.rank);
  return apply(transposeOp, [x], { perm: perm.map((axis) => axisOf('transpose', axis, x.rank)) });
}

/**
 * A box of x: y[i, j, …] = x[begin[0] + i·stride[0], …], of shape `size`.
 *
 * A size of -1 means as many as there are from `begin` on. Strides (default 1) may be negative, not 0.
 * Throws ERR_ARGUMENT if the box leaves x.
 */
export function slice(
  x: Tensor,
  begin: readonly number[],
  size: readonly number[],
  stride?: readonly number[],
): Tensor {
  assertTensor(x, 'slice: x');
  assertIntegers('slice', 'begin', begin, x.rank);
  assertIntegers('slice', 'size', size, x.rank);
  const step = stride ?? x.shape.map(() => 1);
  assertIntegers('slice', 'stride', step, x.rank);
  const full = size.map((n, i) => {
    if (n !== -1) return n;
    const left = step[i] > 0 ? x.shape[i] - begin[i] : begin[i] + 1;
    return Math.ceil(left / Math.abs(step[i] || 1));
  });
  return apply(sliceOp, [x], { begin, size: full, step });
}

/** Reverses the order along one axis. */
export function flip(x: Tensor, axis: number): Tensor {
  assertTensor(x, 'flip: x');
  const at = axisOf('flip', axis, x.rank);
  if (x.shape[at] === 0) return x;
  return slice(
    x,
    x.shape.map((n, i) => (i === at ? n - 1 : 0)),
    x.shape,
    x.shape.map((_, i) => (i === at ? -1 : 1)),
  );
}

/**
 * x inside a border: `padding` gives [before, after] for each dimension.
 *
 * The border is filled with `fill`: a number (default 0), or elements of x (f32 or bf16): 'reflect' mirrors at the
 * outermost element without repeating it, 'replicate' repeats it, 'circular' goes on at the other end.
 * Throws ERR_ARGUMENT for a wrong number of pairs, negative ones, or a border wider than x allows (reflect: size − 1,
 * circular: size).
 */
export function pad(
  x: Tensor,
  padding: readonly (readonly [number, number])[],
  fill: number | BorderMode = 0,
): Tensor {
  assertTensor(x, 'pad: x');
  if (!Array.isArray(padding) || padding.length !== x.rank) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `pad: padding must have a pair [before, after] for each dimension of x [${x.shape}], got ${JSON.stringify(padding)}`,
    );
  }
  for (const entry of padding) assertIntegers('pad', 'each entry of padding', entry, 2);
  return typeof fill === 'number' ? apply(padOp, [x], { padding, value: fill }) : mirror(x, padding, fill);
}

/** Repeats x along dimensions of size 1, and along new leading ones, to the given shape (ERR_SHAPE if it does not fit). */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  assertTensor(x, 'broadcastTo: x');
  assertIntegers('broadcastTo', 'shape', shape);
  return apply(broadcastToOp, [x], { shape });
}

const table = {
  reshape,
  flatten,
  squeeze,
  unsqueeze,
  transpose,
  slice,
  flip,
  pad,
  broadcastTo,
} as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
