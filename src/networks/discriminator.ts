// What every discriminator is to the game: features of an image, and logits from them. Feature matching looks at the
// features, class and code heads sit beside the logits. Architectures are in the other files here.

import { normal } from '../nn/init.js';
import { Linear, type WeightedOptions } from '../nn/linear.js';
import { MinibatchDiscrimination, MinibatchStdDev } from '../nn/minibatch.js';
import { assertCount, Module } from '../nn/module.js';
import { reshape } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** D(x, y) = head(features(x), y): images [n, height, width, channels] → logits [n, 1]. */
export abstract class Discriminator extends Module {
  /** What the last layer sees, [n, F]. */
  abstract features(x: Tensor): Tensor;

  /** @param labels i32 [n], for conditional discriminators; the others ignore them */
  abstract head(features: Tensor, labels?: Tensor): Tensor;

  forward(x: Tensor, labels?: Tensor): Tensor {
    return this.head(this.features(x), labels);
  }
}

export const minibatchKinds = ['none', 'discrimination', 'stddev'] as const;

export interface PlainDiscriminatorOptions
  extends Pick<WeightedOptions, 'weightInit' | 'biasInit' | 'spectralNorm'> {
  /**
   * Lets D compare the images of a batch, against mode collapse: 'discrimination' adds the similarities of Salimans et al.
   * (2016, section 3.2; 100 kernels of 5 numbers) to the features, 'stddev' the deviation of Karras et al. (2018, section 3).
   * Default 'none'.
   */
  minibatch?: (typeof minibatchKinds)[number];
}

const discriminationKernels = 100;
const discriminationSize = 5;

/** Any network with a fully connected last layer. */
export class PlainDiscriminator extends Discriminator {
  readonly body: Module;
  readonly minibatch: MinibatchDiscrimination | MinibatchStdDev | undefined;
  readonly output: Linear;
  /** F, how many numbers features() makes of an image. */
  readonly featureSize: number;

  /**
   * @param body images → features of any shape, `featureSize` numbers per image
   * @throws GanvasError ERR_ARGUMENT unless featureSize is a positive integer
   */
  constructor(body: Module, featureSize: number, options: PlainDiscriminatorOptions = {}) {
    super();
    assertCount(featureSize, 'PlainDiscriminator: featureSize');
    const { minibatch = 'none', ...linear } = options;
    this.body = body;
    if (minibatch === 'discrimination') {
      // Rows of unit length on average, as the authors normalise theirs: with longer ones every distance between two
      // images is so large that its similarity, exp(-distance), vanishes together with its gradient.
      this.minibatch = new MinibatchDiscrimination(featureSize, discriminationKernels, discriminationSize, {
        weightInit: normal(0, 1 / Math.sqrt(featureSize)),
      });
    } else if (minibatch === 'stddev') this.minibatch = new MinibatchStdDev();
    const added = { none: 0, discrimination: discriminationKernels, stddev: 1 }[minibatch];
    this.featureSize = featureSize + added;
    this.output = new Linear(this.featureSize, 1, linear);
  }

  features(x: Tensor): Tensor {
    const flat = reshape(this.body.forward(x), [x.shape[0], -1]);
    return this.minibatch ? this.minibatch.forward(flat) : flat;
  }

  head(features: Tensor): Tensor {
    return this.output.forward(features);
  }
}
