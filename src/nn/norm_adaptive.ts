// Normalisation layers whose scale and shift depend on something else: a class or a condition vector (conditional batch
// norm), a style (AdaIN), or whose statistics are those of a reference batch (virtual batch norm).

import { GanvasError } from '../errors.js';
import { noGrad } from '../tensor/autograd.js';
import {
  adaIN,
  add,
  affineAct,
  broadcastTo,
  div,
  mean,
  mul,
  reshape,
  rsqrt,
  split,
  square,
  sub,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { lookUp } from './embedding.js';
import { type Initializer, ones, zeros } from './init.js';
import { Linear } from './linear.js';
import { type AnyModule, assertCount, buffer, Module, parameter } from './module.js';
import {
  assertRank,
  type BatchNormOptions,
  type Fused,
  fused,
  type NormOptions,
  RunningNorm,
} from './norm.js';

export interface ConditionalBatchNormOptions extends BatchNormOptions {
  /** How many classes there are: scale and shift are looked up by label. */
  classes?: number;
  /** Size of a condition vector, from which linear maps make scale − 1 and shift, as in BigGAN. Instead of `classes`. */
  conditionSize?: number;
  /** First values of those linear maps' weights. Default: PyTorch's. */
  weightInit?: Initializer;
  /** Whether those linear maps are spectrally normalised. Default false. */
  spectralNorm?: boolean;
}

/**
 * Batch normalisation of images with a scale and a shift per sample (de Vries et al. 2017):
 * y = act(γ(c) (x - mean) / √(var + ε) + β(c)) for x [N, H, W, features] and the conditions c, which are labels [N] (or
 * weights of all classes, f32 [N, classes]) with `classes`, vectors [N, conditionSize] otherwise. Statistics as in BatchNorm2d.
 */
export class ConditionalBatchNorm2d extends RunningNorm {
  /** Scale γ of each class, [classes, features]. */
  readonly weight: Tensor | undefined;
  /** Shift β of each class, [classes, features]. */
  readonly bias: Tensor | undefined;
  /** The condition's map to γ − 1. */
  readonly gain: Linear | undefined;
  /** The condition's map to β. */
  readonly shift: Linear | undefined;

  /** @throws GanvasError ERR_ARGUMENT for impossible options, or unless one of classes and conditionSize is given */
  constructor(features: number, options: ConditionalBatchNormOptions) {
    super('ConditionalBatchNorm2d', features, options);
    const { classes, conditionSize, gammaInit = ones, betaInit = zeros, generator } = options;
    if ((classes === undefined) === (conditionSize === undefined)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        'ConditionalBatchNorm2d: expected either classes or conditionSize',
      );
    }
    if (classes !== undefined) {
      assertCount(classes, 'ConditionalBatchNorm2d: classes');
      this.weight = parameter(gammaInit([classes, features], generator));
      this.bias = parameter(betaInit([classes, features], generator));
    } else {
      const { weightInit, spectralNorm } = options;
      const linear = { bias: false, weightInit, generator, spectralNorm };
      this.gain = new Linear(conditionSize!, features, linear);
      this.shift = new Linear(conditionSize!, features, linear);
    }
  }

  forward(x: Tensor, condition: Tensor): Tensor {
    assertRank('ConditionalBatchNorm2d', x, 4, '[N, H, W, features]');
    const { weight, bias, gain, shift } = this;
    if (weight && bias) return this.normalise(x, lookUp(weight, condition), lookUp(bias, condition));
    return this.normalise(x, add(gain!.forward(condition), 1), shift!.forward(condition));
  }
}

/**
 * Adaptive instance normalisation (Huang & Belongie 2017), with StyleGAN's affine map: x [N, ..., features] and the style
 * [N, styleSize] → act(γ(s) (x - mean) / √(var + ε) + β(s)) per sample and channel, γ being 1 on average.
 */
export class AdaIN extends Module {
  /** From the style to γ − 1 and β, [2 features]. */
  readonly affine: Linear;
  readonly #options: Fused;

  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers */
  constructor(
    features: number,
    styleSize: number,
    options: Omit<NormOptions, 'gammaInit' | 'betaInit'> = {},
  ) {
    super();
    assertCount(features, 'AdaIN: features');
    assertCount(styleSize, 'AdaIN: styleSize');
    this.#options = fused(options, 'AdaIN');
    this.affine = new Linear(styleSize, 2 * features, { generator: options.generator });
  }

