// Running sums and products along an axis. A product is a recurrence y_i = a_i y_(i-1) + b_i, whose gradient is the
// recurrence from the other end; so it holds at zeros, where dividing by x would not, and to any order.

import { apply, defineOp, native, type OpSpec } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { mul } from './binary.js';
import { axisOf, pad, slice } from './shape.js';
import { cast } from './unary.js';

interface ScanAttrs {
  axis: number;
  reverse: boolean;
}

const encode = ({ axis, reverse }: ScanAttrs): number[] => [axis, Number(reverse)];

const cases: [number[], number][] = [
  [[1], 0],
  [[7], 0],
  [[3, 5], 1],
  [[3, 5], 0],
  [[4, 37], 0],
  [[2, 3, 4], 1],
  [[0, 3], 1],
  [[3, 0], 1],
  [[1, 2, 1, 3, 2], 3],
];

const samples = (inputs: 1 | 2) =>
  [false, true].flatMap((reverse) => [
    ...cases.map(([shape, axis]) => ({
      inputs: Array.from({ length: inputs }, () => ({ shape, lo: -1, hi: 1.2 })),
      attrs: { axis, reverse },
    })),
    {
      inputs: Array.from({ length: inputs }, () => ({ shape: [3, 90, 70], lo: -1, hi: 1 })),
      attrs: { axis: 1, reverse },
      gradient: false,
    },
  ]);

const cumsumOp: OpSpec<ScanAttrs> = defineOp<ScanAttrs>({
  name: 'cumsum',
  run: (inputs, attrs) => native('cumsum', inputs, encode(attrs)),
  vjp: ({ attrs: { axis, reverse } }, gy) => [apply(cumsumOp, [gy], { axis, reverse: !reverse })],
  saves: {},
  samples: () => [
    ...samples(1),
    { inputs: [{ shape: [4, 9], dtype: 'i32' as const }], attrs: { axis: 1, reverse: false } },
  ],
});

/** x moved by one place along the axis, later elements to the front or the other way; a zero moves in. */
function shift(x: Tensor, axis: number, forwards: boolean): Tensor {
  const n = x.shape[axis];
  if (n === 0) return x;
  const begin = x.shape.map((_, i) => (i === axis && !forwards ? 1 : 0));
  const size = x.shape.map((d, i) => (i === axis ? n - 1 : d));
  const border = x.shape.map((_, i): [number, number] => (i !== axis ? [0, 0] : forwards ? [1, 0] : [0, 1]));
  return pad(slice(x, begin, size), border);
}

const recurrenceOp: OpSpec<ScanAttrs> = defineOp<ScanAttrs>({
  name: 'recurrence',
  run: (inputs, attrs) => native('recurrence', inputs, encode(attrs)),
  vjp: ({ inputs: [a], outputs: [y], attrs: { axis, reverse }, needs }, gy) => {
    const gb = apply(recurrenceOp, [shift(a, axis, reverse), gy], { axis, reverse: !reverse });
    return [needs[0] ? mul(gb, shift(y, axis, !reverse)) : undefined, gb];
  },
  saves: { inputs: [0], outputs: [0] },
  samples: () => samples(2),
});

/**
 * The running sum along an axis, y_i = x_0 + … + x_i. f32 and bf16 keep their dtype and are summed in f64, i32 stays
 * i32 and wraps around, u8 gives i32. Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function cumsum(x: Tensor, axis: number): Tensor {
  assertTensor(x, 'cumsum: x');
  const attrs = { axis: axisOf('cumsum', axis, x.rank), reverse: false };
  return scope(() => apply(cumsumOp, [x.dtype === 'u8' ? cast(x, 'i32') : x], attrs));
}

/**
 * The running product along an axis, y_i = x_0 ⋯ x_i, f32 or bf16 (integers become f32). The gradient is right where
 * elements are zero. Throws ERR_ARGUMENT for an axis that does not exist.
 */
export function cumprod(x: Tensor, axis: number): Tensor {
  assertTensor(x, 'cumprod: x');
  const at = axisOf('cumprod', axis, x.rank);
  return scope(() => {
    const f = x.dtype === 'i32' || x.dtype === 'u8' ? cast(x, 'f32') : x;
    const n = x.shape[at];
    if (n === 0) return cast(f, f.dtype);
    const first = slice(
      f,
      x.shape.map(() => 0),
      x.shape.map((d, i) => (i === at ? 1 : d)),
    );
    const start = pad(
      first,
      x.shape.map((_, i) => (i === at ? [0, n - 1] : [0, 0])),
    );
    return apply(recurrenceOp, [f, start], { axis: at, reverse: false });
  });
}

const table = { cumsum, cumprod } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
