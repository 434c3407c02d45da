// The gradient penalty of WGAN-GP: keeps a critic near Lipschitz by pulling the norm of its gradient towards one between
// real and generated samples. Needs second-order gradients, so the critic must not normalise over the batch.

import { GanvasError } from '../errors.js';
import { grad } from '../tensor/autograd.js';
import { add, mean, mul, reshape, sqrt, square, sub, sum, uniform } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';

export interface GradientPenaltyOptions {
  /** Weight of the penalty. Default 10. */
  lambda?: number;
  /** The norm that is aimed at: 1 in WGAN-GP, 0 for a zero-centred penalty. Default 1. */
  target?: number;
  /** What the mixing weights are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

// The derivative of a square root is infinite at zero; this keeps it finite and changes no norm that matters.
const smallest = 1e-12;

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
  critic: (x: Tensor) => Tensor,
  real: Tensor,
  fake: Tensor,
  { lambda = 10, target = 1, generator }: GradientPenaltyOptions = {},
): Tensor {
  const { shape } = real;
  if (shape.length === 0 || shape.length !== fake.rank || shape.some((size, i) => size !== fake.shape[i])) {
    throw new GanvasError(
      'ERR_SHAPE',
      `gradientPenalty: real and fake must have one shape [N, ...], got [${shape}] and [${fake.shape}]`,
    );
  }
  const epsilon = uniform([shape[0], ...shape.slice(1).map(() => 1)], { generator });
  const between = add(fake, mul(epsilon, sub(real, fake)));
  const slope = grad((x: Tensor) => sum(critic(x)))(between);
  const norm = sqrt(add(sum(square(reshape(slope, [shape[0], -1])), 1), smallest));
  return mul(mean(square(sub(norm, target))), lambda);
}
