// Comparisons and selection. Comparisons give u8 (0 or 1) and are constants to a gradient; broadcasting and numbers as
// in binary.ts. NaN is unequal to everything, itself included.

import { apply, defineOp, native, type OpSpec, type Sample, type SampleInput } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { broadcastShapes, type Operand } from './binary.js';
import { full } from './create.js';

interface CompareAttrs {
  /** 0: two tensors; 1: the number is on the right; 2: on the left. */
  mode: 0 | 1 | 2;
  scalar: number;
}

function compareSamples(): Sample<CompareAttrs>[] {
  const integers = (shape: number[], dtype: 'i32' | 'u8'): SampleInput => ({ shape, dtype, lo: 0, hi: 3 });
  const tensors: CompareAttrs = { mode: 0, scalar: 0 };
  return [
    ...broadcastShapes.map(([a, b]) => ({ inputs: [{ shape: a }, { shape: b }], attrs: tensors })),
    { inputs: [integers([5, 19], 'i32'), integers([19], 'i32')], attrs: tensors },
    {
      inputs: [integers([5, 19], 'u8'), { shape: [5, 1], dtype: 'f32', values: [0, 1, 1.5, 2, 3] }],
      attrs: tensors,
    },
    { inputs: [{ shape: [17001] }, { shape: [17001] }], attrs: tensors },
    { inputs: [integers([3, 37], 'i32')], attrs: { mode: 1, scalar: 2 } },
    { inputs: [integers([3, 37], 'u8')], attrs: { mode: 1, scalar: 1.5 } },
    { inputs: [integers([3, 37], 'i32')], attrs: { mode: 2, scalar: 1 } },
    { inputs: [{ shape: [4], values: [Number.NaN, 1, 2, 3] }], attrs: { mode: 2, scalar: 2 } },
  ];
}

function defineCompare(name: string): OpSpec<CompareAttrs> {
  return defineOp<CompareAttrs>({
    name,
    run: (inputs, { mode, scalar }) => native(name, inputs, [mode, scalar]),
    samples: compareSamples,
  });
}

const equalOp = defineCompare('equal');
const notEqualOp = defineCompare('notEqual');
const lessOp = defineCompare('less');
const lessEqualOp = defineCompare('lessEqual');
const greaterOp = defineCompare('greater');
const greaterEqualOp = defineCompare('greaterEqual');

const whereOp = defineOp<void>({
  name: 'where',
  run: (inputs) => native('where', inputs),
  vjp: ({ inputs: [condition], needs }, gy) => [
    undefined,
    needs[1] ? where(condition, gy, 0) : undefined,
    needs[2] ? where(condition, 0, gy) : undefined,
  ],
  saves: { inputs: [0] },
  samples: () => {
    const of = (c: number[], a: number[], b: number[], dtype: 'u8' | 'i32' | 'f32' = 'u8'): Sample<void> => ({
      inputs: [
        dtype === 'f32' ? { shape: c, avoid: [0] } : { shape: c, dtype, lo: 0, hi: 1 },
        { shape: a },
        { shape: b },
      ],
      attrs: undefined,
    });
    return [
      of([], [], []),
      of([7], [7], [7]),
      of([3, 19], [3, 19], [3, 19], 'i32'),
      of([3, 1], [4], [3, 4]),
      of([4], [], [2, 4], 'f32'),
      of([2, 1, 3, 1, 2], [1, 2, 1, 2, 2], [2]),
      of([0, 3], [3], [1]),
      of([20, 33], [33], []),
      { ...of([17001], [17001], [1]), gradient: false },
      { inputs: [2, 5, 5].map((hi) => ({ shape: [3, 7], dtype: 'u8' as const, hi })), attrs: undefined },
      {
        inputs: [{ shape: [9], dtype: 'u8', hi: 1 }, { shape: [9], dtype: 'i32' }, { shape: [9] }],
        attrs: undefined,
      },
    ];
  },
});

function compare(op: OpSpec<CompareAttrs>, a: Operand, b: Operand): Tensor {
  if (typeof b === 'number') {
    assertTensor(a, `${op.name}: one of the operands`);
    return apply(op, [a], { mode: 1, scalar: b });
  }
  assertTensor(b, `${op.name}: b`);
  if (typeof a === 'number') return apply(op, [b], { mode: 2, scalar: a });
  assertTensor(a, `${op.name}: a`);
  return apply(op, [a, b], { mode: 0, scalar: 0 });
}

/** 1 where a = b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function equal(a: Operand, b: Operand): Tensor {
  return compare(equalOp, a, b);
}

/** 1 where a ≠ b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function notEqual(a: Operand, b: Operand): Tensor {
  return compare(notEqualOp, a, b);
}

/** 1 where a < b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function less(a: Operand, b: Operand): Tensor {
  return compare(lessOp, a, b);
}

/** 1 where a ≤ b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function lessEqual(a: Operand, b: Operand): Tensor {
  return compare(lessEqualOp, a, b);
}

/** 1 where a > b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function greater(a: Operand, b: Operand): Tensor {
  return compare(greaterOp, a, b);
}

/** 1 where a ≥ b, else 0; u8, with broadcasting. Throws ERR_SHAPE. */
export function greaterEqual(a: Operand, b: Operand): Tensor {
  return compare(greaterEqualOp, a, b);
}

/**
 * a where the condition is not 0, else b, element by element; all three broadcast. The condition is u8, i32 or f32; a
 * number stands for a tensor of that value. The gradient goes to whichever was taken.
 * Throws ERR_SHAPE where the shapes do not fit.
 */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  assertTensor(condition, 'where: condition');
  // A number takes the other operand's type, if an integer type can hold it, so that the result keeps it.
  const constant = (value: number, other: Operand): Tensor => {
    const dtype = typeof other === 'number' ? 'f32' : other.dtype;
    const fits =
      dtype === 'bf16' ||
      (dtype === 'i32' && value === (value | 0)) ||
      (dtype === 'u8' && value === (value & 255));
    return full([], value, fits ? dtype : 'f32');
  };
  const ta = typeof a === 'number' ? constant(a, b) : a;
  const tb = typeof b === 'number' ? constant(b, a) : b;
  assertTensor(ta, 'where: a');
  assertTensor(tb, 'where: b');
  const y = apply(whereOp, [condition, ta, tb], undefined);
  if (ta !== a) ta.dispose();
  if (tb !== b) tb.dispose();
  return y;
}

const table = { equal, notEqual, less, lessEqual, greater, greaterEqual, where } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
