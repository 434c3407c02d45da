// Normalisation by channel, scale, shift and activation in one op: batch, instance and group norm, the conditional and
// adaptive ones with a scale per sample, and batch norm with given statistics. The gradient is fused as well; gradients
// of the gradient go through the same formula in single ops. Norms over the last dimensions: norm_rows.ts.

import { GanvasError } from '../../errors.js';
import { apply, applyAll, defineFused, native, type Sample } from '../define.js';
import { inFloat32 } from '../precision.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  type Activation,
  type ActivationAttrs,
  activate,
  activationAttrs,
  activations,
  encodeActivation,
  encodeFinish,
} from './bias.js';
import { add, mul, sub } from './binary.js';
import { mean, sum } from './reduce.js';
import { flatten, reshape } from './shape.js';
import { reciprocal, relu, rsqrt, square } from './unary.js';

interface ChannelNormAttrs extends ActivationAttrs {
  /** Into how many parts the first dimensions are split: 1 for batch norm, N where anything is per sample. */
  batch: number;
  /** How many neighbouring channels share statistics: 1 but in group norm. */
  groupSize: number;
  /** Whether all parts share statistics, as in conditional batch norm. */
  together: boolean;
  eps: number;
}

const encodeChannel = (a: ChannelNormAttrs) => [
  a.batch,
  a.eps,
  ...encodeActivation(a),
  a.groupSize,
  Number(a.together),
];

/** @internal (x - mean) / sqrt(variance + eps) over these axes. */
export function normalise(x: Tensor, axes: number[], eps: number): Tensor {
  const centred = sub(x, mean(x, axes, true));
  return mul(centred, rsqrt(add(mean(square(centred), axes, true), eps)));
}

/** A parameter [C], or [N, C] in a shape that broadcasts with x [N, ..., C]. */
function alongChannels(parameter: Tensor, x: Tensor): Tensor {
  const [n, c] = parameter.shape;
  return parameter.rank === 1 ? parameter : reshape(parameter, [n, ...x.shape.slice(1, -1).map(() => 1), c]);
}

const channelNormOp = defineFused<ChannelNormAttrs>({
  name: 'channelNorm',
  run: (inputs, attrs) => native('channelNorm', inputs, encodeChannel(attrs)),
  vjp: ({ inputs: [x, gamma, beta], outputs: [, m, rstd], attrs }, gy) =>
    native('channelNormGrad', [gy, x, gamma, beta, m, rstd], encodeChannel(attrs)),
  saves: { inputs: [0, 1, 2], outputs: [1, 2] },
  fallback: ([x, gamma, beta], attrs) => {
    const channels = x.shape[x.rank - 1];
    const { batch, groupSize, together } = attrs;
    const rows = batch * channels === 0 ? 0 : x.size / (batch * channels);
    const grouped = reshape(x, [batch, rows, channels / groupSize, groupSize]);
    const normalised = normalise(grouped, together ? [0, 1, 3] : [1, 3], attrs.eps);
    const flat = reshape(normalised, [batch, rows, channels]);
    const scaled = add(mul(flat, alongChannels(gamma, flat)), alongChannels(beta, flat));
    return reshape(activate(scaled, attrs), x.shape);
  },
  samples: () => {
    const of = (
      shape: number[],
      batch: number,
      activation: Activation,
      more: object = {},
    ): Sample<ChannelNormAttrs> => ({
      inputs: [{ shape }, { shape: shape.slice(-1), lo: 0.5, hi: 1.5 }, { shape: shape.slice(-1) }],
      attrs: { batch, groupSize: 1, together: false, eps: 1e-3, activation, slope: 0.2 },
      ...more,
    });
    /** With a scale per sample, or channels or samples that share statistics. */
    const shared = (
      shape: number[],
      attrs: { groupSize?: number; together?: boolean; activation?: Activation },
      { perSample = true, ...more }: { perSample?: boolean; gradient?: boolean } = {},
    ): Sample<ChannelNormAttrs> => {
      const sample = of(shape, shape[0], 'none', more);
      const parameter = perSample ? [shape[0], shape[shape.length - 1]] : shape.slice(-1);
      const [x] = sample.inputs;
      return {
        ...sample,
        inputs: [x, { shape: parameter, lo: 0.5, hi: 1.5 }, { shape: parameter }],
        attrs: { ...sample.attrs, ...attrs },
      };
    };
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
      shared([2, 3, 2, 4], { groupSize: 2, activation: 'leakyRelu' }, { perSample: false }),
      shared([2, 2, 2, 6], { groupSize: 6 }, { perSample: false }),
      shared([3, 6], { groupSize: 3, activation: 'tanh' }, { perSample: false }),
      shared([0, 2, 4], { groupSize: 2 }, { perSample: false }),
      shared([2, 0, 4], { groupSize: 2 }, { perSample: false }),
      shared([2, 3, 2, 3], { activation: 'relu' }),
      shared([2, 2, 2, 4], { groupSize: 2, activation: 'sigmoid' }),
      shared([3, 2, 2, 3], { together: true, activation: 'leakyRelu' }),
      shared([4, 5], { together: true }),
      shared([1, 3, 3, 1], { together: true }),
      shared([0, 3], { together: true }),
      shared([3, 5, 5, 70], { groupSize: 14, activation: 'relu' }, { gradient: false }),
      shared([5, 9, 7, 20], { together: true, activation: 'relu' }, { gradient: false }),
    ];
  },
});

