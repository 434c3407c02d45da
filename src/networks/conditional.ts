// What makes plain networks conditional on a class: a label's embedding in front of any generator, a
// perceptron that judges pixels and label together (CGAN), and a classifier beside the logits of any
// discriminator (ACGAN). Conditional norms and projection, which change the layers inside, are in
// residual.ts.

import { Dropout } from '../nn/dropout.js';
import { Embedding } from '../nn/embedding.js';
import { normal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { Sequential } from '../nn/sequential.js';
import { concat, mul, reshape } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator, type PlainDiscriminator } from './discriminator.js';
import { missingLabels } from './residual.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;

/**
 * How an embedded label meets the latent: 'concat' (CGAN) beside it, 'product' (ACGAN) element by element.
 */
export const labelJoins = ['concat', 'product'] as const;
export type LabelJoin = (typeof labelJoins)[number];

/** G(z, y) = body([z, e_y]) or body(z ⊙ e_y), e_y a learned vector of class y. */
export class LabelledGenerator extends Module {
  readonly embedding: Embedding;
  /** Takes zSize + embedding numbers for 'concat', zSize = embedding for 'product'. */
  readonly body: Module;
  readonly #join: LabelJoin;

  /**
   * @param body the generator behind: inputs [n, ...] → images
   * @param embedding numbers that stand for a class
   * @throws GanvasError ERR_ARGUMENT unless classes and embedding are positive integers
   */
  constructor(body: Module, classes: number, embedding: number, join: LabelJoin) {
    super();
    this.embedding = new Embedding(classes, embedding);
    this.body = body;
    this.#join = join;
  }

  /**
   * @param z [n, zSize]
   * @param labels i32 [n], or weights of the classes f32 [n, classes], which mix their vectors
   * @throws GanvasError ERR_ARGUMENT without labels
   */
  forward(z: Tensor, labels?: Tensor): Tensor {
    if (!labels) throw missingLabels('generator');
    const embedded = this.embedding.forward(labels);
    return this.body.forward(this.#join === 'concat' ? concat([z, embedded], 1) : mul(z, embedded));
  }
}

export interface LabelledPerceptronOptions {
  classes: number;
  /** Numbers that stand for a class. Default 10. */
  embedding?: number;
  /** A quarter of the units of each hidden layer. Default 128. */
  hidden?: number;
  /** Probability of dropping a unit of the second and third layer. Default 0.4. */
  dropout?: number;
  spectralNorm?: boolean;
}

/**
 * The discriminator of CGAN as PyTorch-GAN has it: pixels and the label's embedding side by side through
 * three hidden layers of 4 hidden units. Images [n, height, width, channels], labels i32 [n] → logits [n, 1].
 * As label and image meet in the first layer, the features of an image by itself are its pixels.
 */
export class LabelledPerceptronDiscriminator extends Discriminator {
  readonly embedding: Embedding;
  readonly body: Sequential;

  /** @throws GanvasError ERR_ARGUMENT unless the sizes are positive integers and 0 <= dropout < 1 */
  constructor({ height, width, channels }: ImageDims, options: LabelledPerceptronOptions) {
    super();
    const { classes, embedding = 10, hidden = 128, dropout = 0.4, spectralNorm } = options;
    const units = 4 * hidden;
    this.embedding = new Embedding(classes, embedding);
    this.body = new Sequential(
      new Linear(height * width * channels + embedding, units, { ...leaky, spectralNorm }),
      new Linear(units, units, { ...leaky, spectralNorm }),
      new Dropout(dropout),
      new Linear(units, units, { ...leaky, spectralNorm }),
      new Dropout(dropout),
      new Linear(units, 1, { spectralNorm }),
    );
  }

  features(x: Tensor): Tensor {
    return reshape(x, [x.shape[0], -1]);
  }

  /** @throws GanvasError ERR_ARGUMENT without labels */
  head(features: Tensor, labels?: Tensor): Tensor {
    if (!labels) throw missingLabels('discriminator');
    return this.body.forward(concat([features, this.embedding.forward(labels)], 1));
  }
}

/**
 * Any plain discriminator with a second last layer, which says what class an image is of (Odena et al. 2017,
 * section 3).
 */
export class ClassifyingDiscriminator extends Discriminator {
  readonly base: PlainDiscriminator;
  readonly classifier: Linear;

  /** @throws GanvasError ERR_ARGUMENT unless classes is a positive integer */
  constructor(base: PlainDiscriminator, classes: number, options: { spectralNorm?: boolean } = {}) {
    super();
    this.base = base;
    this.classifier = new Linear(base.featureSize, classes, {
      weightInit: normal(0, 0.02),
      biasInit: zeros,
      ...options,
    });
  }

  features(x: Tensor): Tensor {
    return this.base.features(x);
  }

  head(features: Tensor): Tensor {
    return this.base.head(features);
  }

  /** P(C | x) as logits [n, classes], from features [n, F]. */
  classify(features: Tensor): Tensor {
    return this.classifier.forward(features);
  }
}
