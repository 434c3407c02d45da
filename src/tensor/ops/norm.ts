// Normalisation, scale, shift and activation in one op: batch, instance and layer norm, and batch norm with given
// statistics. The gradient is fused as well; gradients of the gradient go through the same formula in single ops.

import { GanvasError } from '../../errors.js';
import { apply, applyAll, defineFused, native, type Sample } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  type Activation,
  type ActivationAttrs,
  activate,
  activationAttrs,
  activations,
  encodeActivation,
} from './bias.js';
import { add, mul, sub } from './binary.js';
import { mean } from './reduce.js';
import { reshape } from './shape.js';
import { reciprocal, relu, rsqrt, square } from './unary.js';

interface ChannelNormAttrs extends ActivationAttrs {
  /** Groups of images that share statistics: 1 for batch norm, N for instance norm. */
  batch: number;
  eps: number;
}

interface RowNormAttrs extends ActivationAttrs {
  /** How many trailing dimensions are normalised over. */
  dims: number;
  eps: number;
}

const encodeChannel = (a: ChannelNormAttrs) => [a.batch, a.eps, ...encodeActivation(a)];
const encodeRow = (a: RowNormAttrs) => [a.dims, a.eps, ...encodeActivation(a)];

/** (x - mean) / sqrt(variance + eps) over dimension `axis` of a three-dimensional x. */
function normalise(x: Tensor, axis: number, eps: number): Tensor {
  const one = x.shape.map((n, i) => (i === axis ? 1 : n));
  const centred = sub(x, reshape(mean(x, axis), one));
  return mul(centred, rsqrt(add(reshape(mean(square(centred), axis), one), eps)));
}

const channelNormOp = defineFused<ChannelNormAttrs>({
  name: 'channelNorm',
  run: (inputs, attrs) => native('channelNorm', inputs, encodeChannel(attrs)),
  vjp: ({ inputs: [x, gamma, beta], outputs: [, m, rstd], attrs }, gy) =>
    native('channelNormGrad', [gy, x, gamma, beta, m, rstd], encodeChannel(attrs)),
  saves: { inputs: [0, 1, 2], outputs: [1, 2] },
  fallback: ([x, gamma, beta], attrs) => {
    const channels = x.shape[x.rank - 1];
    const rows = attrs.batch * channels === 0 ? 0 : x.size / (attrs.batch * channels);
    const normalised = normalise(reshape(x, [attrs.batch, rows, channels]), 1, attrs.eps);
    return reshape(activate(add(mul(normalised, gamma), beta), attrs), x.shape);
  },
  samples: () => {
    const of = (
      shape: number[],
      batch: number,
      activation: Activation,
      more: object = {},
    ): Sample<ChannelNormAttrs> => ({
      inputs: [{ shape }, { shape: shape.slice(-1), lo: 0.5, hi: 1.5 }, { shape: shape.slice(-1) }],
      attrs: { batch, eps: 1e-3, activation, slope: 0.2 },
      ...more,
    });
    return [
      ...activations.map((activation) => of([3, 2, 2, 3], 1, activation)),
      ...activations.map((activation) => of([2, 3, 3, 2], 2, activation)),
      of([9, 1], 1, 'none'),
      of([1, 5], 1, 'tanh'),
      of([7, 1, 17], 1, 'leakyRelu'),
      of([0, 3], 1, 'relu'),
      of([2, 0, 3], 2, 'relu'),
      of([4, 0], 1, 'none'),
      of([2, 9, 7, 3], 1, 'relu', { gradient: false }),
      of([3, 5, 5, 70], 3, 'sigmoid', { gradient: false }),
      of([150, 1100], 1, 'leakyRelu', { gradient: false }),
    ];
  },
});

