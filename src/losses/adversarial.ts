// The two-player losses, all from logits D(x) in (-∞, ∞): softplus(x) = log(1 + eˣ) instead of a sigmoid and a logarithm,
// which would overflow. Pure functions that return a scalar to be minimised; E is the mean over all logits, so patch
// discriminators work too. Penalties are in gradient-penalty.ts and regularisers.ts and are added by the caller.

import { GanvasError } from '../errors.js';
import { add, maximum, mean, mul, neg, softplus, square, sub } from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertSameShape } from './reduction.js';

/** A pair of objectives. */
export interface AdversarialLoss<Options = Record<never, never>> {
  /** Whether the generator's objective compares generated with real samples and so needs the logits of both. */
  readonly relativistic?: true;
  /** What the discriminator minimises, from its logits of real and of generated samples. */
  discriminator(realLogits: Tensor, fakeLogits: Tensor, options?: Options): Tensor;
  /**
   * What the generator minimises, from the discriminator's logits of generated samples.
   * @param realLogits those of real samples: a relativistic objective throws ERR_ARGUMENT without them, the others
   *   ignore them
   */
  generator(fakeLogits: Tensor, options?: Options, realLogits?: Tensor): Tensor;
}

/** The objectives with logits in f32, whatever precision the networks computed them in. */
function fromLogits<Options>(loss: Omit<AdversarialLoss<Options>, 'relativistic'>): AdversarialLoss<Options> {
  return {
    discriminator: (real, fake, options) => loss.discriminator(inFloat32(real), inFloat32(fake), options),
    generator: (fake, options) => loss.generator(inFloat32(fake), options),
  };
}

/**
 * An objective that asks whether one batch looks more real than another: D minimises compare(real, fake), G the same
 * with the roles exchanged.
 */
function fromComparison(
  name: string,
  compare: (higher: Tensor, lower: Tensor, name: string) => Tensor,
): AdversarialLoss {
  return {
    relativistic: true,
    discriminator: (real, fake) => compare(inFloat32(real), inFloat32(fake), name),
    generator: (fake, _, real) => {
      if (!real) {
        throw new GanvasError(
          'ERR_ARGUMENT',
          `${name}: the generator's objective needs the logits of real samples as well, got none`,
        );
      }
      return compare(inFloat32(fake), inFloat32(real), name);
    },
  };
}

export interface SmoothingOptions {
  /** One-sided label smoothing s in [0, 1): real samples have the target 1 - s (Salimans et al. 2016, 3.4). Default 0. */
  smoothing?: number;
}

/** E[-(1-s) log σ(D(x)) - s log(1-σ(D(x)))] + E[-log(1-σ(D(G(z))))] */
function classify(realLogits: Tensor, fakeLogits: Tensor, { smoothing = 0 }: SmoothingOptions = {}): Tensor {
  if (!(smoothing >= 0 && smoothing < 1)) {
    throw new GanvasError('ERR_ARGUMENT', `label smoothing must be at least 0 and below 1, got ${smoothing}`);
  }
  const real = mean(softplus(neg(realLogits)));
  const fake = mean(softplus(fakeLogits));
  const loss = real.add(fake);
  // softplus(-x) + s x is the cross-entropy with the target 1 - s.
  return smoothing === 0 ? loss : loss.add(mul(mean(realLogits), smoothing));
}

/**
 * The minimax game (Goodfellow et al. 2014, eq. 1): D minimises -E[log σ(D(x))] - E[log(1 - σ(D(G(z))))], G minimises
 * E[log(1 - σ(D(G(z))))]. G's gradient vanishes where D is sure; see nonSaturating.
 */
export const minimax: AdversarialLoss<SmoothingOptions> = fromLogits({
  discriminator: classify,
  generator: (fakeLogits) => neg(mean(softplus(fakeLogits))),
});

/**
 * The non-saturating game (Goodfellow et al. 2014, section 3): D as in minimax, G minimises -E[log σ(D(G(z)))]. Same
 * fixed point, strong gradients early on. What DCGAN and most of its successors use.
 */
export const nonSaturating: AdversarialLoss<SmoothingOptions> = fromLogits({
  discriminator: classify,
  generator: (fakeLogits) => mean(softplus(neg(fakeLogits))),
});

