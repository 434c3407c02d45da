// Adaptive discriminator augmentation (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"):
// every image the discriminator sees is changed by each of a list of transforms with probability p, and p follows how
// much the discriminator overfits. The transforms' formulas are in geometric.ts and recolour.ts. Not here: image-space
// filtering, noise and cutout, which the paper's own choice of transforms, 'bgc', leaves out.

import { GanvasError } from '../errors.js';
import { assertCount, buffer, Module } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  bernoulli,
  cast,
  clamp,
  div,
  equal,
  exp,
  full,
  less,
  maximum,
  mul,
  ones,
  rand,
  randint,
  randn,
  round,
  sign,
  sqrt,
  sub,
  sum,
  uniform,
  where,
  zeros,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Generator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertImageBatch, onColours } from './colours.js';
import { type Affine, inOrder, moved, unrotate, unscale, untranslate } from './geometric.js';
import { recoloured } from './recolour.js';

/** Which transforms each policy has. */
const policies = {
  blit: { blit: true, geom: false, color: false },
  geom: { blit: false, geom: true, color: false },
  color: { blit: false, geom: false, color: true },
  bg: { blit: true, geom: true, color: false },
  bgc: { blit: true, geom: true, color: true },
} as const;

export type AdaptivePolicy = keyof typeof policies;

export interface AdaptiveAugmentOptions {
  /**
   * 'blit': flips, 90° turns and moves by whole pixels; 'geom': other scales, turns and moves; 'color'; 'bg' and 'bgc':
   * the first two, and all. Default 'bgc'.
   */
  policy?: AdaptivePolicy;
  /** What p begins with, in [0, 1]. Default 0. */
  probability?: number;
  /** The r_t that p aims at, in [-1, 1]. Default 0.6. */
  target?: number;
  /** How many real images it takes p to go from 0 to 1. Default 500 000. */
  rampImages?: number;
  /** Calls of update() for each change of p. Default 4. */
  interval?: number;
  /** What random numbers are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

// Ranges of the authors' code: of pixel moves as a share of the side, and standard deviations, those of factors in log2.
const wholeMove = 1 / 8;
const scaleStd = 0.2;
const anisotropyStd = 0.2;
const moveStd = 1 / 8;
const brightnessStd = 0.2;
const contrastStd = 0.5;
const saturationStd = 1;

/**
 * The augmentation pipeline of ADA (Karras et al. 2020, section 3 and appendix B). Both the real and the generated
 * images go through it in all phases, each image with draws of its own; with p = 0 they come out as they are. After the
 * discriminator has judged augmented real images, update() moves p.
 *
 *     const realLogits = discriminator.forward(augment.forward(images));
 *     augment.update(realLogits);
 *
 * Two simplifications: images are resampled bilinearly without the paper's wavelet filter, so that shrinking may alias,
 * and the border pixels are repeated where images are mirrored at the border.
 *
 * In the order of application, each with probability p: mirrored left to right or not, turned by 0, 90, 180 or 270°
 * (square images only), moved by whole pixels up to 1/8 of the side; scaled by 2^N(0, 0.2²), turned by U(-π, π) before
 * or after scaling one axis by 2^N(0, 0.2²) and the other by its inverse, moved by N(0, (1/8)²) of the side; brightness
 * + N(0, 0.2²), contrast × 2^N(0, 0.5²), luma negated or not, hue + U(-π, π), saturation × 2^N(0, 1). Of images with 4
 * channels the last, transparency, is only moved; images with 1 channel have no hue and no saturation.
 *
 * Differentiable to any order, for penalties on the discriminator's gradient.
 */
export class AdaptiveAugment extends Module {
  /** p, one number. */
  readonly probability: Tensor;
  /** Sum of sign D(x) since p last changed. */
  readonly signs: Tensor;
  /** Number of logits in it. */
  readonly seen: Tensor;
  /** Calls of update() since then. */
  readonly updates: Tensor;
  readonly policy: AdaptivePolicy;
  readonly target: number;
  readonly rampImages: number;
  readonly interval: number;
  readonly #generator: Generator | undefined;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(options: AdaptiveAugmentOptions = {}) {
    super();
    const { policy = 'bgc', probability = 0, target = 0.6, rampImages = 500_000, interval = 4 } = options;
    const assert = (valid: boolean, what: string, value: unknown) => {
      if (!valid) throw new GanvasError('ERR_ARGUMENT', `AdaptiveAugment: ${what}, got ${String(value)}`);
    };
    assert(
      Object.hasOwn(policies, policy),
      `policy must be one of ${Object.keys(policies).join(', ')}`,
      policy,
    );
    assert(probability >= 0 && probability <= 1, 'probability must be 0 to 1', probability);
    assert(target >= -1 && target <= 1, 'target must be -1 to 1', target);
    assert(rampImages > 0 && Number.isFinite(rampImages), 'rampImages must be a number above 0', rampImages);
    assertCount(interval, 'AdaptiveAugment: interval');
    this.policy = policy;
    this.target = target;
    this.rampImages = rampImages;
    this.interval = interval;
    this.#generator = options.generator;
    this.probability = buffer(full([], probability));
    this.signs = buffer(zeros([]));
    this.seen = buffer(zeros([]));
    this.updates = buffer(zeros([]));
  }

