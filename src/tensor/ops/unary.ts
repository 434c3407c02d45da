// Elementwise functions of one tensor. Those that keep the dtype take f32, i32 and u8; the others give f32 and convert
// integers first (native/ops/unary.h). Derivatives at kinks are PyTorch's: 0 at 0 for abs and relu.

import { GanvasError } from '../../errors.js';
import { dtypes } from '../../native.js';
import { apply, defineOp, native, type OpSpec, type Sample, view } from '../define.js';
import { assertDType, assertTensor, type DType, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  add,
  div,
  leakyReluGrad,
  mul,
  pow,
  reluGrad,
  sigmoidGrad,
  softplusGrad,
  tanhGrad,
} from './binary.js';

interface UnaryRule {
  /** The cotangent of x. `t` is x or y, whichever `from` names. */
  vjp: (gy: Tensor, t: Tensor) => Tensor | undefined;
  /** What vjp reads: the input, the output, or nothing. */
  from?: 'x' | 'y';
  /** Where the samples are drawn from, and where the function has kinks. */
  lo?: number;
  hi?: number;
  avoid?: number[];
  /** Samples with integers, where the definition holds for them as it stands. */
  integers?: DType[];
}

const sampleShapes = [[], [1], [7], [0, 3], [3, 37], [2, 1, 3, 2], [1, 2, 1, 3, 2]];

function samplesOf<A>(
  attrs: A,
  { lo, hi, avoid, integers = ['i32', 'u8'] }: Partial<UnaryRule>,
): Sample<A>[] {
  return [
    ...sampleShapes.map((shape) => ({ inputs: [{ shape, lo, hi, avoid }], attrs })),
    ...integers.map((dtype) => ({ inputs: [{ shape: [2, 19], dtype }], attrs })),
    { inputs: [{ shape: [17001], lo, hi }], attrs, gradient: false },
  ];
}

function defineUnary(name: string, rule: UnaryRule): OpSpec<void> {
  return defineOp<void>({
    name,
    run: (inputs) => native(name, inputs),
    vjp: ({ inputs, outputs }, gy) => [rule.vjp(gy, rule.from === 'y' ? outputs[0] : inputs[0])],
    saves: { inputs: rule.from === 'x' ? [0] : [], outputs: rule.from === 'y' ? [0] : [] },
    samples: () => samplesOf(undefined, rule),
  });
}

const positive = { lo: 0.3, hi: 3, integers: ['i32' as const, 'u8' as const] };
const constant = (): undefined => undefined;

const negOp = defineUnary('neg', { vjp: (gy) => neg(gy), integers: ['i32'] });
const absOp = defineUnary('abs', { vjp: (gy, x) => mul(gy, sign(x)), from: 'x', avoid: [0] });
const signOp = defineUnary('sign', { vjp: constant, avoid: [0] });
const floorOp = defineUnary('floor', { vjp: constant, avoid: [-2, -1, 0, 1, 2] });
const ceilOp = defineUnary('ceil', { vjp: constant, avoid: [-2, -1, 0, 1, 2] });
const roundOp = defineUnary('round', { vjp: constant, avoid: [-1.5, -0.5, 0.5, 1.5] });
const expOp = defineUnary('exp', { vjp: (gy, y) => mul(gy, y), from: 'y' });
const expm1Op = defineUnary('expm1', { vjp: (gy, y) => mul(gy, add(y, 1)), from: 'y' });
const logOp = defineUnary('log', { vjp: (gy, x) => div(gy, x), from: 'x', ...positive });
const log1pOp = defineUnary('log1p', { vjp: (gy, x) => div(gy, add(x, 1)), from: 'x', lo: -0.7, hi: 3 });
const sqrtOp = defineUnary('sqrt', { vjp: (gy, y) => div(gy, mul(y, 2)), from: 'y', ...positive });
const rsqrtOp = defineUnary('rsqrt', {
  vjp: (gy, y) => mul(mul(gy, -0.5), pow(y, 3)),
  from: 'y',
  ...positive,
});
const squareOp = defineUnary('square', { vjp: (gy, x) => mul(gy, mul(x, 2)), from: 'x' });
const reciprocalOp = defineUnary('reciprocal', {
  vjp: (gy, y) => neg(mul(gy, square(y))),
  from: 'y',
  ...positive,
});
const sinOp = defineUnary('sin', { vjp: (gy, x) => mul(gy, cos(x)), from: 'x', lo: -7, hi: 7 });
const cosOp = defineUnary('cos', { vjp: (gy, x) => neg(mul(gy, sin(x))), from: 'x', lo: -7, hi: 7 });
const tanhOp = defineUnary('tanh', { vjp: (gy, y) => tanhGrad(gy, y), from: 'y' });
const sigmoidOp = defineUnary('sigmoid', { vjp: (gy, y) => sigmoidGrad(gy, y), from: 'y', lo: -5, hi: 5 });
const softplusOp = defineUnary('softplus', { vjp: (gy, x) => softplusGrad(gy, x), from: 'x', lo: -5, hi: 5 });
const reluOp = defineUnary('relu', { vjp: (gy, y) => reluGrad(gy, y), from: 'y', avoid: [0] });

