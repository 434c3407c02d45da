// Progressively grown networks (Karras et al. 2018) for images of any size with a small base (see
// pyramid.ts). All levels exist from the start; which of them count follows from the number of training
// steps, kept on the device, so that growing needs no decision while a step runs and a saved network knows
// how far it has come. No losses here.

import { GanvasError } from '../errors.js';
import { EqualizedConv2d, EqualizedLinear } from '../nn/equalized.js';
import { assertCount, buffer, Module } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  avgPool2d,
  clamp,
  div,
  mul,
  pixelNorm,
  reshape,
  resize,
  sub,
  zeros,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator } from './discriminator.js';
import { type Pyramid, type PyramidOptions, PyramidTop, pyramidOf } from './pyramid.js';

const leaky = { activation: 'leakyRelu' } as const;

/** (1 - t) a + t b: exactly a for t = 0 and b for t = 1. */
const blend = (a: Tensor, b: Tensor, t: Tensor): Tensor => add(mul(a, sub(1, t)), mul(b, t));

const enlarged = (x: Tensor, factor: number): Tensor =>
  factor === 1 ? x : resize(x, { scaleFactor: factor });

const shrunk = (x: Tensor, factor: number): Tensor => (factor === 1 ? x : avgPool2d(x, factor));

export interface GrowthOptions {
  /** Training steps at each level once it has faded in. Default 1000. */
  stableSteps?: number;
  /** Training steps over which a level fades in. Default 1000. */
  fadeSteps?: number;
}

/**
 * How far a network has grown: level 0, the base, is trained for `stableSteps`; every further level fades in
 * over `fadeSteps` and is then trained for `stableSteps`, the last one without end (Karras et al. 2018,
 * appendix A).
 */
export class Growth extends Module {
  /** i32 [], training steps taken. */
  readonly steps = buffer(zeros([], 'i32'));
  /** How many levels there are. */
  readonly levels: number;
  readonly #stable: number;
  readonly #fade: number;

  /** @throws GanvasError ERR_ARGUMENT unless all numbers are positive integers */
  constructor(levels: number, { stableSteps = 1000, fadeSteps = 1000 }: GrowthOptions = {}) {
    super();
    assertCount(levels, 'Growth: levels');
    assertCount(stableSteps, 'Growth: stableSteps');
    assertCount(fadeSteps, 'Growth: fadeSteps');
    this.levels = levels;
    this.#stable = stableSteps;
    this.#fade = fadeSteps;
  }

  /** The step with which a level begins to fade in; level 0 is there from step 0 on. */
  start(level: number): number {
    return level === 0 ? 0 : this.#stable + (level - 1) * (this.#fade + this.#stable);
  }

  /** The step after the last one for which the level is the highest; undefined for the last level. */
  end(level: number): number | undefined {
    return level === this.levels - 1 ? undefined : this.start(level + 1);
  }

