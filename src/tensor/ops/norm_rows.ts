// Normalisation over the last dimensions, one row at a time: layer norm with scale, shift and activation, and pixel norm.
// Fused like the norms by channel (norm.ts), whose options they share.

import { apply, defineFused, native, type Sample } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { type Activation, type ActivationAttrs, activate, activations, encodeActivation } from './bias.js';
import { add, mul } from './binary.js';
import { assertEps, checked, type NormOptions, normalise } from './norm.js';
import { mean } from './reduce.js';
import { reshape } from './shape.js';
import { rsqrt, square } from './unary.js';

interface RowNormAttrs extends ActivationAttrs {
  /** How many trailing dimensions are normalised over. */
  dims: number;
  eps: number;
}

const encodeRow = (a: RowNormAttrs) => [a.dims, a.eps, ...encodeActivation(a)];

const rowNormOp = defineFused<RowNormAttrs>({
  name: 'rowNorm',
  run: (inputs, attrs) => native('rowNorm', inputs, encodeRow(attrs)),
  vjp: ({ inputs: [x, gamma, beta], outputs: [, m, rstd], attrs }, gy) =>
    native('rowNormGrad', [gy, x, gamma, beta, m, rstd], encodeRow(attrs)),
  saves: { inputs: [0, 1, 2], outputs: [1, 2] },
  fallback: ([x, gamma, beta], attrs) => {
    const rows = x.shape.slice(0, x.rank - attrs.dims).reduce((n, d) => n * d, 1);
    const columns = gamma.size;
    const normalised = normalise(reshape(x, [1, rows, columns]), [2], attrs.eps);
    const scaled = add(mul(normalised, reshape(gamma, [columns])), reshape(beta, [columns]));
    return reshape(activate(scaled, attrs), x.shape);
  },
  samples: () => {
    const of = (
      shape: number[],
      dims: number,
      activation: Activation,
      more: object = {},
    ): Sample<RowNormAttrs> => {
      const last = shape.slice(shape.length - dims);
      return {
        inputs: [{ shape }, { shape: last, lo: 0.5, hi: 1.5 }, { shape: last }],
        attrs: { dims, eps: 1e-3, activation, slope: 0.2 },
        ...more,
      };
    };
    return [
      ...activations.map((activation) => of([3, 7], 1, activation)),
      of([2, 2, 3, 2], 3, 'leakyRelu'),
      of([6], 1, 'tanh'),
      of([3, 2, 1], 1, 'none'),
      of([2, 17], 1, 'relu'),
      of([0, 3], 1, 'none'),
      of([3, 0], 1, 'relu'),
      of([5, 33], 1, 'sigmoid', { gradient: false }),
      of([3, 5000], 1, 'leakyRelu', { gradient: false }),
      of([700, 10], 1, 'tanh', { gradient: false }),
    ];
  },
});

const pixelNormOp = defineFused<{ eps: number }>({
  name: 'pixelNorm',
  run: (inputs, { eps }) => native('pixelNorm', inputs, [eps]),
  vjp: ({ inputs: [x], outputs: [, rstd] }, gy) => native('pixelNormGrad', [gy, x, rstd]),
  saves: { inputs: [0], outputs: [1] },
  fallback: ([x], { eps }) => mul(x, rsqrt(add(mean(square(x), -1, true), eps))),
  samples: () => [
    { inputs: [{ shape: [2, 3, 3, 4] }], attrs: { eps: 1e-3 } },
    { inputs: [{ shape: [5] }], attrs: { eps: 1e-8 } },
    { inputs: [{ shape: [3, 1] }], attrs: { eps: 1 } },
    { inputs: [{ shape: [2, 17] }], attrs: { eps: 1e-3 } },
    { inputs: [{ shape: [0, 3] }], attrs: { eps: 1e-3 } },
    { inputs: [{ shape: [2, 0] }], attrs: { eps: 1e-3 } },
    { inputs: [{ shape: [70, 300] }], attrs: { eps: 1e-3 }, gradient: false },
    { inputs: [{ shape: [2, 5000] }], attrs: { eps: 1e-3 }, gradient: false },
  ],
});

/**
 * Layer normalisation (Ba et al. 2016), then an activation: y = act(gamma (x − mean) / √(variance + eps) + beta), mean
 * and biased variance of each sample over its last dimensions, as many as gamma has.
 *
 * x [..., D...], gamma and beta [D...] → x's shape. Throws ERR_SHAPE unless gamma and beta have the last dimensions of
 * x, ERR_ARGUMENT for impossible options.
 */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: NormOptions = {}): Tensor {
  return apply(rowNormOp, [x, gamma, beta], {
    dims: gamma.rank,
    ...checked('layerNorm', x, gamma, beta, options),
  });
}

/**
 * Pixel normalisation (Karras et al. 2018, PGGAN, section 4.2): y = x / √(mean over channels of x² + eps).
 * x [..., C] → x's shape, eps at least 0 (default 1e-8). Throws ERR_SHAPE for a scalar.
 */
export function pixelNorm(x: Tensor, { eps = 1e-8 }: { eps?: number } = {}): Tensor {
  assertTensor(x, 'pixelNorm: x');
  assertEps('pixelNorm', eps);
  return apply(pixelNormOp, [x], { eps });
}

const table = { layerNorm, pixelNorm } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
