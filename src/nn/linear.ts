// The fully connected layer.

import { matmul } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ActivationOptions, defaultSlope } from './activation.js';
import { fans, type Initializer, kaimingUniform, symmetricUniform } from './init.js';
import { assertCount, Module, parameter } from './module.js';
import { spectralNorm } from './spectral.js';

/** Options of layers with a weight and a bias. */
export interface WeightedOptions extends ActivationOptions {
  /** Whether to add a bias. Default true; leave it out before a normalisation, which would subtract it again. */
  bias?: boolean;
  /** Default: PyTorch's, U(-1/√fanIn, 1/√fanIn). */
  weightInit?: Initializer;
  /** Default: PyTorch's, U(-1/√fanIn, 1/√fanIn) with the fan of the weight. */
  biasInit?: Initializer;
  /** Whether the weight is divided by its largest singular value, as nn.spectralNorm does. Default false. */
  spectralNorm?: boolean;
  /** What random initialisers draw from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/** Weight and bias of a layer, initialised in this order. */
export function weightAndBias(
  shape: readonly number[],
  outputs: number,
  { bias = true, weightInit = kaimingUniform(), biasInit, generator }: WeightedOptions,
): { weight: Tensor; bias: Tensor | undefined } {
  const weight = parameter(weightInit(shape, generator));
  const initBias = biasInit ?? symmetricUniform(1 / Math.sqrt(fans(shape).fanIn));
  return { weight, bias: bias ? parameter(initBias([outputs], generator)) : undefined };
}

/** y = act(x Wᵀ + b): x [..., inFeatures], W [outFeatures, inFeatures], b [outFeatures] → [..., outFeatures]. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  /** What follows the bias. */
  readonly activation: Required<ActivationOptions>;

  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers */
  constructor(inFeatures: number, outFeatures: number, options: WeightedOptions = {}) {
    super();
    assertCount(inFeatures, 'Linear: inFeatures');
    assertCount(outFeatures, 'Linear: outFeatures');
    const { activation = 'none', slope = defaultSlope } = options;
    this.activation = { activation, slope };
    ({ weight: this.weight, bias: this.bias } = weightAndBias(
      [outFeatures, inFeatures],
      outFeatures,
      options,
    ));
    if (options.spectralNorm) spectralNorm(this, { generator: options.generator });
  }

  forward(x: Tensor): Tensor {
    return this.forwardWith(x, this.weight, this.bias, this.activation);
  }

  /** @internal This layer's function with another weight, bias and activation: see fold.ts. */
  forwardWith(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | undefined,
    activation: Required<ActivationOptions>,
  ): Tensor {
    return matmul(x, weight, { transB: true, bias, ...activation });
  }
}
