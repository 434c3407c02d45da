// Normalisation layers, each fused with the activation that follows. Channels are the last dimension. Formulas, eps and
// momentum are PyTorch's.

import { GanvasError } from '../errors.js';
import { batchNormInference, batchNormStats, instanceNorm, layerNorm } from '../tensor/ops/index.js';
import { lerp } from '../tensor/ops/optim.js';
import type { Generator } from '../tensor/random-state.js';
import type { Shape, Tensor } from '../tensor/tensor.js';
import { type ActivationOptions, defaultSlope } from './activation.js';
import { type Initializer, ones, zeros } from './init.js';
import { assertCount, buffer, Module, parameter } from './module.js';

export interface NormOptions extends ActivationOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** First value of the scale. Default ones. */
  gammaInit?: Initializer;
  /** First value of the shift. Default zeros. */
  betaInit?: Initializer;
  generator?: Generator;
}

export interface BatchNormOptions extends NormOptions {
  /** Share of the newest batch in the running statistics. Default 0.1. */
  momentum?: number;
}

type Fused = Required<ActivationOptions> & { eps: number };

function fused({ eps = 1e-5, activation = 'none', slope = defaultSlope }: NormOptions, layer: string): Fused {
  if (!(eps > 0)) throw new GanvasError('ERR_ARGUMENT', `${layer}: eps must be above 0, got ${eps}`);
  return { eps, activation, slope };
}

function assertRank(layer: string, x: Tensor, rank: number, shape: string): void {
  if (x.rank === rank) return;
  throw new GanvasError('ERR_SHAPE', `${layer}: expected x of shape ${shape}, got [${x.shape}]`);
}

/**
 * y = act(γ (x - mean) / √(var + ε) + β) per channel (Ioffe and Szegedy 2015). In training, mean and (biased) variance
 * are those of the batch, and the running statistics move towards them (the variance unbiased); in evaluation, the
 * running statistics are used.
 */
abstract class BatchNorm extends Module {
  /** Scale γ, [features]. */
  readonly weight: Tensor;
  /** Shift β, [features]. */
  readonly bias: Tensor;
  /** [features], begins at 0. */
  readonly runningMean: Tensor;
  /** [features], begins at 1. */
  readonly runningVar: Tensor;
  readonly momentum: number;
  readonly #options: Fused;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(features: number, options: BatchNormOptions = {}) {
    super();
    const { momentum = 0.1, gammaInit = ones, betaInit = zeros, generator } = options;
    assertCount(features, `${this.constructor.name}: features`);
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${this.constructor.name}: momentum must be 0 to 1, got ${momentum}`,
      );
    }
    this.#options = fused(options, this.constructor.name);
    this.momentum = momentum;
    this.weight = parameter(gammaInit([features], generator));
    this.bias = parameter(betaInit([features], generator));
    this.runningMean = buffer(zeros([features]));
    this.runningVar = buffer(ones([features]));
  }

  forward(x: Tensor): Tensor {
    this.check(x);
    const { weight, bias, runningMean, runningVar } = this;
    if (!this.training) return batchNormInference(x, weight, bias, runningMean, runningVar, this.#options);
    const [y, mean, variance] = batchNormStats(x, weight, bias, this.#options);
    const n = x.size / x.shape[x.rank - 1];
    lerp([runningMean, runningVar], [mean, variance.mul(n / Math.max(1, n - 1))], this.momentum);
    return y;
  }

  protected abstract check(x: Tensor): void;
}

/** Batch normalisation of vectors: x [N, features]. Formula: see BatchNorm2d. */
export class BatchNorm1d extends BatchNorm {
  protected check(x: Tensor): void {
    assertRank('BatchNorm1d', x, 2, '[N, features]');
  }
}

/**
 * Batch normalisation of images: x [N, H, W, features], y = act(γ (x - mean) / √(var + ε) + β) per channel (Ioffe and
 * Szegedy 2015). In training, mean and (biased) variance are those of the batch, and the running statistics move towards
 * them (the variance unbiased); in evaluation, the running statistics are used.
 */
export class BatchNorm2d extends BatchNorm {
  protected check(x: Tensor): void {
    assertRank('BatchNorm2d', x, 4, '[N, H, W, features]');
  }
}

/** y = act(γ (x - mean) / √(var + ε) + β) over the last dimensions of each sample (Ba et al. 2016): x [..., ...shape]. */
export class LayerNorm extends Module {
  /** Scale γ, [...shape]. */
  readonly weight: Tensor;
  /** Shift β, [...shape]. */
  readonly bias: Tensor;
  readonly #options: Fused;

  /** @param shape the last dimensions, over which mean and variance are taken; a number for one dimension */
  constructor(shape: number | Shape, options: NormOptions = {}) {
    super();
    const { gammaInit = ones, betaInit = zeros, generator } = options;
    const dims = typeof shape === 'number' ? [shape] : shape;
    for (const size of dims) assertCount(size, 'LayerNorm: a size');
    this.#options = fused(options, 'LayerNorm');
    this.weight = parameter(gammaInit(dims, generator));
    this.bias = parameter(betaInit(dims, generator));
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight, this.bias, this.#options);
  }
}

/**
 * y = act(γ (x - mean) / √(var + ε) + β) per sample and channel (Ulyanov et al. 2016): x [N, H, W, features]. Always with
 * γ and β; no running statistics.
 */
export class InstanceNorm2d extends Module {
  /** Scale γ, [features]. */
  readonly weight: Tensor;
  /** Shift β, [features]. */
  readonly bias: Tensor;
  readonly #options: Fused;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(features: number, options: NormOptions = {}) {
    super();
    const { gammaInit = ones, betaInit = zeros, generator } = options;
    assertCount(features, 'InstanceNorm2d: features');
    this.#options = fused(options, 'InstanceNorm2d');
    this.weight = parameter(gammaInit([features], generator));
    this.bias = parameter(betaInit([features], generator));
  }

  forward(x: Tensor): Tensor {
    assertRank('InstanceNorm2d', x, 4, '[N, H, W, features]');
    return instanceNorm(x, this.weight, this.bias, this.#options);
  }
}
