// The parts of a latent that shall mean something, and a discriminator that reads them off images: InfoGAN's
// codes c and its network Q(c | x) (Chen et al. 2016). What is made of them in training is models/infogan.ts.

import { normal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { BatchNorm1d } from '../nn/norm.js';
import { Sequential } from '../nn/sequential.js';
import { concat, slice, softmax, split } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { Discriminator, type PlainDiscriminator } from './discriminator.js';

/** Neighbouring coordinates of a latent that are one code. */
export interface Code {
  name: string;
  /** 'categorical': one of the coordinates is 1, the others 0. 'continuous': each in [-1, 1]. */
  kind: 'categorical' | 'continuous';
  /** The first coordinate. */
  start: number;
  /** How many coordinates: values of a categorical code, numbers of a continuous one. */
  size: number;
}

export interface CodeCounts {
  /** How many categorical codes. */
  categorical: number;
  /** How many values each of them has. */
  categories: number;
  /** How many continuous codes of one number. */
  continuous: number;
}

/** The codes of a latent that begins with `start` other numbers: categorical ones first. */
export function codesAfter(start: number, { categorical, categories, continuous }: CodeCounts): Code[] {
  const codes = (count: number, kind: Code['kind'], from: number, size: number) =>
    Array.from({ length: count }, (_, i) => ({ name: `${kind}${i}`, kind, start: from + i * size, size }));
  return [
    ...codes(categorical, 'categorical', start, categories),
    ...codes(continuous, 'continuous', start + categorical * categories, 1),
  ];
}

export interface RecognitionOptions {
  /** Units of Q's hidden layer. Default 128. */
  hidden?: number;
  /** Whether the variance of a continuous code is learned; otherwise it is 1. Default false. */
  variance?: boolean;
  /** Whether Q's hidden layer is batch-normalised. Default true. */
  norm?: boolean;
  spectralNorm?: boolean;
}

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
const weightInit = normal(0, 0.02);

/**
 * Any plain discriminator with InfoGAN's Q beside the last layer: features → a hidden layer → the parameters
 * of a distribution for each code (Chen et al. 2016, section 6 and appendix C.1).
 */
export class RecognisingDiscriminator extends Discriminator {
  readonly base: PlainDiscriminator;
  readonly recogniser: Sequential;
  readonly codes: readonly Code[];
  readonly #sizes: readonly number[];

  /** @throws GanvasError ERR_ARGUMENT unless hidden is a positive integer and there are codes */
  constructor(base: PlainDiscriminator, codes: readonly Code[], options: RecognitionOptions = {}) {
    super();
    const { hidden = 128, variance = false, norm = true, spectralNorm } = options;
    this.base = base;
    this.codes = codes;
    this.#sizes = codes.map(({ kind, size }) => (kind === 'continuous' && variance ? 2 * size : size));
    const parameters = this.#sizes.reduce((sum, size) => sum + size, 0);
    const biased = { weightInit, biasInit: zeros, spectralNorm } as const;
    this.recogniser = norm
      ? new Sequential(
          new Linear(base.featureSize, hidden, { weightInit, spectralNorm, bias: false }),
          new BatchNorm1d(hidden, leaky),
          new Linear(hidden, parameters, biased),
        )
      : new Sequential(
          new Linear(base.featureSize, hidden, { ...leaky, ...biased }),
          new Linear(hidden, parameters, biased),
        );
  }

  features(x: Tensor): Tensor {
    return this.base.features(x);
  }

  head(features: Tensor): Tensor {
    return this.base.head(features);
  }

  /**
   * Q(c | x) from features [n, F], for each code in turn: logits [n, size] of a categorical one; of a
   * continuous one the means [n, size], followed by the logarithms of the variances, [n, 2 size] in all,
   * where these are learned.
   */
  recognise(features: Tensor): Tensor[] {
    return split(this.recogniser.forward(features), this.#sizes, 1);
  }

  /**
   * The codes of images [n, height, width, channels] as far as Q can tell, in the order of `codes`, [n, sum
   * of sizes]: the probabilities of the values of a categorical code, the mean of a continuous one. In
   * evaluation mode, of any n.
   */
  infer(x: Tensor): Tensor {
    const found = this.recognise(this.features(x)).map((parameters, i) => {
      const { kind, size } = this.codes[i];
      return kind === 'categorical' ? softmax(parameters, -1) : slice(parameters, [0, 0], [x.shape[0], size]);
    });
    return concat(found, 1);
  }
}
