// Activations that are ops of their own, f32 or bf16: GELU, SiLU, ELU and its kin, PReLU, GLU, and erf. Each fused
// gradient is an op whose own derivative is written in public ops, so that any order can be taken.

import { GanvasError } from '../../errors.js';
import { apply, defineFused, defineOp, native, type OpSpec, type Sample } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { add, clamp, mul, sub } from './binary.js';
import { lessEqual } from './compare.js';
import { split } from './concat.js';
import { axisOf } from './shape.js';
import { cast, exp, neg, relu, sigmoid, softplus, square, tanh } from './unary.js';

const rootTwoOverPi = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

const shapes = [[], [1], [7], [0, 3], [3, 37], [2, 1, 3, 2], [1, 2, 1, 3, 2]];

function samples<A>(attrs: A, inputs: 1 | 2, avoid: number[] = []): Sample<A>[] {
  const of = (shape: number[], more: object = {}) => ({
    inputs: [...Array.from({ length: inputs - 1 }, () => ({ shape })), { shape, avoid, ...more }],
    attrs,
  });
  return [
    ...shapes.map((shape) => of(shape)),
    of([3, 19], { lo: -6, hi: 6 }),
    { ...of([17001], { lo: -9, hi: 9 }), gradient: false },
  ];
}

const erfOp = defineOp<void>({
  name: 'erf',
  run: (inputs) => native('erf', inputs),
  vjp: ({ inputs: [x] }, gy) => [mul(gy, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)))],
  samples: () => samples(undefined, 1),
});

const geluOp = defineOp<{ tanh: boolean }>({
  name: 'gelu',
  run: (inputs, attrs) => native('gelu', inputs, [Number(attrs.tanh)]),
  vjp: ({ inputs: [x], attrs }, gy) => [apply(geluGradOp, [gy, x], attrs)],
  samples: () => [...samples({ tanh: false }, 1), ...samples({ tanh: true }, 1)],
});

/** x ↦ d²gelu(x)/dx². */
function geluCurvature(x: Tensor, approximate: boolean): Tensor {
  const q = square(x);
  if (!approximate) {
    // φ(x) (2 - x²)
    return mul(mul(exp(mul(q, -0.5)), 1 / Math.sqrt(2 * Math.PI)), sub(2, q));
  }
  // With t = tanh u: (1 - t²) (u' - x t u'² + x u''/2).
  const t = tanh(mul(mul(x, rootTwoOverPi), add(mul(q, cubic), 1)));
  const rise = mul(add(mul(q, 3 * cubic), 1), rootTwoOverPi);
  const bend = mul(q, 3 * cubic * rootTwoOverPi); // x u'' / 2
  return mul(sub(1, square(t)), add(sub(rise, mul(mul(x, t), square(rise))), bend));
}

const geluGradOp: OpSpec<{ tanh: boolean }> = defineOp<{ tanh: boolean }>({
  name: 'geluGrad',
  run: (inputs, attrs) => native('geluGrad', inputs, [Number(attrs.tanh)]),
  vjp: ({ inputs: [gy, x], attrs, needs }, g) => [
    needs[0] ? apply(geluGradOp, [g, x], attrs) : undefined,
    needs[1] ? mul(mul(g, gy), geluCurvature(x, attrs.tanh)) : undefined,
  ],
  samples: () => [...samples({ tanh: false }, 2), ...samples({ tanh: true }, 2)],
});

const siluOp = defineOp<void>({
  name: 'silu',
  run: (inputs) => native('silu', inputs),
  vjp: ({ inputs: [x] }, gy) => [apply(siluGradOp, [gy, x], undefined)],
  samples: () => samples(undefined, 1),
});

const siluGradOp: OpSpec<void> = defineOp<void>({
  name: 'siluGrad',
  run: (inputs) => native('siluGrad', inputs),
  vjp: ({ inputs: [gy, x], needs }, g) => {
    if (!needs[1]) return [apply(siluGradOp, [g, x], undefined), undefined];
    // σ (1 - σ) (2 + x (1 - 2σ))
    const s = sigmoid(x);
    const curvature = mul(mul(s, sub(1, s)), add(mul(x, sub(1, mul(s, 2))), 2));
    return [needs[0] ? apply(siluGradOp, [g, x], undefined) : undefined, mul(mul(g, gy), curvature)];
  },
  samples: () => samples(undefined, 2),
});

