// The networks of the semi-supervised GAN on MNIST (Salimans et al. 2016, section 5, and the published code):
// perceptrons for small images of any size. The discriminator is a classifier of K classes; what it says of
// real and generated follows from its K logits.

import { GanvasError } from '../errors.js';
import { Softplus } from '../nn/activation.js';
import { kaimingNormal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { assertCount, Module } from '../nn/module.js';
import { BatchNorm1d } from '../nn/norm.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import { noGrad } from '../tensor/autograd.js';
import { add, argmax, exp, log, max, mul, randn, sub, sum } from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator } from './discriminator.js';

const relu = { activation: 'relu', weightInit: kaimingNormal(), biasInit: zeros } as const;

/** In training, x + σ N(0, 1); else x. */
export class GaussianNoise extends Module {
  /** @throws GanvasError ERR_ARGUMENT unless sigma is a finite number of at least 0 */
  constructor(readonly sigma: number) {
    super();
    if (!(sigma >= 0 && Number.isFinite(sigma))) {
      throw new GanvasError('ERR_ARGUMENT', `GaussianNoise: sigma must be 0 or more, got ${sigma}`);
    }
  }

  forward(x: Tensor): Tensor {
    return this.training && this.sigma > 0 ? add(x, mul(randn(x.shape), this.sigma)) : x;
  }
}

/** log Σ eˣ over the last axis, which stays: [n, K] → [n, 1]. */
export function logSumExp(x: Tensor): Tensor {
  const scores = inFloat32(x);
  const largest = noGrad(() => max(scores, -1, true));
  return add(log(sum(exp(sub(scores, largest)), -1, true)), largest);
}

/**
 * Inputs [n, inputSize] → images [n, height, width, channels] in [-1, 1]: two hidden layers of `hidden`
 * units.
 */
export function sganGenerator(
  { height, width, channels }: ImageDims,
  inputSize: number,
  { hidden = 500 }: { hidden?: number } = {},
): Sequential {
  const block = (from: number) => [new Linear(from, hidden), new Softplus(), new BatchNorm1d(hidden)];
  return new Sequential(
    ...block(inputSize),
    ...block(hidden),
    new Linear(hidden, height * width * channels, { activation: 'tanh' }),
    new Reshape([height, width, channels]),
  );
}

export interface SganDiscriminatorOptions {
  /** K. */
  classes: number;
  /** Half the units of the first layer; the others have 1, ½, ½ and ½ times as many. Default 500. */
  hidden?: number;
  /** σ of the noise on the image and before every later layer, in training. Default 0.6 and 0.5. */
  noise?: readonly [number, number];
}

/**
 * A classifier of K classes that also tells real from generated: with Z = Σₖ e^{lₖ} over its K logits, D(x) =
 * Z / (Z + 1) (Salimans et al. 2016, section 5), which is σ(log Z). So head() gives log Z, and adding a class
 * "generated" with the logit 0 would change nothing.
 *
 * Five hidden layers with ReLU, and Gaussian noise before each of the six. The code's images lie in [0, 1]
 * and have noise of 0.3; ganvas' lie in [-1, 1], so theirs has 0.6.
 */
export class SganDiscriminator extends Discriminator {
  readonly body: Sequential;
  readonly output: Sequential;
  readonly classes: number;

  /**
   * @throws GanvasError ERR_ARGUMENT unless sizes are positive integers, classes at least 2, and noise 0 or
   * more
   */
  constructor({ height, width, channels }: ImageDims, options: SganDiscriminatorOptions) {
    super();
    const { classes, hidden = 500, noise: [pixelNoise, unitNoise] = [0.6, 0.5] } = options;
    assertCount(classes, 'SganDiscriminator: classes', 2);
    assertCount(hidden, 'SganDiscriminator: hidden');
    this.classes = classes;
    const half = Math.ceil(hidden / 2);
    const sizes = [height * width * channels, 2 * hidden, hidden, half, half, half];
    const layers = sizes
      .slice(1)
      .flatMap((units, i) => [
        new GaussianNoise(i === 0 ? pixelNoise : unitNoise),
        new Linear(sizes[i], units, relu),
      ]);
    this.body = new Sequential(new Flatten(), ...layers);
    this.output = new Sequential(new GaussianNoise(unitNoise), new Linear(half, classes));
  }

  features(x: Tensor): Tensor {
    return this.body.forward(x);
  }

  /** log Z, [n, 1]. */
  head(features: Tensor): Tensor {
    return logSumExp(this.classLogits(features));
  }

  /** From features, [n, K]. */
  classLogits(features: Tensor): Tensor {
    return this.output.forward(features);
  }

  /** The most probable class of each image, i32 [n]; call eval() before, which turns the noise off. */
  classify(images: Tensor): Tensor {
    return argmax(this.classLogits(this.features(images)), 1);
  }
}
