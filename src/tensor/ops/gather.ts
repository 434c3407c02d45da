// Rows by index: gather takes them, scatterAdd puts them back and adds up duplicates. Each is the other's gradient.
// An embedding lookup is gather(table, indices). Indices are constants: they have no gradient.

import { apply, defineOp, native } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { axisOf } from './shape.js';

const gatherOp = defineOp<{ axis: number }>({
  name: 'gather',
  run: (inputs, { axis }) => native('gather', inputs, [axis]),
  vjp: ({ inputs: [x, indices], attrs: { axis } }, gy) => [
    scatterAdd(indices, gy, x.shape[axis], axis),
    undefined,
  ],
  saves: { inputs: [1] },
  samples: () => [
    { inputs: [{ shape: [5] }, { shape: [], dtype: 'i32', values: [3] }], attrs: { axis: 0 } },
    {
      inputs: [{ shape: [4, 3] }, { shape: [5], dtype: 'i32', values: [2, 0, 2, 3, 2] }],
      attrs: { axis: 0 },
    },
    { inputs: [{ shape: [4, 3] }, { shape: [2, 2], dtype: 'u8', values: [2, 0, 1, 1] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [2, 3, 1, 2] }, { shape: [1], dtype: 'i32', values: [2] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [4, 3] }, { shape: [0], dtype: 'i32', values: [] }], attrs: { axis: 0 } },
    { inputs: [{ shape: [3, 37] }, { shape: [4], dtype: 'i32', values: [2, 2, 0, 1] }], attrs: { axis: 0 } },
    {
      inputs: [
        { shape: [6, 2], dtype: 'u8' },
        { shape: [3], dtype: 'u8', values: [5, 0, 5] },
      ],
      attrs: { axis: 0 },
    },
  ],
});

const scatterAddOp = defineOp<{ axis: number; size: number }>({
  name: 'scatterAdd',
  run: (inputs, { axis, size }) => native('scatterAdd', inputs, [axis, size]),
  vjp: ({ inputs: [indices], attrs: { axis } }, gy) => [undefined, gather(gy, indices, axis)],
  saves: { inputs: [0] },
  samples: () => [
    { inputs: [{ shape: [], dtype: 'i32', values: [3] }, { shape: [] }], attrs: { axis: 0, size: 5 } },
    {
      inputs: [{ shape: [5], dtype: 'i32', values: [2, 0, 2, 3, 2] }, { shape: [5, 3] }],
      attrs: { axis: 0, size: 4 },
    },
    {
      inputs: [{ shape: [2, 2], dtype: 'u8', values: [2, 0, 1, 1] }, { shape: [4, 2, 2] }],
      attrs: { axis: 1, size: 3 },
    },
    {
      inputs: [{ shape: [3], dtype: 'i32', values: [0, 0, 1] }, { shape: [2, 3, 1, 2] }],
      attrs: { axis: 1, size: 2 },
    },
    { inputs: [{ shape: [0], dtype: 'i32', values: [] }, { shape: [0, 3] }], attrs: { axis: 0, size: 2 } },
    {
      inputs: [{ shape: [4], dtype: 'i32', values: [2, 2, 0, 1] }, { shape: [4, 37] }],
      attrs: { axis: 0, size: 3 },
    },
    {
      inputs: [
        { shape: [3], dtype: 'u8', values: [1, 1, 0] },
        { shape: [3, 2], dtype: 'i32' },
      ],
      attrs: { axis: 0, size: 2 },
    },
  ],
});

/**
 * Elements of x at the given indices along an axis (default 0): for axis 0, y[i, …] = x[indices[i], …].
 *
 * x of any dtype, indices i32 or u8 of any shape → x.shape[0..axis] + indices.shape + x.shape[axis+1..].
 * An index outside [0, x.shape[axis]), negative ones included, is ERR_INDEX, reported by the next data() or sync().
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  assertTensor(x, 'gather: x');
  assertTensor(indices, 'gather: indices');
  return apply(gatherOp, [x, indices], { axis: axisOf('gather', axis, x.rank) });
}

/**
 * The transpose of gather: zeros with `size` elements along `axis` (default 0), to which the updates are added at the
 * indices; equal indices add up, always in the same order.
 *
 * indices i32 or u8, updates f32, bf16 or i32 with the dimensions of indices at `axis`. Throws ERR_SHAPE where they do not
 * fit; an index outside [0, size) is ERR_INDEX, reported by the next data() or sync().
 */
export function scatterAdd(indices: Tensor, updates: Tensor, size: number, axis = 0): Tensor {
  assertTensor(indices, 'scatterAdd: indices');
  assertTensor(updates, 'scatterAdd: updates');
  // The axis of the result, which has one dimension in the place of all of the indices'.
  const at = axisOf('scatterAdd', axis, Math.max(updates.rank - indices.rank, 0) + 1);
  return apply(scatterAddOp, [indices, updates], { axis: at, size });
}

const table = { gather } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
