// Elements taken and put by position along an axis, each by an index of its own: PyTorch's gather and scatter. Whole
// rows by index are gather.ts. Indices are constants: they have no gradient.

import { apply, defineOp, native, type Sample, type SampleInput } from '../define.js';
import { assertTensor, type DType, type MethodsOf, methods, type Shape, type Tensor } from '../tensor.js';
import { assertShape, zeros } from './create.js';
import { axisOf } from './shape.js';

/** [shape of x, axis, shape of the indices, indices]: no two of one line are equal unless it says so. */
const cases: [number[], number, number[], number[]][] = [
  [[5], 0, [3], [4, 0, 2]],
  [[4, 3], 0, [2, 3], [3, 0, 2, 1, 2, 0]],
  [[2, 5], 1, [2, 3], [4, 0, 2, 1, 3, 0]],
  [[3, 4], 1, [2, 2], [3, 1, 0, 2]],
  [[2, 3, 4], 1, [2, 1, 4], [0, 1, 2, 0, 1, 1, 0, 2]],
  [[2, 3, 2, 2], 1, [1, 2, 2, 1], [0, 2, 1, 0]],
  [[1, 1], 0, [1, 1], [0]],
  [[3, 4], 0, [0, 4], []],
  [[0, 4], 0, [0, 2], []],
  [[4, 37], 0, [1, 37], Array.from({ length: 37 }, (_, i) => (i * 7) % 4)],
];

const indexInput = (shape: number[], values: number[], dtype: DType = 'i32'): SampleInput => ({
  shape,
  dtype,
  values,
});

const takeOp = defineOp<{ axis: number }>({
  name: 'takeAlongAxis',
  run: (inputs, { axis }) => native('takeAlongAxis', inputs, [axis]),
  vjp: ({ inputs: [x, indices], attrs: { axis } }, gy) => [
    scatterAddAlongAxis(indices, gy, x.shape, axis),
    undefined,
  ],
  saves: { inputs: [1] },
  samples: () => [
    ...cases.map(([shape, axis, of, values]) => ({
      inputs: [{ shape }, indexInput(of, values)],
      attrs: { axis },
    })),
    { inputs: [{ shape: [4] }, indexInput([6], [1, 1, 0, 3, 1, 3])], attrs: { axis: 0 } },
    { inputs: [{ shape: [4, 2], dtype: 'u8' }, indexInput([1, 2], [3, 1], 'u8')], attrs: { axis: 0 } },
    { inputs: [{ shape: [4, 2], dtype: 'bf16' }, indexInput([1, 2], [3, 1])], attrs: { axis: 0 } },
  ],
});

const scatterOp = defineOp<{ axis: number }>({
  name: 'scatterAlongAxis',
  run: (inputs, { axis }) => native('scatterAlongAxis', inputs, [axis]),
  vjp: ({ inputs: [, indices], attrs: { axis }, needs }, gy) => [
    needs[0] ? scatterAlongAxis(gy, indices, zeros(indices.shape, gy.dtype), axis) : undefined,
    undefined,
    needs[2] ? takeAlongAxis(gy, indices, axis) : undefined,
  ],
  saves: { inputs: [1] },
  samples: () => [
    ...cases.map(([shape, axis, of, values]) => ({
      inputs: [{ shape }, indexInput(of, values), { shape: of }],
      attrs: { axis },
    })),
    {
      inputs: [{ shape: [4] }, indexInput([6], [1, 1, 0, 3, 1, 3]), { shape: [6] }],
      attrs: { axis: 0 },
      gradient: false,
    },
    {
      inputs: [
        { shape: [4, 2], dtype: 'u8' },
        indexInput([1, 2], [3, 1], 'u8'),
        { shape: [1, 2], dtype: 'u8' },
      ],
      attrs: { axis: 0 },
    },
  ],
});

const scatterAddOp = defineOp<{ axis: number; shape: Shape }>({
  name: 'scatterAddAlongAxis',
  run: (inputs, { axis, shape }) => native('scatterAddAlongAxis', inputs, [axis, shape.length, ...shape]),
  vjp: ({ inputs: [indices], attrs: { axis } }, gy) => [undefined, takeAlongAxis(gy, indices, axis)],
  saves: { inputs: [0] },
  samples: (): Sample<{ axis: number; shape: Shape }>[] => [
    ...cases.map(([shape, axis, of, values]) => ({
      inputs: [indexInput(of, values), { shape: of }],
      attrs: { axis, shape },
    })),
    { inputs: [indexInput([6], [1, 1, 0, 3, 1, 3]), { shape: [6] }], attrs: { axis: 0, shape: [4] } },
    {
      inputs: [indexInput([2, 2], [1, 1, 1, 0], 'u8'), { shape: [2, 2], dtype: 'i32' }],
      attrs: { axis: 0, shape: [3, 2] },
    },
  ],
});

/**
 * One element for each index: y[i, j, k] = x[i, indices[i, j, k], k] for axis 1 (PyTorch's gather, NumPy's
 * take_along_axis).
 *
 * x of any dtype; indices i32 or u8 of x's rank, outside the axis no larger than x → the shape of the indices.
 * Throws ERR_SHAPE where they do not fit; an index outside [0, x.shape[axis]) is ERR_INDEX, reported by the next
 * data() or sync().
 */
export function takeAlongAxis(x: Tensor, indices: Tensor, axis: number): Tensor {
  assertTensor(x, 'takeAlongAxis: x');
  assertTensor(indices, 'takeAlongAxis: indices');
  return apply(takeOp, [x, indices], { axis: axisOf('takeAlongAxis', axis, x.rank) });
}

/**
 * x with the updates in the places that takeAlongAxis would read: y[i, indices[i, j, k], k] = updates[i, j, k] for
 * axis 1 (PyTorch's scatter). Where an index repeats the last update stays, and its gradient is not to be relied upon.
 *
 * Updates have the shape of the indices and x's dtype. Throws ERR_SHAPE or ERR_DTYPE where they do not fit; an index
 * outside [0, x.shape[axis]) is ERR_INDEX, reported by the next data() or sync().
 */
export function scatterAlongAxis(x: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor {
  assertTensor(x, 'scatterAlongAxis: x');
  assertTensor(indices, 'scatterAlongAxis: indices');
  assertTensor(updates, 'scatterAlongAxis: updates');
  return apply(scatterOp, [x, indices, updates], { axis: axisOf('scatterAlongAxis', axis, x.rank) });
}

/**
 * The transpose of takeAlongAxis: zeros of `shape` to which the updates are added where it would read; equal places
 * add up, always in the same order.
 *
 * indices i32 or u8, updates of their shape in f32, bf16 or i32. Throws ERR_SHAPE where they do not fit `shape`; an
 * index outside [0, shape[axis]) is ERR_INDEX, reported by the next data() or sync().
 */
export function scatterAddAlongAxis(indices: Tensor, updates: Tensor, shape: Shape, axis: number): Tensor {
  assertTensor(indices, 'scatterAddAlongAxis: indices');
  assertTensor(updates, 'scatterAddAlongAxis: updates');
  assertShape('scatterAddAlongAxis', shape);
  const at = axisOf('scatterAddAlongAxis', axis, shape.length);
  return apply(scatterAddOp, [indices, updates], { axis: at, shape });
}

const table = { takeAlongAxis, scatterAlongAxis } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