const rowNormOp = defineFused<RowNormAttrs>({
  name: 'rowNorm',
  run: (inputs, attrs) => native('rowNorm', inputs, encodeRow(attrs)),
  vjp: ({ inputs: [x, gamma, beta], outputs: [, m, rstd], attrs }, gy) =>
    native('rowNormGrad', [gy, x, gamma, beta, m, rstd], encodeRow(attrs)),
  saves: { inputs: [0, 1, 2], outputs: [1, 2] },
  fallback: ([x, gamma, beta], attrs) => {
    const rows = x.shape.slice(0, x.rank - attrs.dims).reduce((n, d) => n * d, 1);
    const columns = gamma.size;
    const normalised = normalise(reshape(x, [1, rows, columns]), 2, attrs.eps);
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

const affineActOp = defineFused<ActivationAttrs>({
  name: 'affineAct',
  run: (inputs, attrs) => native('affineAct', inputs, encodeActivation(attrs)),
  vjp: ({ inputs: [x, scale], outputs: [y], attrs, needs }, gy) => {
    const [dz, dshift] = native('biasActGrad', [gy, y], encodeActivation(attrs));
    return [needs[0] ? mul(dz, scale) : undefined, needs[1] ? mul(dz, x) : undefined, dshift];
  },
  saves: { inputs: [0, 1], outputs: [0] },
  fallback: ([x, scale, shift], attrs) => activate(add(mul(x, scale), shift), attrs),
  samples: () =>
    [[2, 3, 3], [1], [0, 2], [3, 1, 2, 1, 17]].flatMap((shape) =>
      activations.map((activation) => ({
        inputs: [{ shape }, { shape: shape.slice(-1), lo: 0.5, hi: 1.5 }, { shape: shape.slice(-1) }],
        attrs: { activation, slope: 0.2 },
      })),
    ),
});

export interface NormOptions {
  /** Added to the variance before the root. Default 1e-5. */
  eps?: number;
  /** Applied to the result by the same kernel. Default 'none'. */
  activation?: Activation;
  /** Of leakyRelu below zero. Default 0.2. */
  slope?: number;
}

function checked(
  op: string,
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  { eps = 1e-5, ...options }: NormOptions,
) {
  assertTensor(x, `${op}: x`);
  assertTensor(gamma, `${op}: gamma`);
  assertTensor(beta, `${op}: beta`);
  if (!(eps >= 0 && Number.isFinite(eps))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: eps must be a finite number of at least 0, got ${String(eps)}`,
    );
  }
  return { eps, ...activationAttrs(op, options) };
}

/**
 * Batch normalisation with training statistics (Ioffe & Szegedy 2015), then an activation:
 * y = act(gamma (x − mean) / √(variance + eps) + beta), mean and biased variance per channel over all other dimensions.
 *
 * x [..., C], gamma [C], beta [C] → [..., C], f32. One row gives act(beta).
 * Throws ERR_SHAPE if gamma or beta do not fit, ERR_ARGUMENT for impossible options.
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: NormOptions = {}): Tensor {
  return apply(channelNormOp, [x, gamma, beta], {
    batch: 1,
    ...checked('batchNorm', x, gamma, beta, options),
  });
}

/**
 * batchNorm that also returns the statistics it used, for running averages: [y, mean [C], biased variance [C]].
 * The statistics are constants to any gradient.
 */
export function batchNormStats(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: NormOptions = {},
): [y: Tensor, mean: Tensor, variance: Tensor] {
  const attrs = { batch: 1, ...checked('batchNormStats', x, gamma, beta, options) };
  return scope(() => {
    const [y, m, rstd] = applyAll(channelNormOp, [x, gamma, beta], attrs);
    // 1 / rstd² is variance + eps up to rounding, which must not make a variance of zero negative.
    const variance = relu(sub(reciprocal(square(rstd)), attrs.eps));
    return [y, reshape(m, gamma.shape), reshape(variance, gamma.shape)];
  });
}

/**
 * Batch normalisation with given statistics, as in evaluation: y = act(gamma (x − mean) / √(variance + eps) + beta).
 * x [..., C]; gamma, beta, mean and variance [C]. Throws as batchNorm.
 */
export function batchNormInference(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  runningMean: Tensor,
  runningVariance: Tensor,
  options: NormOptions = {},
): Tensor {
  const { eps, ...attrs } = checked('batchNormInference', x, gamma, beta, options);
  assertTensor(runningMean, 'batchNormInference: mean');
  assertTensor(runningVariance, 'batchNormInference: variance');
  return scope(() => {
    const scale = mul(gamma, rsqrt(add(runningVariance, eps)));
    return apply(affineActOp, [x, scale, sub(beta, mul(runningMean, scale))], attrs);
  });
}

/**
 * Instance normalisation (Ulyanov et al. 2016), then an activation: as batchNorm, with the mean and variance of each
 * image and channel over its pixels.
 *
 * x [N, ..., C] of at least two dimensions, gamma [C], beta [C] → x's shape. Throws as batchNorm.
 */
export function instanceNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: NormOptions = {}): Tensor {
  const attrs = checked('instanceNorm', x, gamma, beta, options);
  if (x.rank < 2) {
    throw new GanvasError('ERR_SHAPE', `instanceNorm: x must be [N, ..., C], got [${x.shape}]`);
  }
  return apply(channelNormOp, [x, gamma, beta], { batch: x.shape[0], ...attrs });
}

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

const table = { batchNorm, batchNormInference, instanceNorm, layerNorm } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