interface EluAttrs {
  alpha: number;
  scale: number;
  inner: number;
}

const eluSamples = (inputs: 1 | 2) => [
  ...samples({ alpha: 1, scale: 1, inner: 1 }, inputs, [0]),
  ...samples({ alpha: 1.5, scale: 0.7, inner: 0.5 }, inputs, [0]),
];

const eluOp = defineOp<EluAttrs>({
  name: 'elu',
  run: (inputs, { alpha, scale, inner }) => native('elu', inputs, [alpha, scale, inner]),
  vjp: ({ inputs: [x], attrs }, gy) => [apply(eluGradOp, [gy, x], attrs)],
  samples: () => eluSamples(1),
});

const eluGradOp: OpSpec<EluAttrs> = defineOp<EluAttrs>({
  name: 'eluGrad',
  run: (inputs, { alpha, scale, inner }) => native('eluGrad', inputs, [alpha, scale, inner]),
  vjp: ({ inputs: [gy, x], attrs, needs }, g) => [
    needs[0] ? apply(eluGradOp, [g, x], attrs) : undefined,
    // Below zero the derivative is an exponential: its own derivative but for the inner factor.
    needs[1] ? mul(apply(eluGradOp, [mul(g, gy), x], attrs), mul(lessEqual(x, 0), attrs.inner)) : undefined,
  ],
  samples: () => eluSamples(2),
});

const preluShapes: [number[], number][] = [
  [[7], 7],
  [[3], 1],
  [[4, 1], 1],
  [[0, 3], 3],
  [[3, 37], 37],
  [[2, 3, 3, 5], 5],
  [[2, 3, 5], 1],
  [[1, 2, 1, 3, 2], 2],
];

const preluOp = defineOp<void>({
  name: 'prelu',
  run: (inputs) => native('prelu', inputs),
  vjp: ({ inputs: [x, a], needs }, gy) => [
    needs[0] ? preluGrad(gy, x, a) : undefined,
    // In the slopes' own type: their gradient is a sum over everything else.
    needs[1] ? neg(mul(cast(gy, a.dtype), cast(relu(neg(x)), a.dtype))) : undefined,
  ],
  samples: () => [
    ...preluShapes.map(([shape, c]) => ({
      inputs: [{ shape, avoid: [0] }, { shape: [c] }],
      attrs: undefined,
    })),
    { inputs: [{ shape: [700, 25] }, { shape: [25] }], attrs: undefined, gradient: false },
  ],
});

const preluGradOp = defineOp<void>({
  name: 'preluGrad',
  run: (inputs) => native('preluGrad', inputs),
  vjp: ({ inputs: [gy, x, a], needs }, g) => [
    needs[0] ? preluGrad(g, x, a) : undefined,
    undefined,
    needs[2] ? mul(cast(mul(g, gy), a.dtype), lessEqual(x, 0)) : undefined,
  ],
  samples: () =>
    preluShapes.map(([shape, c]) => ({
      inputs: [{ shape }, { shape, avoid: [0] }, { shape: [c] }],
      attrs: undefined,
    })),
});

function preluGrad(gy: Tensor, x: Tensor, a: Tensor): Tensor {
  return apply(preluGradOp, [gy, x, a], undefined);
}

const gluOp = defineFused<{ axis: number }>({
  name: 'glu',
  run: (inputs, { axis }) => native('glu', inputs, [axis]),
  vjp: ({ inputs: [x], attrs: { axis } }, gy) => native('gluGrad', [gy, x], [axis]),
  fallback: ([x], { axis }) => {
    const [u, v] = split(x, 2, axis);
    return mul(u, sigmoid(v));
  },
  samples: () => [
    { inputs: [{ shape: [2] }], attrs: { axis: 0 } },
    { inputs: [{ shape: [3, 74] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [4, 3] }], attrs: { axis: 0 } },
    { inputs: [{ shape: [2, 3, 4, 5] }], attrs: { axis: 2 } },
    { inputs: [{ shape: [0, 4] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [3, 0] }], attrs: { axis: 1 } },
    { inputs: [{ shape: [2, 34000] }], attrs: { axis: 1 }, gradient: false },
  ],
});

/** The error function 2/√π ∫₀ˣ exp(-t²) dt. Throws ERR_DTYPE unless x is f32 or bf16. */
export function erf(x: Tensor): Tensor {
  assertTensor(x, 'erf: x');
  return apply(erfOp, [x], undefined);
}

