// Joining tensors and cutting one up: concat, stack and split, of any dtype. Part of the shape family.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type Sample, type SampleInput } from '../define.js';
import { inFloat32 } from '../precision.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { axisOf, slice, unsqueeze } from './shape.js';

const concatOp = defineOp<{ axis: number }>({
  name: 'concat',
  run: (inputs, { axis }) => native('concat', inputs, [axis]),
  vjp: ({ inputs, attrs: { axis }, needs }, gy) => {
    let at = 0;
    return inputs.map((x, i) => {
      const begin = gy.shape.map((_, d) => (d === axis ? at : 0));
      at += x.shape[axis];
      return needs[i] ? slice(gy, begin, x.shape) : undefined;
    });
  },
  saves: {},
  samples: () => {
    const of = (shapes: number[][], axis: number, dtype?: 'i32' | 'u8'): Sample<{ axis: number }> => ({
      inputs: shapes.map((shape): SampleInput => ({ shape, dtype })),
      attrs: { axis },
    });
    return [
      of([[3]], 0),
      of([[2], [0], [3]], 0),
      of(
        [
          [2, 3],
          [2, 1],
          [2, 17],
        ],
        1,
      ),
      of(
        [
          [1, 3, 2],
          [4, 3, 2],
        ],
        0,
      ),
      of(
        [
          [2, 1, 3],
          [2, 2, 3],
        ],
        1,
      ),
      of(
        [
          [2, 3, 2, 1, 2],
          [2, 3, 2, 4, 2],
        ],
        3,
      ),
      of(
        [
          [3, 2],
          [3, 2],
        ],
        1,
        'u8',
      ),
      of(
        [
          [5, 33],
          [5, 40],
        ],
        1,
        'i32',
      ),
    ];
  },
});

/**
 * Joins tensors of one dtype along an axis (default 0); all other dimensions must agree. Beside f32, bf16 becomes f32.
 * Throws ERR_SHAPE where they do not, ERR_DTYPE for other mixtures, ERR_ARGUMENT for an empty list.
 */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  tensors.forEach((t, i) => {
    assertTensor(t, `concat: tensors[${i}]`);
  });
  if (tensors.length === 0) throw new GanvasError('ERR_ARGUMENT', 'concat: expected at least one tensor');
  const attrs = { axis: axisOf('concat', axis, tensors[0].rank) };
  const wide = tensors.some((t) => t.dtype === 'f32');
  return scope(() => apply(concatOp, wide ? tensors.map(inFloat32) : [...tensors], attrs));
}

/** Joins tensors of one shape along a new axis (default 0). Throws as concat. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  return concat(
    tensors.map((t, i) => {
      assertTensor(t, `stack: tensors[${i}]`);
      return unsqueeze(t, axis);
    }),
    axis < 0 && tensors.length > 0 ? axisOf('stack', axis, tensors[0].rank + 1) : axis,
  );
}

/**
 * Cuts x along an axis (default 0): into `parts` equal pieces, or into pieces of the given sizes.
 * Throws ERR_SHAPE unless they add up.
 */
export function split(x: Tensor, parts: number | readonly number[], axis = 0): Tensor[] {
  assertTensor(x, 'split: x');
  const at = axisOf('split', axis, x.rank);
  const length = x.shape[at];
  const sizes =
    typeof parts === 'number' ? new Array<number>(Math.max(1, parts)).fill(length / parts) : parts;
  if (sizes.some((s) => !Number.isInteger(s) || s < 0) || sizes.reduce((a, b) => a + b, 0) !== length) {
    throw new GanvasError(
      'ERR_SHAPE',
      `split: ${length} elements along axis ${axis} cannot be cut into ${String(parts)}`,
    );
  }
  let begin = 0;
  return sizes.map((size) => {
    const start = x.shape.map((_, i) => (i === at ? begin : 0));
    begin += size;
    return slice(
      x,
      start,
      x.shape.map((n, i) => (i === at ? size : n)),
    );
  });
}

const table = { split } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
