// Elementwise arithmetic of two tensors, or of a tensor and a number, with NumPy's broadcasting and PyTorch's
// derivatives. A number never widens the tensor's dtype unless it does not fit in it (native/ops/binary.h). An op on a
// number is an entry of its own, because its gradient keeps less alive. Comparisons and selection are in compare.ts.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type OpSpec, type Sample, type SampleInput, view } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { equal, greater, greaterEqual, less, lessEqual, where } from './compare.js';
import { log, neg, sigmoid } from './unary.js';

/** An argument of elementwise arithmetic. */
export type Operand = Tensor | number;

interface ScalarAttrs {
  scalar: number;
}

/** The numbers that native/ops/binary.h calls modes. */
const mode = { tensors: 0, scalarRight: 1, scalarLeft: 2 } as const;

/** @internal Shapes that meet every path of broadcasting: same, scalar, trailing, leading, both ways, empty. */
export const broadcastShapes: [number[], number[]][] = [
  [[], []],
  [[5], [5]],
  [[], [2, 3]],
  [
    [3, 17],
    [3, 17],
  ],
  [[4, 3], [3]],
  [
    [4, 3],
    [4, 1],
  ],
  [
    [4, 1],
    [1, 3],
  ],
  [
    [2, 3, 1, 2],
    [4, 1],
  ],
  [
    [2, 1, 3, 1, 2],
    [1, 2, 1, 2, 2],
  ],
  [[0, 3], [3]],
  [[1], [0]],
];

type Range = Omit<SampleInput, 'shape'>;

function tensorSamples(a: Range, b: Range): Sample<void>[] {
  const pair = (shapes: [number[], number[]], more: Range = {}): SampleInput[] => [
    { ...a, ...more, shape: shapes[0] },
    { ...b, ...more, shape: shapes[1] },
  ];
  const large: [number[], number[]][] = [
    [[17001], [17001]],
    [[70, 300], [300]],
    [
      [70, 300],
      [70, 1],
    ],
    [
      [9, 5, 130],
      [9, 1, 130],
    ],
  ];
  const integers: Range = { dtype: 'i32', lo: 0, hi: 5 };
  return [
    ...broadcastShapes.map((shapes) => ({ inputs: pair(shapes), attrs: undefined })),
    ...large.map((shapes) => ({ inputs: pair(shapes), attrs: undefined, gradient: false })),
    { inputs: pair([[3, 5], [5]], integers), attrs: undefined },
    {
      inputs: [
        { ...a, shape: [3, 5] },
        { shape: [3, 1], dtype: 'u8', lo: 1, hi: 4 },
      ],
      attrs: undefined,
    },
  ];
}

function scalarSamples(x: Range, scalars: number[]): Sample<ScalarAttrs>[] {
  return [
    ...scalars.flatMap((scalar) =>
      [[], [7], [3, 19]].map((shape) => ({ inputs: [{ ...x, shape }], attrs: { scalar } })),
    ),
    { inputs: [{ ...x, shape: [0, 2] }], attrs: { scalar: scalars[0] } },
    { inputs: [{ ...x, shape: [17001] }], attrs: { scalar: scalars[0] }, gradient: false },
    { inputs: [{ shape: [2, 9], dtype: 'i32', lo: 1, hi: 4 }], attrs: { scalar: 2 } },
    { inputs: [{ shape: [2, 9], dtype: 'u8', lo: 1, hi: 4 }], attrs: { scalar: 1.5 } },
  ];
}

