// Bias and activation in one kernel, and the list of activations that fused ops share (native/ops/activation.h).

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample, type SampleInput } from '../define.js';
import { recordingFor } from '../graph.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { add, clamp as clampBy, leakyReluGrad, mul, reluGrad, sigmoidGrad, tanhGrad } from './binary.js';
import { leakyRelu, relu, sigmoid, tanh } from './unary.js';

/** The activations that a fused op can apply to its result, in the order of the native enumeration. */
export const activations = ['none', 'relu', 'leakyRelu', 'tanh', 'sigmoid'] as const;
export type Activation = (typeof activations)[number];

export interface ActivationAttrs {
  activation: Activation;
  slope: number;
}

/** @internal The options with their defaults, checked: slope 0.2 is DCGAN's. */
export function activationAttrs(
  op: string,
  { activation = 'none', slope = 0.2 }: { activation?: Activation; slope?: number },
): ActivationAttrs {
  if (!activations.includes(activation)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: activation must be one of ${activations.join(', ')}, got ${String(activation)}`,
    );
  }
  if (!(slope >= 0 && Number.isFinite(slope))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: slope must be a finite number of at least 0, got ${String(slope)}`,
    );
  }
  return { activation, slope };
}

/** @internal As the kernels take them. */
export function encodeActivation({ activation, slope }: ActivationAttrs): [number, number] {
  return [activations.indexOf(activation), slope];
}

/** act(x) in single ops, for the fallbacks of fused ones. */
export function activate(x: Tensor, { activation, slope }: ActivationAttrs): Tensor {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return relu(x);
    case 'leakyRelu':
      return leakyRelu(x, slope);
    case 'tanh':
      return tanh(x);
    case 'sigmoid':
      return sigmoid(x);
  }
}

/** What ends a fused op: min(max(gain · act(z), -clamp), clamp). */
export interface FinishAttrs extends ActivationAttrs {
  gain: number;
  clamp: number;
}

export interface FinishOptions {
  activation?: Activation;
  /** Of leakyRelu below zero. Default 0.2. */
  slope?: number;
  /** Multiplies what the activation gives, above 0. Default 1; StyleGAN uses √2 after leakyRelu. */
  gain?: number;
  /** The result is limited to [-clamp, clamp]. Default: not at all. */
  clamp?: number;
}

/** @internal The options with their defaults, checked. */
export function finishAttrs(op: string, options: FinishOptions): FinishAttrs {
  const { gain = 1, clamp = Number.POSITIVE_INFINITY } = options;
  if (!(gain > 0 && Number.isFinite(gain))) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: gain must be a finite number above 0, got ${String(gain)}`);
  }
  if (!(clamp > 0)) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: clamp must be above 0, got ${String(clamp)}`);
  }
  return { ...activationAttrs(op, options), gain, clamp };
}

/** @internal As the kernels take them. */
export function encodeFinish(attrs: FinishAttrs): number[] {
  return [...encodeActivation(attrs), attrs.gain, attrs.clamp];
}

/** min(max(gain · act(z), -clamp), clamp) in single ops, for the fallbacks of fused ones. */
export function finish(z: Tensor, attrs: FinishAttrs): Tensor {
  const { gain, clamp } = attrs;
  const y = gain === 1 ? activate(z, attrs) : mul(activate(z, attrs), gain);
  return clamp === Number.POSITIVE_INFINITY ? y : clampBy(y, -clamp, clamp);
}

/** What a product or convolution ends in, in the same kernel: act(result + bias). */
export interface EpilogueOptions {
  /** One number for each channel of the result (its last dimension), f32. */
  bias?: Tensor;
  /** Applied last. Default 'none'. */
  activation?: Activation;
  /** Of leakyRelu below zero. Default 0.2. */
  slope?: number;
}

/** @internal act(z + bias) as an op of its own, where the kernel before has no epilogue. */
export function applyEpilogue(z: Tensor, { bias, ...options }: EpilogueOptions): Tensor {
  return bias ? biasAct(z, bias, options) : activate(z, activationAttrs('activation', options));
}

/** @internal As the kernels with an epilogue take it. */
export function encodeEpilogue(attrs: ActivationAttrs): number[] {
  return encodeFinish({ ...attrs, gain: 1, clamp: Number.POSITIVE_INFINITY });
}