  /**
   * Augmented images.
   * @param x [N, H, W, C] in [-1, 1], C 1, 3 or 4; what comes out may leave [-1, 1]
   * @throws GanvasError ERR_SHAPE for anything else
   */
  forward(x: Tensor): Tensor {
    assertImageBatch('AdaptiveAugment', x);
    const channels = x.shape[3];
    if (channels !== 1 && channels !== 3 && channels !== 4) {
      throw new GanvasError('ERR_SHAPE', `AdaptiveAugment: expected 1, 3 or 4 channels, got [${x.shape}]`);
    }
    const { blit, geom, color } = policies[this.policy];
    let y = x;
    if (blit || geom) y = this.#move(y, blit, geom);
    return color ? onColours(y, (colours) => this.#recolour(colours)) : y;
  }

  /**
   * Remembers sign D(x), and at every `interval`th call moves p by the share of `rampImages` seen since: up where their
   * mean r_t lies above the target, down where it lies below, within [0, 1]. For objectives in which D(x) > 0 means
   * real: not for least squares with its usual targets, nor for a Wasserstein critic.
   * @param realLogits D's logits of augmented real images, one for each image
   */
  update(realLogits: Tensor): void {
    noGrad(() =>
      scope(() => {
        const signs = add(this.signs, sum(sign(inFloat32(realLogits))));
        const seen = add(this.seen, realLogits.size);
        const updates = add(this.updates, 1);
        const due = equal(updates, this.interval);
        const direction = sign(sub(div(signs, seen), this.target));
        const next = clamp(add(this.probability, div(mul(direction, seen), this.rampImages)), 0, 1);
        assign(
          [this.probability, this.signs, this.seen, this.updates],
          [where(due, next, this.probability), ...[signs, seen, updates].map((t) => where(due, 0, t))],
        );
      }),
    );
  }

  /** 1 or 0 for each of n images: 1 with the probability given. */
  #chosen(n: number, probability = this.probability): Tensor {
    return less(rand([n], { generator: this.#generator }), probability);
  }

  /** `changed` for the images chosen with probability p, `unchanged` for the others. */
  #perhaps(changed: Tensor, unchanged: number): Tensor {
    return where(this.#chosen(changed.shape[0]), changed, unchanged);
  }

  /** 2^N(0, std²) for each of n images, perhaps. */
  #factor(n: number, std: number): Tensor {
    const normal = randn([n], { std: std * Math.LN2, generator: this.#generator });
    return this.#perhaps(exp(normal), 1);
  }

  /** 1 or -1 for each of n images. */
  #eitherSign(n: number): Tensor {
    return sub(1, bernoulli([n], 0.5, { value: 2, generator: this.#generator }));
  }

  #move(x: Tensor, blit: boolean, geom: boolean): Tensor {
    const [n, height, width] = x.shape;
    const generator = this.#generator;
    const inverses: Affine[] = [];
    // One choice for both directions of a move.
    const move = (tx: Tensor, ty: Tensor) => {
      const chosen = this.#chosen(n);
      inverses.push(untranslate(where(chosen, tx, 0), where(chosen, ty, 0)));
    };
    if (blit) {
      inverses.push(unscale(this.#perhaps(this.#eitherSign(n), 1), ones([n])));
      if (height === width) {
        const quarters = cast(randint([n], 0, 4, { generator }), 'f32');
        inverses.push(unrotate(this.#perhaps(mul(quarters, Math.PI / 2), 0)));
      }
      const share = () => uniform([n], { low: -wholeMove, high: wholeMove, generator });
      move(round(mul(share(), width)), round(mul(share(), height)));
    }
    if (geom) {
      const scale = this.#factor(n, scaleStd);
      inverses.push(unscale(scale, scale));
      // Two turns, so that either happens with probability p.
      const either = sub(1, sqrt(maximum(sub(1, this.probability), 0)));
      const turn = () => {
        const angle = uniform([n], { low: -Math.PI, high: Math.PI, generator });
        inverses.push(unrotate(where(this.#chosen(n, either), angle, 0)));
      };
      turn();
      const anisotropy = this.#factor(n, anisotropyStd);
      inverses.push(unscale(anisotropy, div(1, anisotropy)));
      turn();
      const share = () => randn([n], { std: moveStd, generator });
      move(mul(share(), width), mul(share(), height));
    }
    return moved(x, inOrder(inverses));
  }

  #recolour(x: Tensor): Tensor {
    const n = x.shape[0];
    const generator = this.#generator;
    return recoloured(x, {
      brightness: this.#perhaps(randn([n], { std: brightnessStd, generator }), 0),
      contrast: this.#factor(n, contrastStd),
      luma: this.#perhaps(this.#eitherSign(n), 1),
      hue: this.#perhaps(uniform([n], { low: -Math.PI, high: Math.PI, generator }), 0),
      saturation: this.#factor(n, saturationStd),
    });
  }
}
