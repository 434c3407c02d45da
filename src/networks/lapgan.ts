// The networks of LAPGAN (Denton et al. 2015): perceptrons make a small image, and at each level of a
// Laplacian pyramid convolutions make the details that turn an enlarged image into the next one. Layers
// follow the authors' code for CIFAR-10, whose discriminators do not pad; these do, so that levels of 8 x 8
// pixels can be judged as well. The game is in models/lapgan.ts.

import { GanvasError } from '../errors.js';
import { Conv2d } from '../nn/conv.js';
import { Dropout } from '../nn/dropout.js';
import { Embedding } from '../nn/embedding.js';
import { symmetricUniform } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { assertCount, Module } from '../nn/module.js';
import { Flatten } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import {
  add,
  avgPool2d,
  clamp,
  concat,
  oneHot,
  relu,
  reshape,
  resize,
  slice,
  sub,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';

const relued = { activation: 'relu' } as const;
const [leastBase, usualBase] = [4, 7];
const dropProbability = 0.5;

/** u(x): twice as large, with bilinear interpolation. */
export function expand(x: Tensor): Tensor {
  return resize(x, { scaleFactor: 2, mode: 'bilinear' });
}

/** A Laplacian pyramid (Burt and Adelson 1983), from the base up. */
export interface LaplacianPyramid {
  /** The smallest image, [n, height / 2^levels, width / 2^levels, channels]. */
  base: Tensor;
  /** For each level, the image before enlarged: what the details are added to. */
  coarse: Tensor[];
  /** For each level, what makes the image from `coarse`: the image is coarse + residual. */
  residuals: Tensor[];
}

/**
 * Takes images apart (Denton et al. 2015, equations 3 and 4): I₀ = x, I_k = d(I_{k-1}), d averaging 2 x 2
 * pixels, and h_k = I_k - u(I_{k+1}).
 *
 * @param x [n, height, width, channels], both sides multiples of 2^levels
 * @throws GanvasError ERR_SHAPE unless they are
 */
export function laplacianPyramid(x: Tensor, levels: number): LaplacianPyramid {
  const unit = 2 ** levels;
  if (x.rank !== 4 || x.shape[1] % unit !== 0 || x.shape[2] % unit !== 0) {
    throw new GanvasError(
      'ERR_SHAPE',
      `laplacianPyramid: expected images [n, height, width, channels] with sides that are multiples of ` +
        `2^${levels} = ${unit}, got [${x.shape}]`,
    );
  }
  const images = [x];
  for (let level = 0; level < levels; level++) images.unshift(avgPool2d(images[0], 2));
  const coarse = images.slice(0, -1).map(expand);
  return { base: images[0], coarse, residuals: coarse.map((c, i) => sub(images[i + 1], c)) };
}

/** Puts images together again: I_k = u(I_{k+1}) + h_k (Denton et al. 2015, equation 4). */
export function reconstruct({ base, residuals }: Pick<LaplacianPyramid, 'base' | 'residuals'>): Tensor {
  return residuals.reduce((image, residual) => add(expand(image), residual), base);
}

/**
 * How many levels images of these sides have: both are halved while they are even and the shorter keeps 7
 * pixels, so that 28 x 28 begins with 7 x 7, and 32 x 32 with 8 x 8 as in the paper; smaller images have one
 * level.
 * @param levels a number that was asked for instead
 * @throws GanvasError ERR_CONFIG unless the sides can be halved so often and the shorter keeps 4 pixels
 */
export function lapganLevels({ height, width }: ImageDims, levels?: number): number {
  if (levels !== undefined) assertCount(levels, 'lapgan: levels');
  let usual = 0;
  for (let unit = 2; height % unit === 0 && width % unit === 0; unit *= 2) {
    if (Math.min(height, width) / unit < usualBase) break;
    usual++;
  }
  const count = levels ?? Math.max(1, usual);
  const unit = 2 ** count;
  if (height % unit === 0 && width % unit === 0 && Math.min(height, width) / unit >= leastBase) return count;
  const up = (side: number) => unit * Math.max(leastBase, Math.ceil(side / unit));
  throw new GanvasError(
    'ERR_CONFIG',
    `lapgan: for ${count} ${count === 1 ? 'level' : 'levels'}, height and width must be multiples ` +
      `of ${unit} of at least ${unit * leastBase}, got ${height} x ${width}; try --height ${up(height)} --width ${up(width)}`,
  );
}

export interface LapganOptions {
  /** How often the base is doubled. Default: see lapganLevels. */
  levels?: number;
  /** Numbers in the base's latent. Default 100. */
  baseLatent?: number;
  /** Units of the base's hidden layers. Default 512. */
  hidden?: number;
  /**
   * Channels of the convolutions of each level. The paper's is 64, some of the authors' scripts have 128.
   * Default 16.
   */
  baseWidth?: number;
  /** Makes the networks conditional: how many classes there are. */
  classes?: number;
}

type Plan = Required<Omit<LapganOptions, 'classes'>> & {
  classes: number | undefined;
  channels: number;
  /** [height, width] of the base and of each level, the image last. */
  sizes: [number, number][];
};

function planOf(dims: ImageDims, options: LapganOptions): Plan {
  const { baseLatent = 100, hidden = 512, baseWidth = 16, classes } = options;
  const { height, width, channels } = dims;
  const counts = { baseLatent, hidden, baseWidth, channels, ...(classes === undefined ? {} : { classes }) };
  for (const [name, count] of Object.entries(counts)) assertCount(count, `lapgan: ${name}`);
  const levels = lapganLevels(dims, options.levels);
  const sizes = Array.from({ length: levels + 1 }, (_, i): [number, number] => {
    const unit = 2 ** (levels - i);
    return [height / unit, width / unit];
  });
  return { levels, baseLatent, hidden, baseWidth, classes, channels, sizes };
}

function needed(labels: Tensor | undefined): Tensor {
  if (labels) return labels;
  throw new GanvasError('ERR_ARGUMENT', 'lapgan: conditional networks need labels, one i32 per image');
}

/** x [n, F] with the class as a vector beside it. */
function withClass(x: Tensor, classes: number | undefined, labels: Tensor | undefined): Tensor {
  if (classes === undefined) return x;
  const known = needed(labels);
  // Weights of all classes, which mix them, are such a vector already.
  return concat([x, known.dtype === 'f32' ? known : oneHot(known, classes)], 1);
}

/**
 * A plane of its own for each class, seen through a ReLU: a linear layer on the one-hot label, one number per
 * pixel.
 */
class ClassPlane extends Module {
  readonly planes: Embedding;
  readonly #size: readonly [number, number];

  constructor(classes: number, size: readonly [number, number]) {
    super();
    this.#size = size;
    const weightInit = symmetricUniform(1 / Math.sqrt(classes));
    this.planes = new Embedding(classes, size[0] * size[1], { weightInit });
  }

  /** Labels i32 [n] → [n, height, width, 1]. */
  forward(labels: Tensor): Tensor {
    return reshape(relu(this.planes.forward(labels)), [labels.shape[0], ...this.#size, 1]);
  }
}

const planesFor = ({ classes }: Plan, size: readonly [number, number]): ClassPlane | undefined =>
  classes === undefined ? undefined : new ClassPlane(classes, size);

/** Latents [n, baseLatent], and labels if conditional → the base of the pyramid, in [-1, 1]. */
export class LapganBaseGenerator extends Module {
  readonly body: Sequential;
  readonly #shape: number[];
  readonly #classes: number | undefined;

  /** @internal Made by LapganGenerator. */
  constructor({ baseLatent, hidden, classes, channels, sizes: [size] }: Plan) {
    super();
    this.#classes = classes;
    this.#shape = [...size, channels];
    this.body = new Sequential(
      new Linear(baseLatent + (classes ?? 0), hidden, relued),
      new Linear(hidden, hidden, relued),
      new Linear(hidden, size[0] * size[1] * channels, { activation: 'tanh' }),
    );
  }

  forward(z: Tensor, labels?: Tensor): Tensor {
    return reshape(this.body.forward(withClass(z, this.#classes, labels)), [z.shape[0], ...this.#shape]);
  }
}

/**
 * Enlarged images, a noise plane [n, height · width], and labels if conditional → the details to add to the
 * images.
 */
export class LapganLevelGenerator extends Module {
  readonly body: Sequential;
  readonly classPlane: ClassPlane | undefined;

  /** @internal Made by LapganGenerator. */
  constructor(plan: Plan, size: readonly [number, number]) {
    super();
    const { baseWidth, channels, classes } = plan;
    this.classPlane = planesFor(plan, size);
    this.body = new Sequential(
      new Conv2d(channels + (classes === undefined ? 1 : 2), baseWidth, 7, { padding: 3, ...relued }),
      new Conv2d(baseWidth, baseWidth, 7, { padding: 3, ...relued }),
      new Conv2d(baseWidth, channels, 5, { padding: 2 }),
    );
  }

  forward(coarse: Tensor, noise: Tensor, labels?: Tensor): Tensor {
    const [n, height, width] = coarse.shape;
    const planes = [coarse, reshape(noise, [n, height, width, 1])];
    if (this.classPlane) planes.push(this.classPlane.forward(needed(labels)));
    return this.body.forward(concat(planes, 3));
  }
}

/**
 * All generators of the pyramid as one: latents [n, latentSize], and labels i32 [n] if conditional → images
 * [n, height, width, channels] in [-1, 1] (Denton et al. 2015, equation 5). A latent is the base's, followed
 * by a noise plane for each level. Each level is given images in [-1, 1], as it is in training.
 */
export class LapganGenerator extends Module {
  readonly base: LapganBaseGenerator;
  readonly levels: LapganLevelGenerator[];
  /** Numbers that each part takes from a latent: the base, then the levels. */
  readonly latentSizes: readonly number[];

  /**
   * @throws GanvasError ERR_CONFIG for sides that have no such pyramid, ERR_ARGUMENT for impossible numbers
   */
  constructor(dims: ImageDims, options: LapganOptions = {}) {
    super();
    const plan = planOf(dims, options);
    const sizes = plan.sizes.slice(1);
    this.base = new LapganBaseGenerator(plan);
    this.levels = sizes.map((size) => new LapganLevelGenerator(plan, size));
    this.latentSizes = [plan.baseLatent, ...sizes.map(([height, width]) => height * width)];
  }

  /** Numbers in a latent. */
  get latentSize(): number {
    return this.latentSizes.reduce((total, size) => total + size, 0);
  }

  /** Latents [n, latentSize] → those of the base and of each level. */
  split(z: Tensor): Tensor[] {
    const n = z.shape[0];
    let start = 0;
    return this.latentSizes.map((size) => {
      const part = slice(z, [0, start], [n, size]);
      start += size;
      return part;
    });
  }

  /**
   * @throws GanvasError ERR_SHAPE for latents of another size, ERR_ARGUMENT without the labels that classes
   * need
   */
  forward(z: Tensor, labels?: Tensor): Tensor {
    if (z.rank !== 2 || z.shape[1] !== this.latentSize) {
      throw new GanvasError(
        'ERR_SHAPE',
        `LapganGenerator: expected latents [n, ${this.latentSize}], got [${z.shape}]`,
      );
    }
    const [first, ...noises] = this.split(z);
    return this.levels.reduce(
      (image, level, i) => {
        const coarse = expand(image);
        return clamp(add(coarse, level.forward(coarse, noises[i], labels)), -1, 1);
      },
      this.base.forward(first, labels),
    );
  }
}

/** Judges the base of the pyramid with a perceptron: images, and labels if conditional → logits [n, 1]. */
export class LapganBaseDiscriminator extends Module {
  readonly body: Sequential;
  readonly #classes: number | undefined;

  /** @internal Made by LapganDiscriminator. */
  constructor({ hidden, classes, channels, sizes: [[height, width]] }: Plan) {
    super();
    this.#classes = classes;
    this.body = new Sequential(
      new Linear(height * width * channels + (classes ?? 0), hidden, relued),
      new Dropout(dropProbability),
      new Linear(hidden, hidden, relued),
      new Dropout(dropProbability),
      new Linear(hidden, 1),
    );
  }

  forward(x: Tensor, labels?: Tensor): Tensor {
    return this.body.forward(withClass(reshape(x, [x.shape[0], -1]), this.#classes, labels));
  }
}

/**
 * Judges the images of a level, and labels if conditional → logits [n, 1]. What it sees is coarse + details,
 * added before the first convolution (Denton et al. 2015, section 2.3).
 */
export class LapganLevelDiscriminator extends Module {
  readonly body: Sequential;
  readonly classPlane: ClassPlane | undefined;

  /** @internal Made by LapganDiscriminator. */
  constructor(plan: Plan, size: readonly [number, number]) {
    super();
    const { baseWidth, channels, classes } = plan;
    this.classPlane = planesFor(plan, size);
    this.body = new Sequential(
      new Conv2d(channels + (classes === undefined ? 0 : 1), baseWidth, 5, { padding: 2, ...relued }),
      new Conv2d(baseWidth, baseWidth, 5, { stride: 2, padding: 2, ...relued }),
      new Flatten(),
      new Dropout(dropProbability),
      new Linear((size[0] / 2) * (size[1] / 2) * baseWidth, 1),
    );
  }

  forward(x: Tensor, labels?: Tensor): Tensor {
    const planes = this.classPlane ? concat([x, this.classPlane.forward(needed(labels))], 3) : x;
    return this.body.forward(planes);
  }
}

/**
 * One discriminator for the base and one for each level, each the opponent of one part of LapganGenerator.
 */
export class LapganDiscriminator extends Module<Tensor[]> {
  readonly base: LapganBaseDiscriminator;
  readonly levels: LapganLevelDiscriminator[];

  /**
   * @throws GanvasError ERR_CONFIG for sides that have no such pyramid, ERR_ARGUMENT for impossible numbers
   */
  constructor(dims: ImageDims, options: LapganOptions = {}) {
    super();
    const plan = planOf(dims, options);
    this.base = new LapganBaseDiscriminator(plan);
    this.levels = plan.sizes.slice(1).map((size) => new LapganLevelDiscriminator(plan, size));
  }

  /** Logits of images [n, height, width, channels], taken apart: [n, 1] for the base and for each level. */
  forward(x: Tensor, labels?: Tensor): Tensor[] {
    const { base, coarse, residuals } = laplacianPyramid(x, this.levels.length);
    return this.judge([base, ...residuals.map((residual, i) => add(coarse[i], residual))], labels);
  }

  /**
   * Logits [n, 1] of the images of the base and of each level.
   * @throws GanvasError ERR_ARGUMENT without the labels that classes need
   */
  judge([base, ...rest]: readonly Tensor[], labels?: Tensor): Tensor[] {
    return [
      this.base.forward(base, labels),
      ...this.levels.map((level, i) => level.forward(rest[i], labels)),
    ];
  }
}