  /** α of a level above 0, f32 []: its share against the level below, from 0 when it begins to 1. */
  share(level: number): Tensor {
    return clamp(div(sub(this.steps, this.start(level)), this.#fade), 0, 1);
  }

  /** The level that has been reached, f32 []: 1.25 is level 2 with a quarter of its share. */
  forward(): Tensor {
    let reached: Tensor = zeros([]);
    for (let level = 1; level < this.levels; level++) reached = add(reached, this.share(level));
    return reached;
  }

  /** Counts a step. */
  advance(): void {
    noGrad(() =>
      scope(() => {
        assign(this.steps, add(this.steps, 1));
      }),
    );
  }
}

/**
 * Images of full size as a level sees them: shrunk to its size, and while it fades in mixed with those of the
 * level below.
 */
export function imagesAt(x: Tensor, level: number, growth: Growth): Tensor {
  const own = shrunk(x, 2 ** (growth.levels - 1 - level));
  if (level === 0) return own;
  return blend(enlarged(shrunk(own, 2), 2), own, growth.share(level));
}

/** A doubling, and two layers of the generator: 3 x 3 convolution, leaky ReLU, pixel norm. */
class GeneratorBlock extends Module {
  readonly first: EqualizedConv2d;
  readonly second: EqualizedConv2d;

  constructor(from: number, to: number) {
    super();
    this.first = new EqualizedConv2d(from, to, 3, leaky);
    this.second = new EqualizedConv2d(to, to, 3, leaky);
  }

  forward(x: Tensor): Tensor {
    return pixelNorm(this.second.forward(pixelNorm(this.first.forward(enlarged(x, 2)))));
  }
}

/** The first two layers of the generator, from latents to images of the size of the base. */
class GeneratorBase extends Module {
  readonly first: EqualizedLinear;
  readonly second: EqualizedConv2d;
  readonly #shape: readonly number[];

  constructor(zSize: number, { sizes: [[height, width]], channels: [channels] }: Pyramid) {
    super();
    this.#shape = [height, width, channels];
    this.first = new EqualizedLinear(zSize, height * width * channels, leaky);
    this.second = new EqualizedConv2d(channels, channels, 3, leaky);
  }

  forward(z: Tensor): Tensor {
    const x = reshape(this.first.forward(pixelNorm(z)), [z.shape[0], ...this.#shape]);
    return pixelNorm(this.second.forward(pixelNorm(x)));
  }
}

export interface ProgressiveGeneratorOptions extends PyramidOptions, GrowthOptions {
  /** Numbers in a latent. Default 512. */
  zSize?: number;
}

function assertLevel(level: number, { levels }: Growth): void {
  if (Number.isSafeInteger(level) && level >= 0 && level < levels) return;
  throw new GanvasError('ERR_ARGUMENT', `level must be a whole number from 0 to ${levels - 1}, got ${level}`);
}

/**
 * The generator of progressive growing (Karras et al. 2018, table 2): latents of mean square 1, a linear
 * layer to the base, then per level a doubling by repetition and two 3 x 3 convolutions, all with pixel norm
 * (section 4.2), and a 1 x 1 convolution to RGB beside each level. While a level fades in, its image is mixed
 * with the enlarged one of the level below (figure 2b). Images are always of full size, enlarged by
 * repetition where the network has not grown up; in evaluation they are clamped to [-1, 1], as the authors do
 * before they save them.
 */
export class ProgressiveGenerator extends Module {
  readonly growth: Growth;
  readonly base: GeneratorBase;
  /** Of the levels above 0. */
  readonly blocks: readonly GeneratorBlock[];
  /** Of each level. */
  readonly toRGB: readonly EqualizedConv2d[];

  /**
   * @throws GanvasError ERR_CONFIG for sizes without a base (see pyramidOf), ERR_ARGUMENT for impossible
   * options
   */
  constructor(dims: ImageDims, options: ProgressiveGeneratorOptions = {}) {
    super();
    const { zSize = 512, stableSteps, fadeSteps, ...shape } = options;
    const pyramid = pyramidOf('pggan', dims, shape);
    const { channels } = pyramid;
    this.growth = new Growth(channels.length, { stableSteps, fadeSteps });
    this.base = new GeneratorBase(zSize, pyramid);
    this.blocks = channels.slice(1).map((to, i) => new GeneratorBlock(channels[i], to));
    this.toRGB = channels.map((from) => new EqualizedConv2d(from, dims.channels, 1));
  }

  /** Images of the size of level `top`, mixed with those of the levels below from `lowest` - 1 on. */
  #images(z: Tensor, top: number, lowest: number): Tensor {
    let x = this.base.forward(z);
    let images: Tensor | undefined;
    for (let level = 0; level <= top; level++) {
      if (level > 0) x = this.blocks[level - 1].forward(x);
      if (level < lowest - 1) continue;
      const rgb = inFloat32(this.toRGB[level].forward(x));
      images = images ? blend(enlarged(images, 2), rgb, this.growth.share(level)) : rgb;
    }
    return images!;
  }

  /**
   * Images of the size of a level, [n, h, w, channels]: what forward makes while that level is the highest in
   * use, without the layers above.
   * @throws GanvasError ERR_ARGUMENT for a level that does not exist
   */
  at(level: number, z: Tensor): Tensor {
    assertLevel(level, this.growth);
    return this.#images(z, level, level);
  }

  /** Latents [n, zSize] → images [n, height, width, channels]. */
  forward(z: Tensor): Tensor {
    const images = this.#images(z, this.growth.levels - 1, 1);
    return this.training ? images : clamp(images, -1, 1);
  }
}

/** Two layers of the discriminator, and a halving by averaging. */
class DiscriminatorBlock extends Module {
  readonly first: EqualizedConv2d;
  readonly second: EqualizedConv2d;

  constructor(from: number, to: number) {
    super();
    this.first = new EqualizedConv2d(from, from, 3, leaky);
    this.second = new EqualizedConv2d(from, to, 3, leaky);
  }

  forward(x: Tensor): Tensor {
    return shrunk(this.second.forward(this.first.forward(x)), 2);
  }
}

export interface ProgressiveDiscriminatorOptions extends PyramidOptions, GrowthOptions {}

/**
 * The discriminator of progressive growing (Karras et al. 2018, table 2), the generator's mirror image
 * without pixel norm and with minibatch standard deviation at the end: images [n, height, width, channels] →
 * logits [n, 1].
 */
export class ProgressiveDiscriminator extends Discriminator {
  readonly growth: Growth;
  /** Of each level, the base first. */
  readonly fromRGB: readonly EqualizedConv2d[];
  /** Of the levels above 0. */
  readonly blocks: readonly DiscriminatorBlock[];
  readonly top: PyramidTop;
  readonly output: EqualizedLinear;

  /**
   * @throws GanvasError ERR_CONFIG for sizes without a base (see pyramidOf), ERR_ARGUMENT for impossible
   * options
   */
  constructor(dims: ImageDims, options: ProgressiveDiscriminatorOptions = {}) {
    super();
    const { stableSteps, fadeSteps, ...shape } = options;
    const pyramid = pyramidOf('pggan', dims, shape);
    const { channels } = pyramid;
    this.growth = new Growth(channels.length, { stableSteps, fadeSteps });
    this.fromRGB = channels.map((to) => new EqualizedConv2d(dims.channels, to, 1, leaky));
    this.blocks = channels.slice(1).map((from, i) => new DiscriminatorBlock(from, channels[i]));
    this.top = new PyramidTop(pyramid);
    this.output = new EqualizedLinear(channels[0], 1);
  }

  #features(images: Tensor, top: number, lowest: number): Tensor {
    let x = images;
    let y = this.fromRGB[top].forward(x);
    for (let level = top; level > 0; level--) {
      y = this.blocks[level - 1].forward(y);
      if (level < lowest) continue;
      x = shrunk(x, 2);
      y = blend(this.fromRGB[level - 1].forward(x), y, this.growth.share(level));
    }
    return this.top.forward(y);
  }

  features(x: Tensor): Tensor {
    return this.#features(x, this.growth.levels - 1, 1);
  }

  head(features: Tensor): Tensor {
    return this.output.forward(features);
  }

  /**
   * Logits of images of the size of a level: what forward says of them, enlarged by repetition, while that
   * level is the highest in use, without the layers above.
   * @throws GanvasError ERR_ARGUMENT for a level that does not exist
   */
  at(level: number, x: Tensor): Tensor {
    assertLevel(level, this.growth);
    return this.head(this.#features(x, level, level));
  }
}