const leakyReluOp = defineOp<{ slope: number }>({
  name: 'leakyRelu',
  run: (inputs, { slope }) => native('leakyRelu', inputs, [slope]),
  // The result has the argument's sign as slope >= 0, so the argument need not be kept.
  vjp: ({ outputs: [y], attrs: { slope } }, gy) => [leakyReluGrad(gy, y, slope)],
  saves: { outputs: [0] },
  samples: () => [...samplesOf({ slope: 0.2 }, { avoid: [0] }), ...samplesOf({ slope: 0 }, { avoid: [0] })],
});

const castOp = defineOp<{ dtype: DType }>({
  name: 'cast',
  run: ([x], { dtype }) =>
    x.dtype === dtype ? [view(x, x.shape)] : native('cast', [x], [dtypes.indexOf(dtype)]),
  vjp: ({ inputs: [x] }, gy) => [cast(gy, x.dtype)],
  saves: {},
  samples: () => {
    const wide = [0, 0.5, 1.5, -0.5, -1.9, 254.6, 255, 256, 300, 1e10, -1e10];
    const from = (dtype: DType) => ({ shape: [3, 7], dtype });
    return [
      { inputs: [from('f32')], attrs: { dtype: 'f32' } },
      { inputs: [from('f32')], attrs: { dtype: 'bf16' }, gradient: false },
      { inputs: [from('bf16')], attrs: { dtype: 'f32' } },
      { inputs: [from('bf16')], attrs: { dtype: 'i32' } },
      { inputs: [{ shape: [11], values: wide }], attrs: { dtype: 'i32' } },
      { inputs: [{ shape: [11], values: wide }], attrs: { dtype: 'u8' } },
      { inputs: [from('i32')], attrs: { dtype: 'f32' } },
      { inputs: [from('i32')], attrs: { dtype: 'u8' } },
      { inputs: [from('u8')], attrs: { dtype: 'i32' } },
      { inputs: [from('u8')], attrs: { dtype: 'f32' } },
      { inputs: [{ shape: [] }], attrs: { dtype: 'i32' } },
      { inputs: [{ shape: [0, 2] }], attrs: { dtype: 'u8' } },
      { inputs: [{ shape: [17001], lo: 0, hi: 255 }], attrs: { dtype: 'u8' } },
    ];
  },
});

function applyUnary(op: OpSpec<void>, x: Tensor): Tensor {
  assertTensor(x, `${op.name}: x`);
  return apply(op, [x], undefined);
}

/** -x. Keeps the dtype; u8 wraps around. */
export function neg(x: Tensor): Tensor {
  return applyUnary(negOp, x);
}

/** |x|. Keeps the dtype. */
export function abs(x: Tensor): Tensor {
  return applyUnary(absOp, x);
}