/** @internal The cotangents of z and of the bias where y = act(z + bias), differentiable if gy or y is. */
export function epilogueGrads(gy: Tensor, y: Tensor, attrs: ActivationAttrs): [Tensor, Tensor] {
  if (attrs.activation === 'none') return [gy, gy];
  if (!recordingFor([gy, y])) {
    const [dz, db] = native('biasActGrad', [gy, y], encodeEpilogue(attrs));
    return [dz, db];
  }
  const dz = activateGrad(gy, y, attrs);
  return [dz, dz];
}

/** @internal A bias for samples of ops with an epilogue: it keeps sums below 2 away from an activation's kink at 0. */
export function sampleBias(channels: number, activation: Activation): SampleInput {
  const kinked = activation === 'relu' || activation === 'leakyRelu';
  return kinked
    ? { shape: [channels], values: Array.from({ length: channels }, (_, i) => (i % 2 ? 3 : -3)) }
    : { shape: [channels] };
}

/** gy act'(z), from y = act(z), in single ops. */
function activateGrad(gy: Tensor, y: Tensor, { activation, slope }: ActivationAttrs): Tensor {
  switch (activation) {
    case 'none':
      return gy;
    case 'relu':
      return reluGrad(gy, y);
    case 'leakyRelu':
      return leakyReluGrad(gy, y, slope);
    case 'tanh':
      return tanhGrad(gy, y);
    case 'sigmoid':
      return sigmoidGrad(gy, y);
  }
}

const biasActOp = defineFused<FinishAttrs>({
  name: 'biasAct',
  run: (inputs, attrs) => native('biasAct', inputs, encodeFinish(attrs)),
  vjp: ({ outputs: [y], attrs }, gy) =>
    // Where nothing follows the sum both cotangents are gy; the engine sums the bias' down.
    attrs.activation === 'none' && attrs.gain === 1 && attrs.clamp === Number.POSITIVE_INFINITY
      ? [gy, gy]
      : native('biasActGrad', [gy, y], encodeFinish(attrs)),
  saves: { outputs: [0] },
  fallback: ([x, b], attrs) => finish(add(x, b), attrs),
  samples: () => {
    const of = (
      shape: number[],
      activation: Activation,
      slope = 0.2,
      { gain = 1, clamp = Number.POSITIVE_INFINITY } = {},
    ): Sample<FinishAttrs> => ({
      inputs: [{ shape }, { shape: shape.slice(-1) }],
      attrs: { activation, slope, gain, clamp },
    });
    return [
      ...activations.map((activation) => of([2, 3, 3], activation)),
      ...activations.map((activation) => of([5], activation)),
      of([7, 1], 'leakyRelu', 0.01),
      of([0, 3], 'tanh'),
      of([3, 0], 'relu'),
      of([1, 2, 2, 1, 17], 'sigmoid'),
      of([40, 3], 'leakyRelu'),
      of([67, 100], 'leakyRelu', 0),
      of([3, 5], 'leakyRelu', 0.2, { gain: Math.SQRT2 }),
      of([4, 5], 'leakyRelu', 0.2, { gain: Math.SQRT2, clamp: 1.5 }),
      of([3, 7], 'none', 0.2, { clamp: 2 }),
      of([3, 7], 'tanh', 0.2, { gain: 0.5, clamp: 0.4 }),
      of([2, 17], 'sigmoid', 0.2, { gain: 3 }),
    ];
  },
});

/**
 * y = gain · act(x + b), limited to [-clamp, clamp], the bias along the last dimension: the end of every convolution and
 * linear layer, in one pass (with gain and clamp: StyleGAN's bias_act).
 *
 * x [..., C], b [C] → [..., C], f32. `activation` (default none): relu, leakyRelu (`slope`, default 0.2), tanh or
 * sigmoid. Throws ERR_SHAPE if b does not fit, ERR_ARGUMENT for another activation, a negative slope, or a gain or clamp
 * that is not above 0.
 */
export function biasAct(x: Tensor, b: Tensor, options: FinishOptions = {}): Tensor {
  assertTensor(x, 'biasAct: x');
  assertTensor(b, 'biasAct: b');
  return apply(biasActOp, [x, b], finishAttrs('biasAct', options));
}

const table = { biasAct } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