  forward(x: Tensor, style: Tensor): Tensor {
    const [gain, shift] = split(this.affine.forward(style), 2, 1);
    return adaIN(x, add(gain, 1), shift, this.#options);
  }
}

/**
 * Virtual batch normalisation (Salimans et al. 2016, section 3.4): each sample is normalised by the statistics of a fixed
 * reference batch of R samples joined with itself, so that samples do not influence one another:
 * m = (R m_ref + m_x) / (R + 1) for the mean and the mean square per channel, y = act(γ (x - mean) / √(var + ε) + β).
 *
 * x [N, ..., features]. The reference is shown with setReference() before the first use, and again whenever the layers
 * before this one have changed; its statistics are saved, and constants to any gradient.
 */
export class VirtualBatchNorm extends Module {
  /** Scale γ, [features]. */
  readonly weight: Tensor;
  /** Shift β, [features]. */
  readonly bias: Tensor;
  /** [features]. */
  readonly referenceMean: Tensor;
  /** Mean of the squares, [features]. */
  readonly referenceSquare: Tensor;
  /** Number of samples of the reference, []; 0 before there is one. */
  readonly referenceSize: Tensor;
  /** @internal Whether forward() is seeing the reference. */
  learning = false;
  readonly #options: Fused;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(features: number, options: NormOptions = {}) {
    super();
    assertCount(features, 'VirtualBatchNorm: features');
    const { gammaInit = ones, betaInit = zeros, generator } = options;
    this.#options = fused(options, 'VirtualBatchNorm');
    this.weight = parameter(gammaInit([features], generator));
    this.bias = parameter(betaInit([features], generator));
    this.referenceMean = buffer(zeros([features]));
    this.referenceSquare = buffer(ones([features]));
    this.referenceSize = buffer(zeros([]));
  }

  forward(input: Tensor): Tensor {
    const { weight, bias } = this;
    const features = weight.size;
    if (input.rank < 2 || input.shape[input.rank - 1] !== features) {
      throw new GanvasError(
        'ERR_SHAPE',
        `VirtualBatchNorm: expected x of shape [N, ..., ${features}], got [${input.shape}]`,
      );
    }
    return scope(() => {
      const x = inFloat32(input);
      const rows = reshape(x, [x.shape[0], -1, features]);
      const [ownMean, ownSquare] = [mean(rows, 1), mean(square(rows), 1)];
      if (this.learning) this.#learn(ownMean, ownSquare);
      const [m, s] = this.learning
        ? [mean(ownMean, 0, true), mean(ownSquare, 0, true)]
        : [this.#joined(this.referenceMean, ownMean), this.#joined(this.referenceSquare, ownSquare)];
      const scale = mul(rsqrt(add(sub(s, square(m)), this.#options.eps)), weight);
      // One row of the reference's own statistics serves all its samples.
      const [rowScale, rowShift] = [scale, sub(bias, mul(m, scale))].map((row) =>
        broadcastTo(row, [x.shape[0], features]),
      );
      return affineAct(x, rowScale, rowShift, this.#options);
    });
  }

  /** (R reference + own) / (R + 1). */
  #joined(reference: Tensor, own: Tensor): Tensor {
    const share = div(this.referenceSize, add(this.referenceSize, 1));
    return add(own, mul(share, sub(reference, own)));
  }

  #learn(ownMean: Tensor, ownSquare: Tensor): void {
    noGrad(() =>
      scope(() => {
        assign(
          [this.referenceMean, this.referenceSquare, this.referenceSize],
          [mean(ownMean, 0), mean(ownSquare, 0), mul(ones([]), ownMean.shape[0])],
        );
      }),
    );
  }
}

/**
 * Shows a reference batch to all virtual batch norms of the network: runs `forward`, which must run the network once on
 * the reference, while they note the statistics (and normalise it by itself).
 */
export function setReference(network: AnyModule, forward: () => unknown): void {
  const layers = network.modules().filter((m): m is VirtualBatchNorm => m instanceof VirtualBatchNorm);
  for (const layer of layers) layer.learning = true;
  try {
    scope(() => {
      noGrad(forward);
    });
  } finally {
    for (const layer of layers) layer.learning = false;
  }
}