/** -1, 0 or 1 by the sign of x; NaN stays. Keeps the dtype; the gradient is 0. */
export function sign(x: Tensor): Tensor {
  return applyUnary(signOp, x);
}

/** The largest whole number <= x. Keeps the dtype; the gradient is 0. */
export function floor(x: Tensor): Tensor {
  return applyUnary(floorOp, x);
}

/** The smallest whole number >= x. Keeps the dtype; the gradient is 0. */
export function ceil(x: Tensor): Tensor {
  return applyUnary(ceilOp, x);
}

/** The nearest whole number, halves to even (2.5 -> 2). Keeps the dtype; the gradient is 0. */
export function round(x: Tensor): Tensor {
  return applyUnary(roundOp, x);
}

/** eˣ, f32. */
export function exp(x: Tensor): Tensor {
  return applyUnary(expOp, x);
}

/** eˣ - 1, accurate near 0, f32. */
export function expm1(x: Tensor): Tensor {
  return applyUnary(expm1Op, x);
}

/** The natural logarithm, f32: -Infinity at 0, NaN below. */
export function log(x: Tensor): Tensor {
  return applyUnary(logOp, x);
}

/** log(1 + x), accurate near 0, f32. */
export function log1p(x: Tensor): Tensor {
  return applyUnary(log1pOp, x);
}

/** √x, f32. The gradient at 0 is infinite: add a small number inside a norm. */
export function sqrt(x: Tensor): Tensor {
  return applyUnary(sqrtOp, x);
}

/** 1 / √x, f32. */
export function rsqrt(x: Tensor): Tensor {
  return applyUnary(rsqrtOp, x);
}

/** x². Keeps the dtype. */
export function square(x: Tensor): Tensor {
  return applyUnary(squareOp, x);
}

/** 1 / x, f32. */
export function reciprocal(x: Tensor): Tensor {
  return applyUnary(reciprocalOp, x);
}

/** sin x, x in radians, f32. */
export function sin(x: Tensor): Tensor {
  return applyUnary(sinOp, x);
}

/** cos x, x in radians, f32. */
export function cos(x: Tensor): Tensor {
  return applyUnary(cosOp, x);
}

/** The hyperbolic tangent, f32. */
export function tanh(x: Tensor): Tensor {
  return applyUnary(tanhOp, x);
}

/** 1 / (1 + e⁻ˣ), f32. Losses take logits instead: softplus does not saturate. */
export function sigmoid(x: Tensor): Tensor {
  return applyUnary(sigmoidOp, x);
}

/** log(1 + eˣ) without overflow, f32. */
export function softplus(x: Tensor): Tensor {
  return applyUnary(softplusOp, x);
}

/** max(x, 0). Keeps the dtype; the derivative at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return applyUnary(reluOp, x);
}

/**
 * x where x > 0, else slope x; f32. The derivative at 0 is `slope`.
 * Throws ERR_ARGUMENT unless slope is finite and >= 0.
 */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  assertTensor(x, 'leakyRelu: x');
  if (!(slope >= 0 && Number.isFinite(slope))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `leakyRelu: slope must be finite and at least 0, got ${String(slope)}`,
    );
  }
  return apply(leakyReluOp, [x], { slope });
}

/**
 * x with another dtype. Towards i32 and u8 fractions are cut off, values out of range become the nearest bound and NaN
 * becomes 0; towards bf16 values are rounded to nearest even. Gradients pass between f32 and bf16 only.
 * Throws ERR_DTYPE for an unknown dtype.
 */
export function cast(x: Tensor, dtype: DType): Tensor {
  assertTensor(x, 'cast: x');
  assertDType(dtype, 'cast');
  return apply(castOp, [x], { dtype });
}

const table = {
  neg,
  abs,
  sign,
  floor,
  ceil,
  round,
  exp,
  expm1,
  log,
  log1p,
  sqrt,
  rsqrt,
  square,
  reciprocal,
  sin,
  cos,
  tanh,
  sigmoid,
  softplus,
  relu,
  leakyRelu,
  cast,
} as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