export interface GeluOptions {
  /**
   * 'none' (default): x Φ(x), Φ the normal distribution function. 'tanh': x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))),
   * within 5e-4 of it and what several published models were trained with.
   */
  approximate?: 'none' | 'tanh';
}

/**
 * The Gaussian error linear unit (Hendrycks and Gimpel 2016), element by element.
 * Throws ERR_ARGUMENT for another approximation, ERR_DTYPE unless x is f32 or bf16.
 */
export function gelu(x: Tensor, { approximate = 'none' }: GeluOptions = {}): Tensor {
  assertTensor(x, 'gelu: x');
  if (approximate !== 'none' && approximate !== 'tanh') {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `gelu: approximate must be 'none' or 'tanh', got ${String(approximate)}`,
    );
  }
  return apply(geluOp, [x], { tanh: approximate === 'tanh' });
}

/** x σ(x), also called swish (Elfwing et al. 2018). Throws ERR_DTYPE unless x is f32 or bf16. */
export function silu(x: Tensor): Tensor {
  assertTensor(x, 'silu: x');
  return apply(siluOp, [x], undefined);
}

/**
 * x where x > 0, else alpha (eˣ - 1) (Clevert et al. 2016). The derivative at 0 is alpha.
 * Throws ERR_ARGUMENT unless alpha is finite, ERR_DTYPE unless x is f32 or bf16.
 */
export function elu(x: Tensor, alpha = 1): Tensor {
  assertTensor(x, 'elu: x');
  return apply(eluOp, [x], { alpha, scale: 1, inner: 1 });
}

// Klambauer et al. 2017, the fixed point of mean 0 and variance 1.
const seluAttrs: EluAttrs = { alpha: 1.6732632423543772, scale: 1.0507009873554805, inner: 1 };

/** 1.0507 elu(x, 1.6733), which keeps mean 0 and variance 1 (Klambauer et al. 2017). Throws ERR_DTYPE unless float. */
export function selu(x: Tensor): Tensor {
  assertTensor(x, 'selu: x');
  return apply(eluOp, [x], seluAttrs);
}

/**
 * x where x > 0, else alpha (e^(x/alpha) - 1): ELU with a derivative without a jump (Barron 2017).
 * Throws ERR_ARGUMENT for an alpha of 0 or one that is not finite, ERR_DTYPE unless x is f32 or bf16.
 */
export function celu(x: Tensor, alpha = 1): Tensor {
  assertTensor(x, 'celu: x');
  return apply(eluOp, [x], { alpha, scale: 1, inner: 1 / alpha });
}

/** x tanh(log(1 + eˣ)) (Misra 2019). */
export function mish(x: Tensor): Tensor {
  return scope(() => mul(x, tanh(softplus(x))));
}

/** log σ(x) = -log(1 + e⁻ˣ), without overflow. */
export function logSigmoid(x: Tensor): Tensor {
  return scope(() => neg(softplus(neg(x))));
}

/** min(max(x, low), high), from -1 to 1 by default: clamp under the name of the layer. */
export function hardtanh(x: Tensor, low = -1, high = 1): Tensor {
  return clamp(x, low, high);
}

/**
 * x where x > 0, else a x, with learned slopes (He et al. 2015). x [..., C], a [C] or [1], f32. The derivative by x at
 * 0 is a. Throws ERR_SHAPE if a does not fit, ERR_DTYPE unless x is f32 or bf16.
 */
export function prelu(x: Tensor, a: Tensor): Tensor {
  assertTensor(x, 'prelu: x');
  assertTensor(a, 'prelu: a');
  return apply(preluOp, [x, a], undefined);
}

/**
 * The gated linear unit u σ(v), u and v the two halves of x along the axis (Dauphin et al. 2017): [..., 2n] → [..., n].
 * Throws ERR_SHAPE for an odd size, ERR_ARGUMENT for an axis that does not exist, ERR_DTYPE unless x is f32 or bf16.
 */
export function glu(x: Tensor, axis = -1): Tensor {
  assertTensor(x, 'glu: x');
  return apply(gluOp, [x], { axis: axisOf('glu', axis, x.rank) });
}

const table = { erf, gelu, silu, elu, selu, celu, mish, logSigmoid, hardtanh, prelu, glu } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