const plainFinish = { gain: 1, clamp: Number.POSITIVE_INFINITY };

const affineActOp = defineFused<ActivationAttrs>({
  name: 'affineAct',
  run: (inputs, attrs) => native('affineAct', inputs, encodeActivation(attrs)),
  vjp: ({ inputs: [x, scale], outputs: [y], attrs, needs }, gy) => {
    const [dz, dshift] = native('biasActGrad', [gy, y], encodeFinish({ ...attrs, ...plainFinish }));
    const dx = needs[0] ? mul(dz, alongChannels(scale, x)) : undefined;
    if (scale.rank === 1) return [dx, needs[1] ? mul(dz, x) : undefined, dshift];
    const perSample = (g: Tensor) => sum(reshape(g, [x.shape[0], -1, x.shape[x.rank - 1]]), 1);
    return [dx, needs[1] ? perSample(mul(dz, x)) : undefined, needs[2] ? perSample(dz) : undefined];
  },
  saves: { inputs: [0, 1], outputs: [0] },
  fallback: ([x, scale, shift], attrs) =>
    activate(add(mul(x, alongChannels(scale, x)), alongChannels(shift, x)), attrs),
  samples: () => {
    const of = (shape: number[], parameter: number[], activation: Activation): Sample<ActivationAttrs> => ({
      inputs: [{ shape }, { shape: parameter, lo: 0.5, hi: 1.5 }, { shape: parameter }],
      attrs: { activation, slope: 0.2 },
    });
    return [
      ...[[2, 3, 3], [1], [0, 2], [3, 1, 2, 1, 17]].flatMap((shape) =>
        activations.map((activation) => of(shape, shape.slice(-1), activation)),
      ),
      of([2, 3, 2, 3], [2, 3], 'relu'),
      of([3, 5], [3, 5], 'tanh'),
      of([2, 7, 17], [2, 17], 'none'),
    ];
  },
});

export interface NormOptions {
  /** Added to the variance before the root. Default 1e-5. */
  eps?: number;
  /** Applied to the result by the same kernel. Default 'none'. */
  activation?: Activation;
  /** Of leakyRelu below zero. Default 0.2. */
  slope?: number;
}

/** @internal The options with their defaults, checked. */
export function checked(
  op: string,
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  { eps = 1e-5, ...options }: NormOptions,
) {
  assertTensor(x, `${op}: x`);
  assertTensor(gamma, `${op}: gamma`);
  assertTensor(beta, `${op}: beta`);
  assertEps(op, eps);
  return { eps, ...activationAttrs(op, options) };
}

/** @internal */
export function assertEps(op: string, eps: number): void {
  if (eps >= 0 && Number.isFinite(eps)) return;
  throw new GanvasError(
    'ERR_ARGUMENT',
    `${op}: eps must be a finite number of at least 0, got ${String(eps)}`,
  );
}

function expectPerSample(op: string, x: Tensor, gamma: Tensor): void {
  if (x.rank >= 2 && gamma.rank === 2) return;
  throw new GanvasError(
    'ERR_SHAPE',
    `${op}: x must be [N, ..., C] and gamma and beta [N, C], got [${x.shape}] and [${gamma.shape}]`,
  );
}

/** Scales and shifts that a network computed may be bf16; the kernels take them in f32. */
const inputs = (x: Tensor, scale: Tensor, shift: Tensor): Tensor[] => [x, inFloat32(scale), inFloat32(shift)];

const overBatch = { batch: 1, groupSize: 1, together: false };
const perSample = (x: Tensor) => ({ batch: x.shape[0], groupSize: 1, together: false });

/**
 * Batch normalisation with training statistics (Ioffe & Szegedy 2015), then an activation:
 * y = act(gamma (x − mean) / √(variance + eps) + beta), mean and biased variance per channel over all other dimensions.
 *
 * x [..., C], gamma [C], beta [C] → [..., C], f32. One row gives act(beta).
 * Throws ERR_SHAPE if gamma or beta do not fit, ERR_ARGUMENT for impossible options.
 */
