// Penalties on the gradient of a network by its input, which keep a discriminator smooth (WGAN-GP, R1, R2, DRAGAN) or a
// generator's mapping even (path length). All need second-order gradients: add them to the loss inside valueAndGrad. The
// discriminator's penalties look at each sample by itself, so it must not normalise over the batch.

import { GanvasError } from '../errors.js';
import { grad, noGrad } from '../tensor/autograd.js';
import {
  add,
  div,
  mean,
  mul,
  randn,
  reshape,
  sqrt,
  square,
  std,
  sub,
  sum,
  uniform,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';

/** Maps samples [N, ...] to logits, one or more per sample, each depending on its own sample only. */
export type Critic = (x: Tensor) => Tensor;

export interface GradientPenaltyOptions {
  /** Weight of the penalty. Default 10. */
  lambda?: number;
  /** The norm that is aimed at: 1 in WGAN-GP, 0 for a zero-centred penalty. Default 1. */
  target?: number;
  /** What random numbers are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

// The derivative of a square root is infinite at zero; this keeps it finite and changes no norm that matters.
const smallest = 1e-12;

/** ‖∇D(x)‖² of each sample, [N]. */
function squaredSlopes(critic: Critic, x: Tensor): Tensor {
  const slope = grad((at: Tensor) => sum(inFloat32(critic(at))))(x);
  return sum(square(reshape(slope, [x.shape[0], -1])), 1);
}

function assertSamples(name: string, x: Tensor): void {
  if (x.rank > 0) return;
  throw new GanvasError('ERR_SHAPE', `${name}: expected samples [N, ...], got a scalar`);
}

/**
 * λ E[(‖∇D(x)‖₂ - target)²] at the given points: what gradientPenalty and dragan compute at points of their own.
 * @param critic maps samples [N, ...] to logits
 * @param x [N, ...]
 */
export function slopePenalty(
  critic: Critic,
  x: Tensor,
  { lambda = 10, target = 1 }: { lambda?: number; target?: number } = {},
): Tensor {
  assertSamples('slopePenalty', x);
  const norm = sqrt(add(squaredSlopes(critic, x), smallest));
  return mul(mean(square(sub(norm, target))), lambda);
}

/**
 * λ E[(‖∇D(x̂)‖₂ - target)²] with x̂ = ε x + (1 - ε) G(z), one ε ~ U(0, 1) per sample (Gulrajani et al. 2017, algorithm 1).
 * Add it to the critic's loss inside valueAndGrad.
 *
 *     loss = wasserstein.discriminator(D(real), D(fake)).add(gradientPenalty(D, real, fake));
 *
 * @param critic maps samples [N, ...] to logits, one or more per sample, each depending on its own sample only
 * @param real [N, ...]
 * @param fake [N, ...], same shape
 * @throws GanvasError ERR_SHAPE unless real and fake have one shape
 */
export function gradientPenalty(
  critic: Critic,
  real: Tensor,
  fake: Tensor,
  { generator, ...options }: GradientPenaltyOptions = {},
): Tensor {
  const { shape } = real;
  if (shape.length === 0 || shape.length !== fake.rank || shape.some((size, i) => size !== fake.shape[i])) {
    throw new GanvasError(
      'ERR_SHAPE',
      `gradientPenalty: real and fake must have one shape [N, ...], got [${shape}] and [${fake.shape}]`,
    );
  }
  const epsilon = uniform(onePerSample(shape), { generator });
  return slopePenalty(critic, add(fake, mul(epsilon, sub(real, fake))), options);
}

/** The shape of one number per sample that broadcasts with samples of this shape. */
const onePerSample = (shape: readonly number[]): number[] => [shape[0], ...shape.slice(1).map(() => 1)];

export interface DraganOptions extends GradientPenaltyOptions {
  /** How far the noise reaches, in standard deviations of the batch. Default 0.5. */
  scale?: number;
}

/**
 * DRAGAN's penalty (Kodali et al. 2017): λ E[(‖∇D(x̂)‖₂ - target)²] around the real samples, x̂ = x + ε δ with
 * δ = scale · std(batch) · U(0, 1) per element and ε ~ U(0, 1) per sample, as in the authors' code.
 *
 * @param real [N, ...]
 */
export function dragan(
  critic: Critic,
  real: Tensor,
  { scale = 0.5, generator, ...options }: DraganOptions = {},
): Tensor {
  assertSamples('dragan', real);
  const reach = mul(std(real, undefined, false, 0), scale);
  const noise = mul(uniform(real.shape, { generator }), reach);
  const epsilon = uniform(onePerSample(real.shape), { generator });
  return slopePenalty(critic, add(real, mul(epsilon, noise)), options);
}

/**
 * R1 (Mescheder et al. 2018, eq. 9): γ/2 E[‖∇D(x)‖²] at real samples. StyleGAN2 computes it every 16th step with a
 * 16 times larger γ.
 *
 * @param real [N, ...]
 * @param gamma weight; StyleGAN2's is 10 for 256², default 10
 */
export function r1(critic: Critic, real: Tensor, { gamma = 10 }: { gamma?: number } = {}): Tensor {
  assertSamples('r1', real);
  return mul(mean(squaredSlopes(critic, real)), gamma / 2);
}

/** R2 (Mescheder et al. 2018, eq. 10): R1 at generated samples. R3GAN uses both. */
export function r2(critic: Critic, fake: Tensor, { gamma = 10 }: { gamma?: number } = {}): Tensor {
  assertSamples('r2', fake);
  return mul(mean(squaredSlopes(critic, fake)), gamma / 2);
}

export interface PathLengthOptions {
  /** The moving average of the path lengths, one element; updated in place. Keep it with the run's state. */
  runningMean: Tensor;
  /** Weight of the penalty. Default 2. */
  weight?: number;
  /** Share of the newest batch in the moving average. Default 0.01. */
  decay?: number;
  /** N(0, 1) numbers like the images, instead of drawing them. */
  noise?: Tensor;
  generator?: Generator;
}

/**
 * Path length regularisation (Karras et al. 2020, StyleGAN2, section 3.2): weight · E[(‖Jᵀ y‖ - a)²], J the derivative of
 * the images by the latents, y ~ N(0, 1) / √(H W) and a the moving average of the lengths. For latents per layer
 * [N, L, D] the squared lengths are averaged over layers. As in the authors' code, the gradient also runs through the
 * newest batch's share of a.
 *
 * @param synthesis maps latents to images [N, H, W, C]
 * @param latents [N, D] or [N, L, D]
 * @throws GanvasError ERR_SHAPE for latents or images of another rank, or a moving average of more than one element
 */
export function pathLength(
  synthesis: (latents: Tensor) => Tensor,
  latents: Tensor,
  { runningMean, weight = 2, decay = 0.01, noise, generator }: PathLengthOptions,
): Tensor {
  if ((latents.rank !== 2 && latents.rank !== 3) || runningMean.size !== 1) {
    throw new GanvasError(
      'ERR_SHAPE',
      `pathLength: expected latents [N, D] or [N, L, D] and a moving average of one element, got [${latents.shape}] and [${runningMean.shape}]`,
    );
  }
  const slope = grad((w: Tensor) => {
    const images = inFloat32(synthesis(w));
    if (images.rank !== 4) {
      throw new GanvasError('ERR_SHAPE', `pathLength: images must be [N, H, W, C], got [${images.shape}]`);
    }
    const y = noise ?? randn(images.shape, { generator });
    return div(sum(mul(images, y)), Math.sqrt(images.shape[1] * images.shape[2]));
  })(latents);
  const squares = sum(square(slope), -1);
  const lengths = sqrt(add(latents.rank === 3 ? mean(squares, 1) : squares, smallest));
  const average = add(runningMean, mul(sub(mean(lengths), runningMean), decay));
  noGrad(() => assign(runningMean, reshape(average, runningMean.shape)));
  return mul(mean(square(sub(lengths, average))), weight);
}