export interface LeastSquaresOptions {
  /** D's target for generated samples. Default 0. */
  a?: number;
  /** D's target for real samples. Default 1. */
  b?: number;
  /** What G wants D to say of generated samples. Default 1. */
  c?: number;
}

/**
 * LSGAN (Mao et al. 2017, eq. 2): D minimises ½ E[(D(x) - b)²] + ½ E[(D(G(z)) - a)²], G minimises ½ E[(D(G(z)) - c)²].
 * With b - c = 1 and b - a = 2 this is Pearson's χ² divergence.
 */
export const leastSquares: AdversarialLoss<LeastSquaresOptions> = fromLogits<LeastSquaresOptions>({
  discriminator: (realLogits, fakeLogits, { a = 0, b = 1 } = {}) =>
    mul(mean(square(sub(realLogits, b))).add(mean(square(sub(fakeLogits, a)))), 0.5),
  generator: (fakeLogits, { c = 1 } = {}) => mul(mean(square(sub(fakeLogits, c))), 0.5),
});

/**
 * WGAN (Arjovsky et al. 2017, eq. 2): the critic minimises E[D(G(z))] - E[D(x)], the negative of an estimate of the Wasserstein distance,
 * G minimises -E[D(G(z))]. The critic must be kept Lipschitz: add gradientPenalty, or clip its weights.
 */
export const wasserstein: AdversarialLoss = fromLogits({
  discriminator: (realLogits, fakeLogits) => sub(mean(fakeLogits), mean(realLogits)),
  generator: (fakeLogits) => neg(mean(fakeLogits)),
});

/**
 * The hinge loss (Lim and Ye 2017; Miyato et al. 2018, eq. 16 and 17): D minimises E[max(0, 1 - D(x))] +
 * E[max(0, 1 + D(G(z)))], G minimises -E[D(G(z))].
 */
export const hinge: AdversarialLoss = fromLogits({
  discriminator: (realLogits, fakeLogits) =>
    mean(maximum(sub(1, realLogits), 0)).add(mean(maximum(add(fakeLogits, 1), 0))),
  generator: (fakeLogits) => neg(mean(fakeLogits)),
});

/**
 * The relativistic game (RSGAN, Jolicoeur-Martineau 2019; R3GAN's as well): D minimises
 * E[-log σ(D(x) - D(G(z)))], G minimises E[-log σ(D(G(z)) - D(x))], real and generated samples paired by index.
 * Throws ERR_SHAPE unless both logits have one shape.
 */
export const relativistic: AdversarialLoss = fromComparison('relativistic', (higher, lower, name) => {
  assertSameShape(name, higher, lower);
  return mean(softplus(sub(lower, higher)));
});

/**
 * The relativistic average game (RaSGAN, Jolicoeur-Martineau 2019): D minimises
 * E[-log σ(D(x) - E D(G(z)))] + E[-log(1 - σ(D(G(z)) - E D(x)))], G the same with the roles exchanged. The batches may
 * differ in size.
 */
export const relativisticAverage: AdversarialLoss = fromComparison('relativisticAverage', (higher, lower) =>
  mean(softplus(sub(mean(lower), higher))).add(mean(softplus(sub(lower, mean(higher))))),
);

/**
 * The hinge form of relativisticAverage (RaHingeGAN, Jolicoeur-Martineau 2019): D minimises
 * E[max(0, 1 - (D(x) - E D(G(z))))] + E[max(0, 1 + (D(G(z)) - E D(x)))], G the same with the roles exchanged.
 */
export const relativisticHinge: AdversarialLoss = fromComparison('relativisticHinge', (higher, lower) => {
  const above = sub(higher, mean(lower));
  const below = sub(lower, mean(higher));
  return mean(maximum(sub(1, above), 0)).add(mean(maximum(add(below, 1), 0)));
});

/** Every objective by its name. */
export const adversarialLosses = {
  nonSaturating,
  minimax,
  leastSquares,
  hinge,
  wasserstein,
  relativistic,
  relativisticAverage,
  relativisticHinge,
} as const satisfies Readonly<Record<string, AdversarialLoss>>;
