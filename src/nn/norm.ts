// Normalisation layers, each fused with the activation that follows. Channels are the last dimension. Formulas, eps and
// momentum are PyTorch's.

import { GanvasError } from '../errors.js';
import { noGrad } from '../tensor/autograd.js';
import {
  batchNormInference,
  batchNormStats,
  conditionalBatchNormStats,
  groupNorm,
  instanceNorm,
  layerNorm,
  pixelNorm,
} from '../tensor/ops/index.js';
import { lerp } from '../tensor/ops/optim.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Shape, Tensor } from '../tensor/tensor.js';
import { type ActivationOptions, defaultSlope } from './activation.js';
import { type Initializer, ones, zeros } from './init.js';
import { type AnyModule, assertCount, buffer, Module, parameter } from './module.js';

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

/** @internal The options that a fused kernel takes. */
export type Fused = Required<ActivationOptions> & { eps: number };

/** @internal The options with their defaults, checked. */
export function fused(
  { eps = 1e-5, activation = 'none', slope = defaultSlope }: NormOptions,
  layer: string,
): Fused {
  if (!(eps > 0)) throw new GanvasError('ERR_ARGUMENT', `${layer}: eps must be above 0, got ${eps}`);
  return { eps, activation, slope };
}

/** @internal Throws ERR_SHAPE unless x has this rank; `shape` says what it should look like. */
export function assertRank(layer: string, x: Tensor, rank: number, shape: string): void {
  if (x.rank === rank) return;
  throw new GanvasError('ERR_SHAPE', `${layer}: expected x of shape ${shape}, got [${x.shape}]`);
}

/**
 * Normalisation by the statistics of the batch, which are remembered: in training, mean and (biased) variance per channel
 * are those of the batch, and the running statistics move towards them (the variance unbiased); in evaluation, the
 * running statistics are used.
 */
export abstract class RunningNorm extends Module {
  /** [features], begins at 0. */
  readonly runningMean: Tensor;
  /** [features], begins at 1. */
  readonly runningVar: Tensor;
  /** Share of the newest batch in the running statistics. */
  momentum: number;
  protected readonly options: Fused;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(layer: string, features: number, options: BatchNormOptions) {
    super();
    const { momentum = 0.1 } = options;
    assertCount(features, `${layer}: features`);
    if (!(momentum >= 0 && momentum <= 1)) {
      throw new GanvasError('ERR_ARGUMENT', `${layer}: momentum must be 0 to 1, got ${momentum}`);
    }
    this.options = fused(options, layer);
    this.momentum = momentum;
    this.runningMean = buffer(zeros([features]));
    this.runningVar = buffer(ones([features]));
  }

  /** act(γ (x - mean) / √(var + ε) + β); γ and β [features], or [N, features]. */
  protected normalise(x: Tensor, gamma: Tensor, beta: Tensor): Tensor {
    const { runningMean, runningVar } = this;
    if (!this.training) return batchNormInference(x, gamma, beta, runningMean, runningVar, this.options);
    const statistics = gamma.rank === 2 ? conditionalBatchNormStats : batchNormStats;
    const [y, mean, variance] = statistics(x, gamma, beta, this.options);
    const n = x.size / x.shape[x.rank - 1];
    lerp([runningMean, runningVar], [mean, variance.mul(n / Math.max(1, n - 1))], this.momentum);
    return y;
  }
}

/**
 * Replaces the running statistics of every batch norm in the network by the average over `passes` calls of `forward`
 * (BigGAN's standing statistics, Brock et al. 2019, section 3): run the generator in it on fresh latents, in batches of
 * the size used later or larger. Changes nothing else; no gradients.
 */
export function standingStatistics(
  network: AnyModule,
  passes: number,
  forward: (pass: number) => unknown,
): void {
  assertCount(passes, 'standingStatistics: passes');
  const layers = network.modules().filter((m): m is RunningNorm => m instanceof RunningNorm);
  const before = layers.map(({ momentum, training }) => ({ momentum, training }));
  try {
    for (let pass = 0; pass < passes; pass++) {
      // With shares 1, 1/2, 1/3, ... a moving average is the plain one.
      for (const layer of layers) Object.assign(layer, { momentum: 1 / (pass + 1), training: true });
      scope(() => {
        noGrad(() => forward(pass));
      });
    }
  } finally {
    for (const [i, layer] of layers.entries()) Object.assign(layer, before[i]);
  }
}

/** y = act(γ (x - mean) / √(var + ε) + β) per channel (Ioffe and Szegedy 2015). */
export abstract class BatchNorm extends RunningNorm {
  /** Scale γ, [features]. */
  readonly weight: Tensor;
  /** Shift β, [features]. */
  readonly bias: Tensor;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(features: number, options: BatchNormOptions = {}) {
    super(new.target.name, features, options);
    const { gammaInit = ones, betaInit = zeros, generator } = options;
    this.weight = parameter(gammaInit([features], generator));
    this.bias = parameter(betaInit([features], generator));
  }

  forward(x: Tensor): Tensor {
    this.check(x);
    return this.normalise(x, this.weight, this.bias);
  }

  /** @internal What evaluation computes: y = act(scale x + shift), both [features]. */
  inferenceAffine(): { scale: Tensor; shift: Tensor; activation: Required<ActivationOptions> } {
    const { eps, activation, slope } = this.options;
    const scale = this.weight.div(this.runningVar.add(eps).sqrt());
    return { scale, shift: this.bias.sub(this.runningMean.mul(scale)), activation: { activation, slope } };
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

/**
 * y = act(γ (x - mean) / √(var + ε) + β) per sample and group of channels (Wu and He 2018): x [N, ..., features]. No
 * running statistics.
 */
export class GroupNorm extends Module {
  /** Scale γ, [features]. */
  readonly weight: Tensor;
  /** Shift β, [features]. */
  readonly bias: Tensor;
  readonly groups: number;
  readonly #options: Fused;

  /** @throws GanvasError ERR_ARGUMENT for impossible options or groups that do not divide the features */
  constructor(groups: number, features: number, options: NormOptions = {}) {
    super();
    const { gammaInit = ones, betaInit = zeros, generator } = options;
    assertCount(groups, 'GroupNorm: groups');
    assertCount(features, 'GroupNorm: features');
    if (features % groups !== 0) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `GroupNorm: ${features} features cannot be split into ${groups} groups`,
      );
    }
    this.groups = groups;
    this.#options = fused(options, 'GroupNorm');
    this.weight = parameter(gammaInit([features], generator));
    this.bias = parameter(betaInit([features], generator));
  }

  forward(x: Tensor): Tensor {
    return groupNorm(x, this.groups, this.weight, this.bias, this.#options);
  }
}

/** y = x / √(mean over channels of x² + ε): x [..., C], ε 1e-8 unless given (Karras et al. 2018). No parameters. */
export class PixelNorm extends Module {
  constructor(readonly eps = 1e-8) {
    super();
  }

  forward(x: Tensor): Tensor {
    return pixelNorm(x, { eps: this.eps });
  }
}
