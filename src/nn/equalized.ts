// Layers with an equalised learning rate (Karras et al. 2018, section 4.1): weights begin at N(0, 1) and are scaled by He's
// constant whenever they are used, so that all of them learn at one speed under Adam. As in StyleGAN2's authors' code.

import { GanvasError } from '../errors.js';
import { biasAct, type FinishOptions, finish, finishAttrs } from '../tensor/ops/bias.js';
import { type ConvResampleOptions, convResample2d, matmul, mul } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { defaultSlope } from './activation.js';
import { constant, fans, normal } from './init.js';
import { assertCount, Module, parameter } from './module.js';

export interface EqualizedOptions extends FinishOptions {
  /** Whether to add a bias. Default true. */
  bias?: boolean;
  /** First value of the bias as it is added. Default 0. */
  biasInit?: number;
  /** Factor of the speed at which this layer learns: parameters begin 1/m times as large and are used m times. Default 1. */
  lrMultiplier?: number;
  generator?: Generator;
}

/** What a layer of this file ends with: after relu and leakyRelu the gain is √2 unless given. */
function ending(layer: string, options: FinishOptions) {
  const { activation = 'none', slope = defaultSlope, clamp } = options;
  const gain = options.gain ?? (activation === 'relu' || activation === 'leakyRelu' ? Math.SQRT2 : 1);
  return finishAttrs(layer, { activation, slope, gain, clamp });
}

/** Holds an equalised weight and bias; subclasses multiply. */
abstract class Equalized extends Module {
  readonly weight: Tensor;
  /** [outputs]. */
  readonly bias: Tensor | undefined;
  readonly #weightGain: number;
  readonly #biasGain: number;
  readonly #ending: ReturnType<typeof ending>;

  constructor(layer: string, shape: readonly number[], options: EqualizedOptions) {
    super();
    const { bias = true, biasInit = 0, lrMultiplier = 1, generator } = options;
    if (!(lrMultiplier > 0 && Number.isFinite(lrMultiplier))) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${layer}: lrMultiplier must be above 0, got ${String(lrMultiplier)}`,
      );
    }
    this.#ending = ending(layer, options);
    this.#weightGain = lrMultiplier / Math.sqrt(fans(shape).fanIn);
    this.#biasGain = lrMultiplier;
    this.weight = parameter(normal(0, 1 / lrMultiplier)(shape, generator));
    this.bias = bias ? parameter(constant(biasInit / lrMultiplier)([shape[0]])) : undefined;
  }

  /** The weight as it is used. */
  protected scaledWeight(): Tensor {
    return mul(this.weight, this.#weightGain);
  }

  /** Bias, activation, gain and clamp. */
  protected finish(y: Tensor): Tensor {
    const { bias } = this;
    if (!bias) return finish(y, this.#ending);
    return biasAct(y, this.#biasGain === 1 ? bias : mul(bias, this.#biasGain), this.#ending);
  }
}

/** y = gain · act(x (c W)ᵀ + m b), c = m / √inFeatures: x [..., inFeatures] → [..., outFeatures]. */
export class EqualizedLinear extends Equalized {
  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers and the options possible */
  constructor(inFeatures: number, outFeatures: number, options: EqualizedOptions = {}) {
    assertCount(inFeatures, 'EqualizedLinear: inFeatures');
    assertCount(outFeatures, 'EqualizedLinear: outFeatures');
    super('EqualizedLinear', [outFeatures, inFeatures], options);
  }

  forward(x: Tensor): Tensor {
    return this.finish(matmul(x, this.scaledWeight(), { transB: true }));
  }
}

export interface EqualizedConv2dOptions extends EqualizedOptions, ConvResampleOptions {}

/** y = gain · act(conv(x, c W) + m b), c = m / √(inChannels k²): [N, H, W, inC] → [N, H·up/down, W·up/down, outC]. */
export class EqualizedConv2d extends Equalized {
  readonly #resampling: ConvResampleOptions;

  /** @throws GanvasError ERR_ARGUMENT unless all sizes are positive integers and the options possible */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: EqualizedConv2dOptions = {},
  ) {
    assertCount(inChannels, 'EqualizedConv2d: inChannels');
    assertCount(outChannels, 'EqualizedConv2d: outChannels');
    assertCount(kernelSize, 'EqualizedConv2d: kernelSize');
    super('EqualizedConv2d', [outChannels, kernelSize, kernelSize, inChannels], options);
    const { padding, up, down, resampleFilter } = options;
    this.#resampling = { padding, up, down, resampleFilter };
  }

  forward(x: Tensor): Tensor {
    return this.finish(convResample2d(x, this.scaledWeight(), this.#resampling));
  }
}