export function batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: NormOptions = {}): Tensor {
  return apply(channelNormOp, [x, gamma, beta], {
    ...overBatch,
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
  return withStatistics(x, gamma, beta, {
    ...overBatch,
    ...checked('batchNormStats', x, gamma, beta, options),
  });
}

function withStatistics(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  attrs: ChannelNormAttrs,
): [y: Tensor, mean: Tensor, variance: Tensor] {
  return scope(() => {
    const [y, m, rstd] = applyAll(channelNormOp, inputs(x, gamma, beta), attrs);
    // 1 / rstd² is variance + eps up to rounding, which must not make a variance of zero negative.
    const variance = relu(sub(reciprocal(square(rstd)), attrs.eps));
    return [y, flatten(m), flatten(variance)];
  });
}

/**
 * Conditional batch normalisation (de Vries et al. 2017; BigGAN's): batchNormStats with a scale and a shift per sample,
 * usually looked up by class. The statistics are those of the whole batch.
 *
 * x [N, ..., C], gamma [N, C], beta [N, C] → [y, mean [C], biased variance [C]]. Throws as batchNorm.
 */
export function conditionalBatchNormStats(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: NormOptions = {},
): [y: Tensor, mean: Tensor, variance: Tensor] {
  const op = 'conditionalBatchNormStats';
  const attrs = checked(op, x, gamma, beta, options);
  expectPerSample(op, x, gamma);
  return withStatistics(x, gamma, beta, { ...perSample(x), together: true, ...attrs });
}

/** The result of conditionalBatchNormStats without the statistics. */
export function conditionalBatchNorm(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  options: NormOptions = {},
): Tensor {
  const attrs = checked('conditionalBatchNorm', x, gamma, beta, options);
  expectPerSample('conditionalBatchNorm', x, gamma);
  return apply(channelNormOp, inputs(x, gamma, beta), { ...perSample(x), together: true, ...attrs });
}

/**
 * y = act(x · scale + shift), in one pass.
 *
 * x [..., C]; scale and shift [C], or [N, C] for a scale per sample → x's shape. Throws ERR_SHAPE where they do not fit,
 * ERR_ARGUMENT for impossible options.
 */
export function affineAct(
  x: Tensor,
  scale: Tensor,
  shift: Tensor,
  options: { activation?: Activation; slope?: number } = {},
): Tensor {
  assertTensor(x, 'affineAct: x');
  assertTensor(scale, 'affineAct: scale');
  assertTensor(shift, 'affineAct: shift');
  return apply(affineActOp, inputs(x, scale, shift), activationAttrs('affineAct', options));
}

/**
 * Batch normalisation with given statistics, as in evaluation: y = act(gamma (x − mean) / √(variance + eps) + beta).
 * x [..., C]; mean and variance [C]; gamma and beta [C], or [N, C] for a scale per sample. Throws as batchNorm.
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
  return apply(channelNormOp, inputs(x, gamma, beta), { ...perSample(x), ...attrs });
}

/**
 * Adaptive instance normalisation (Huang & Belongie 2017; StyleGAN's): instanceNorm with a scale and a shift per sample.
 *
 * x [N, ..., C], gamma [N, C], beta [N, C] → x's shape. Throws as batchNorm.
 */
export function adaIN(x: Tensor, gamma: Tensor, beta: Tensor, options: NormOptions = {}): Tensor {
  const attrs = checked('adaIN', x, gamma, beta, options);
  expectPerSample('adaIN', x, gamma);
  return apply(channelNormOp, inputs(x, gamma, beta), { ...perSample(x), ...attrs });
}

/**
 * Group normalisation (Wu & He 2018), then an activation: as instanceNorm, with the mean and variance of each image over
 * its pixels and over each of `groups` equal groups of neighbouring channels.
 *
 * x [N, ..., C], gamma and beta [C], or [N, C] for a scale per sample → x's shape. Throws ERR_ARGUMENT unless groups
 * divides C, else as batchNorm.
 */
export function groupNorm(
  x: Tensor,
  groups: number,
  gamma: Tensor,
  beta: Tensor,
  options: NormOptions = {},
): Tensor {
  const attrs = checked('groupNorm', x, gamma, beta, options);
  const channels = x.shape[x.rank - 1];
  if (x.rank < 2) throw new GanvasError('ERR_SHAPE', `groupNorm: x must be [N, ..., C], got [${x.shape}]`);
  if (!Number.isSafeInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `groupNorm: ${channels} channels cannot be split into ${String(groups)} groups`,
    );
  }
  const groupSize = Math.max(1, channels / groups);
  return apply(channelNormOp, inputs(x, gamma, beta), { ...perSample(x), ...attrs, groupSize });
}

const table = {
  batchNorm,
  batchNormInference,
  instanceNorm,
  adaIN,
  conditionalBatchNorm,
  groupNorm,
} as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
