// What VAE/GAN has besides DCGAN's generator and discriminator: an encoder from images to a normal
// distribution of latents (Larsen et al. 2016), and the decision which of the players learn from a batch.

import { Linear } from '../nn/linear.js';
import { buffer, Module } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import { add, cast, exp, greater, less, maximum, mul, ones, randn, split, sub } from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { type DcganDiscriminatorOptions, dcganBody } from './dcgan.js';
import type { ImageDims } from './dims.js';

/** A normal distribution for each image: both [n, zSize]. */
export interface Posterior {
  mean: Tensor;
  logVariance: Tensor;
}

/**
 * q(z | x) = N(μ(x), diag σ²(x)): the convolutions of a DCGAN discriminator, then μ and log σ² side by side.
 */
export class GaussianEncoder extends Module {
  readonly body: Module;
  readonly output: Linear;

  /**
   * @throws GanvasError ERR_CONFIG for sizes that dcganBody refuses, ERR_ARGUMENT unless zSize is a positive
   * integer
   */
  constructor(
    dims: ImageDims,
    zSize: number,
    options: Pick<DcganDiscriminatorOptions, 'baseWidth' | 'norm'> = {},
  ) {
    super();
    const { body, featureSize } = dcganBody(dims, options);
    this.body = body;
    this.output = new Linear(featureSize, 2 * zSize);
  }

  /** Of images [n, height, width, channels]. */
  posterior(x: Tensor): Posterior {
    const features = this.body.forward(x);
    const [mean, logVariance] = split(this.output.forward(features.reshape([x.shape[0], -1])), 2, 1);
    return { mean, logVariance };
  }

  /**
   * μ(x), [n, zSize]: the latents that the generator makes reconstructions of, and the features of an image.
   */
  forward(x: Tensor): Tensor {
    return this.posterior(x).mean;
  }
}

/**
 * A draw from each distribution that a gradient flows through: μ + σ ε, ε ~ N(0, 1) (Kingma and Welling 2014,
 * section 2.4).
 */
export function reparametrised({ mean, logVariance }: Posterior): Tensor {
  return add(mean, mul(exp(mul(logVariance, 0.5)), randn(mean.shape)));
}

/**
 * Which of two players learn from a batch, by what it cost the discriminator to judge real and generated
 * images: one that is more than `margin` better than the equilibrium waits, and so does the generator while D
 * is that much worse. If neither would learn, both do. The rule of the published code of VAE/GAN.
 */
export class Equilibrium extends Module<Tensor> {
  /** 1 or 0: whether the generator learns, as the last batch has it. */
  readonly generator: Tensor;
  readonly equilibrium: number;
  readonly margin: number;

  constructor(equilibrium: number, margin: number) {
    super();
    this.equilibrium = equilibrium;
    this.margin = margin;
    this.generator = buffer(ones([]));
  }

  /** Notes whether the generator learns; gives whether the discriminator does, 1 or 0, []. */
  forward(realCost: Tensor, fakeCost: Tensor): Tensor {
    const { equilibrium, margin } = this;
    return noGrad(() =>
      scope(() => {
        const either = (test: (cost: Tensor) => Tensor) =>
          cast(maximum(test(realCost), test(fakeCost)), 'f32');
        const ahead = either((cost) => less(cost, equilibrium - margin));
        const behind = either((cost) => greater(cost, equilibrium + margin));
        const both = mul(ahead, behind);
        assign(this.generator, maximum(sub(1, behind), both));
        return maximum(sub(1, ahead), both);
      }),
    );
  }
}