interface TensorRule {
  left: (gy: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor;
  right: (gy: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor;
  saves: { inputs?: number[]; outputs?: number[] };
  /** Where the samples are drawn from. */
  a?: Range;
  b?: Range;
}

function defineTensors(name: string, { left, right, saves, a = {}, b = {} }: TensorRule): OpSpec<void> {
  return defineOp<void>({
    name,
    run: (inputs) => native(name, inputs, [mode.tensors, 0]),
    vjp: ({ inputs: [p, q], outputs: [y], needs }, gy) => [
      needs[0] ? left(gy, p, q, y) : undefined,
      needs[1] ? right(gy, p, q, y) : undefined,
    ],
    saves,
    samples: () => tensorSamples(a, b),
  });
}

interface ScalarRule {
  vjp: (gy: Tensor, scalar: number, x: Tensor, y: Tensor) => Tensor | undefined;
  saves: { inputs?: number[]; outputs?: number[] };
  x?: Range;
  scalars?: number[];
}

function defineScalar(name: string, op: string, side: 1 | 2, rule: ScalarRule): OpSpec<ScalarAttrs> {
  return defineOp<ScalarAttrs>({
    name,
    run: (inputs, { scalar }) => native(op, inputs, [side, scalar]),
    vjp: ({ inputs: [x], outputs: [y], attrs: { scalar } }, gy) => [rule.vjp(gy, scalar, x, y)],
    saves: rule.saves,
    samples: () => scalarSamples(rule.x ?? {}, rule.scalars ?? [-1.5, 0, 2]),
  });
}

/** 1 where a wins over b, 1/2 where they are equal, else 0. */
function share(wins: Tensor, winsOrTies: Tensor): Tensor {
  return mul(add(wins, winsOrTies), 0.5);
}

const nothing = {};
const away = { avoid: [0] };
const positive = { lo: 0.4, hi: 2 };

const addOp = defineTensors('add', { left: (gy) => gy, right: (gy) => gy, saves: nothing });
const addScalarOp = defineScalar('addScalar', 'add', 1, { vjp: (gy) => gy, saves: nothing });

const subOp = defineTensors('sub', { left: (gy) => gy, right: (gy) => neg(gy), saves: nothing });
const subScalarOp = defineScalar('subScalar', 'sub', 1, { vjp: (gy) => gy, saves: nothing });
const scalarSubOp = defineScalar('scalarSub', 'sub', 2, {
  vjp: (gy) => neg(gy),
  saves: nothing,
  scalars: [9, 5.5],
});

const mulOp = defineTensors('mul', {
  left: (gy, _a, b) => mul(gy, b),
  right: (gy, a) => mul(gy, a),
  saves: { inputs: [0, 1] },
});
const mulScalarOp = defineScalar('mulScalar', 'mul', 1, { vjp: (gy, s) => mul(gy, s), saves: nothing });

const divOp = defineTensors('div', {
  left: (gy, _a, b) => div(gy, b),
  right: (gy, _a, b, y) => neg(div(mul(gy, y), b)),
  saves: { inputs: [1], outputs: [0] },
  b: positive,
});
const divScalarOp = defineScalar('divScalar', 'div', 1, {
  vjp: (gy, s) => div(gy, s),
  saves: nothing,
  scalars: [-1.5, 3],
});
const scalarDivOp = defineScalar('scalarDiv', 'div', 2, {
  vjp: (gy, _s, x, y) => neg(div(mul(gy, y), x)),
  saves: { inputs: [0], outputs: [0] },
  x: positive,
});

const powOp = defineTensors('pow', {
  // b a^(b-1), and 0 for b = 0 whatever a is.
  left: (gy, a, b) => mul(gy, mul(b, pow(a, sub(where(equal(b, 0), 1, b), 1)))),
  // a^b log a, and 0 for a = 0 with b >= 0.
  right: (gy, a, b, y) => mul(gy, mul(y, log(where(mul(equal(a, 0), greaterEqual(b, 0)), 1, a)))),
  saves: { inputs: [0, 1], outputs: [0] },
  a: positive,
});
const powScalarOp = defineScalar('powScalar', 'pow', 1, {
  vjp: (gy, s, x) => {
    if (s === 0) return undefined;
    return s === 2 ? mul(gy, mul(x, 2)) : mul(gy, mul(pow(x, s - 1), s));
  },
  saves: { inputs: [0] },
  x: positive,
  scalars: [2, 0, 1, 3, 4, -1, -2, 0.5, 1.7, 5],
});
const scalarPowOp = defineScalar('scalarPow', 'pow', 2, {
  // 0^x is flat on either side of its step.
  vjp: (gy, s, _x, y) => (s === 0 ? undefined : mul(mul(gy, y), Math.log(s))),
  saves: { outputs: [0] },
  x: positive,
  scalars: [2, 0.7, 0],
});

const maximumOp = defineTensors('maximum', {
  left: (gy, a, b) => mul(gy, share(greater(a, b), greaterEqual(a, b))),
  right: (gy, a, b) => mul(gy, share(less(a, b), lessEqual(a, b))),
  saves: { inputs: [0, 1] },
});
const maximumScalarOp = defineScalar('maximumScalar', 'maximum', 1, {
  vjp: (gy, s, x) => mul(gy, share(greater(x, s), greaterEqual(x, s))),
  saves: { inputs: [0] },
  x: away,
  scalars: [0],
});
const minimumOp = defineTensors('minimum', {
  left: (gy, a, b) => mul(gy, share(less(a, b), lessEqual(a, b))),
  right: (gy, a, b) => mul(gy, share(greater(a, b), greaterEqual(a, b))),
  saves: { inputs: [0, 1] },
});
const minimumScalarOp = defineScalar('minimumScalar', 'minimum', 1, {
  vjp: (gy, s, x) => mul(gy, share(less(x, s), lessEqual(x, s))),
  saves: { inputs: [0] },
  x: away,
  scalars: [0],
});

const clampOp = defineOp<{ low: number; high: number }>({
  name: 'clamp',
  run: ([x], { low, high }) => {
    let y =
      low === Number.NEGATIVE_INFINITY
        ? view(x, x.shape)
        : native('maximum', [x], [mode.scalarRight, low])[0];
    if (high !== Number.POSITIVE_INFINITY) {
      const above = y;
      [y] = native('minimum', [above], [mode.scalarRight, high]);
      above.dispose();
    }
    return [y];
  },
  vjp: ({ inputs: [x], attrs: { low, high } }, gy) => [
    mul(gy, mul(greaterEqual(x, low), lessEqual(x, high))),
  ],
  saves: { inputs: [0] },
  samples: () => [
    ...[[], [7], [0, 3], [3, 19]].map((shape) => ({
      inputs: [{ shape, avoid: [-1, 0.5] }],
      attrs: { low: -1, high: 0.5 },
    })),
    { inputs: [{ shape: [9], avoid: [0] }], attrs: { low: 0, high: Number.POSITIVE_INFINITY } },
    { inputs: [{ shape: [9], avoid: [0] }], attrs: { low: Number.NEGATIVE_INFINITY, high: 0 } },
    { inputs: [{ shape: [9], dtype: 'i32' }], attrs: { low: 0, high: Number.POSITIVE_INFINITY } },
    { inputs: [{ shape: [9], dtype: 'i32' }], attrs: { low: -2, high: 3 } },
  ],
});

// ---- derivatives of activations, first in gy (linear), then in the activation's result or argument ----

function gradSamples<A>(attrs: A, second: Range): Sample<A>[] {
  return [[], [7], [0, 3], [3, 37], [2, 1, 3, 2], [1, 2, 1, 3, 2]]
    .map((shape): Sample<A> => ({ inputs: [{ shape }, { ...second, shape }], attrs }))
    .concat([
      { inputs: [{ shape: [4, 3] }, { ...second, shape: [3] }], attrs },
      { inputs: [{ shape: [17001] }, { ...second, shape: [17001] }], attrs, gradient: false },
    ]);
}

const tanhGradOp = defineOp<void>({
  name: 'tanhGrad',
  run: (inputs) => native('tanhGrad', inputs),
  vjp: ({ inputs: [gy, y], needs }, g) => [
    needs[0] ? tanhGrad(g, y) : undefined,
    needs[1] ? mul(mul(g, gy), mul(y, -2)) : undefined,
  ],
  samples: () => gradSamples(undefined, { lo: -1, hi: 1 }),
});

const sigmoidGradOp = defineOp<void>({
  name: 'sigmoidGrad',
  run: (inputs) => native('sigmoidGrad', inputs),
  vjp: ({ inputs: [gy, y], needs }, g) => [
    needs[0] ? sigmoidGrad(g, y) : undefined,
    needs[1] ? mul(mul(g, gy), sub(1, mul(y, 2))) : undefined,
  ],
  samples: () => gradSamples(undefined, { lo: 0, hi: 1 }),
});

const softplusGradOp = defineOp<void>({
  name: 'softplusGrad',
  run: (inputs) => native('softplusGrad', inputs),
  vjp: ({ inputs: [gy, x], needs }, g) => [
    needs[0] ? softplusGrad(g, x) : undefined,
    needs[1] ? sigmoidGrad(mul(g, gy), sigmoid(x)) : undefined,
  ],
  samples: () => gradSamples(undefined, { lo: -5, hi: 5 }),
});

const reluGradOp = defineOp<void>({
  name: 'reluGrad',
  run: (inputs) => native('reluGrad', inputs),
  vjp: ({ inputs: [, y], needs }, g) => [needs[0] ? reluGrad(g, y) : undefined, undefined],
  saves: { inputs: [1] },
  samples: () => gradSamples(undefined, away),
});

const leakyReluGradOp = defineOp<{ slope: number }>({
  name: 'leakyReluGrad',
  run: (inputs, { slope }) => native('leakyReluGrad', inputs, [slope]),
  vjp: ({ inputs: [, y], attrs: { slope }, needs }, g) => [
    needs[0] ? leakyReluGrad(g, y, slope) : undefined,
    undefined,
  ],
  saves: { inputs: [1] },
  samples: () => gradSamples({ slope: 0.2 }, away),
});

/** @internal gy (1 - y²), y = tanh(x). */
export function tanhGrad(gy: Tensor, y: Tensor): Tensor {
  return apply(tanhGradOp, [gy, y], undefined);
}

/** @internal gy y (1 - y), y = sigmoid(x). */
export function sigmoidGrad(gy: Tensor, y: Tensor): Tensor {
  return apply(sigmoidGradOp, [gy, y], undefined);
}

/** @internal gy sigmoid(x). */
export function softplusGrad(gy: Tensor, x: Tensor): Tensor {
  return apply(softplusGradOp, [gy, x], undefined);
}

/** @internal gy where y > 0, else 0; y is relu's result or argument. */
export function reluGrad(gy: Tensor, y: Tensor): Tensor {
  return apply(reluGradOp, [gy, y], undefined);
}

/** @internal gy where y > 0, else slope gy; y is leakyRelu's result or argument. */
export function leakyReluGrad(gy: Tensor, y: Tensor, slope: number): Tensor {
  return apply(leakyReluGradOp, [gy, y], { slope });
}

// ---- the public functions ----

interface Forms {
  tensors: OpSpec<void>;
  right: OpSpec<ScalarAttrs>;
  /** Absent where the operands may change places. */
  left?: OpSpec<ScalarAttrs>;
}

function arithmetic({ tensors, right, left = right }: Forms, a: Operand, b: Operand): Tensor {
  const name = tensors.name;
  if (typeof b === 'number') {
    assertTensor(a, `${name}: one of the operands`);
    return apply(right, [a], { scalar: b });
  }
  assertTensor(b, `${name}: b`);
  if (typeof a === 'number') return apply(left, [b], { scalar: a });
  assertTensor(a, `${name}: a`);
  return apply(tensors, [a, b], undefined);
}

/** a + b with broadcasting; integers stay integers and wrap around. Throws ERR_SHAPE. */
export function add(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: addOp, right: addScalarOp }, a, b);
}

/** a - b with broadcasting; integers stay integers and wrap around. Throws ERR_SHAPE. */
export function sub(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: subOp, right: subScalarOp, left: scalarSubOp }, a, b);
}

/** a b, element by element, with broadcasting; integers stay integers and wrap around. Throws ERR_SHAPE. */
export function mul(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: mulOp, right: mulScalarOp }, a, b);
}

/** a / b with broadcasting, always f32. Throws ERR_SHAPE. */
export function div(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: divOp, right: divScalarOp, left: scalarDivOp }, a, b);
}

/**
 * aᵇ with broadcasting and the special cases of C's pow: x⁰ = 1 always, a negative base takes whole exponents only
 * (else NaN). On integers a negative exponent truncates. The derivative of x⁰ by x and of 0ᵇ by b is 0.
 * Throws ERR_SHAPE.
 */
export function pow(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: powOp, right: powScalarOp, left: scalarPowOp }, a, b);
}

/**
 * The greater of a and b with broadcasting; NaN if either is. Equal operands share the gradient half and half.
 * Throws ERR_SHAPE.
 */
export function maximum(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: maximumOp, right: maximumScalarOp }, a, b);
}

/**
 * The lesser of a and b with broadcasting; NaN if either is. Equal operands share the gradient half and half.
 * Throws ERR_SHAPE.
 */
export function minimum(a: Operand, b: Operand): Tensor {
  return arithmetic({ tensors: minimumOp, right: minimumScalarOp }, a, b);
}

/**
 * min(max(x, low), high); an infinite bound is none. The derivative is 1 from low to high, both included, else 0.
 * Throws ERR_ARGUMENT unless low <= high.
 */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  assertTensor(x, 'clamp: x');
  if (!(low <= high)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `clamp: low must not exceed high, got ${String(low)} and ${String(high)}`,
    );
  }
  return apply(clampOp, [x], { low, high });
}

const table = { add, sub, mul, div, pow, maximum, minimum, clamp } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
