// The generator and discriminator of R3GAN (Huang et al. 2024, section 3): residual blocks with grouped 3 x 3
// convolutions and no normalisation at all, stages that double or halve the size with a fixed filter, and a
// learned basis at the smallest size. As in the authors' code, initial weights keep the variance of a stack
// of identity blocks, the last layer of each block begins at zero, and leaky ReLU has no gain of its own.
// Losses and schedules are in models/r3gan.ts.

import { GanvasError } from '../errors.js';
import { Conv2d } from '../nn/conv.js';
import { Embedding } from '../nn/embedding.js';
import { fans, type Initializer, normal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { assertCount, Module, parameter } from '../nn/module.js';
import { Blur } from '../nn/resize.js';
import { Sequential } from '../nn/sequential.js';
import { clamp, concat, mul, reshape, sum } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator } from './discriminator.js';
import { pyramidOf } from './pyramid.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
/** √(2 / (1 + slope²)), which keeps the variance through a leaky ReLU (He et al. 2015, section 2.2). */
const leakyGain = Math.sqrt(2 / (1 + leaky.slope ** 2));
const expansion = 2;
// The authors' [1, 2, 1] convolved with [1, 1]: the filter that interpolates between the pixels of the
// smaller image.
const interpolation = [1, 3, 3, 1];

export interface R3ganOptions {
  /** Channels at the size of the image. Default 16. */
  baseWidth?: number;
  /** How many times as many channels half as many pixels a side have. Default 2. */
  widthGrowth?: number;
  /** The most channels that any size gets. The paper's is 768, reached at 32 x 32. Default 64. */
  maxWidth?: number;
  /** Residual blocks at each size. Paper and default: 2. */
  blocks?: number;
  /**
   * Groups of the 3 x 3 convolutions. Default: an eighth of the widest stage's channels, as in the paper, at
   * least 1.
   */
  cardinality?: number;
  /** Makes the networks conditional: how many classes there are. */
  classes?: number;
  /**
   * Numbers that stand for a class, where there are classes. Default: the channels of the base, at most 128.
   */
  embedding?: number;
}

/** N(0, gain² / fanIn). */
function msr(gain: number): Initializer {
  return (shape, generator) => normal(0, gain / Math.sqrt(fans(shape).fanIn))(shape, generator);
}

const linear = { bias: false, weightInit: msr(1) } as const;

interface Stage {
  size: readonly [number, number];
  channels: number;
}

interface Plan {
  /** The base first, the image last. */
  stages: Stage[];
  blocks: number;
  cardinality: number;
  embedding: number;
  /** Gain of the layers inside blocks. */
  blockGain: number;
}

/** Everything that both networks work out from dims and options. */
function planOf(dims: ImageDims, options: R3ganOptions): Plan {
  const { baseWidth = 16, widthGrowth = 2, maxWidth = 64, blocks = 2 } = options;
  for (const [name, count] of Object.entries({ baseWidth, widthGrowth, maxWidth, blocks })) {
    assertCount(count, `r3gan: ${name}`);
  }
  assertCount(dims.channels, 'r3gan: channels');
  if (options.classes !== undefined) assertCount(options.classes, 'r3gan: classes');
  const { sizes, channels } = pyramidOf('r3gan', dims, { baseWidth, widthGrowth, maxWidth });
  const { cardinality = Math.max(1, Math.floor(channels[0] / 8)), embedding = Math.min(128, channels[0]) } =
    options;
  assertCount(cardinality, 'r3gan: cardinality');
  assertCount(embedding, 'r3gan: embedding');
  for (const width of channels) {
    if ((expansion * width) % cardinality === 0) continue;
    throw new GanvasError(
      'ERR_CONFIG',
      `r3gan: the ${expansion * width} hidden channels of a block cannot be divided into ${cardinality} ` +
        'groups; choose another cardinality, or widths that are multiples of it',
    );
  }
  // With 3 layers per block: B^(-1 / (2 · 3 - 2)) for B blocks (Zhang et al. 2019, Fixup, section 3).
  const blockGain = leakyGain * (blocks * sizes.length) ** -0.25;
  const stages = sizes.map((size, i): Stage => ({ size, channels: channels[i] }));
  return { stages, blocks, cardinality, embedding, blockGain };
}

/**
 * x + W₃ φ(W₂ φ(W₁ x)): 1 x 1 to twice the channels, grouped 3 x 3, 1 x 1 back, which begins at zero; φ(x) =
 * leaky(x + b).
 */
class ResidualBlock extends Module {
  readonly expand: Conv2d;
  readonly mix: Conv2d;
  readonly project: Conv2d;

  constructor(channels: number, { cardinality: groups, blockGain }: Plan) {
    super();
    const hidden = expansion * channels;
    const biased = { ...leaky, weightInit: msr(blockGain), biasInit: zeros };
    this.expand = new Conv2d(channels, hidden, 1, biased);
    this.mix = new Conv2d(hidden, hidden, 3, { ...biased, padding: 1, groups });
    this.project = new Conv2d(hidden, channels, 1, { bias: false, weightInit: zeros });
  }

  forward(x: Tensor): Tensor {
    return x.add(this.project.forward(this.mix.forward(this.expand.forward(x))));
  }
}

const residual = ({ channels }: Stage, plan: Plan): Module[] =>
  Array.from({ length: plan.blocks }, () => new ResidualBlock(channels, plan));

/** A 1 x 1 convolution where the number of channels changes. */
const widened = (from: Stage, to: Stage): Module[] =>
  from.channels === to.channels ? [] : [new Conv2d(from.channels, to.channels, 1, linear)];

/**
 * One learned map per channel, each times a number that a linear layer makes of z: [n, inputs] → [n, height,
 * width, channels].
 */
class GenerativeBasis extends Module {
  /** [height, width, channels]. */
  readonly basis: Tensor;
  readonly linear: Linear;

  constructor(inputs: number, { size, channels }: Stage) {
    super();
    this.basis = parameter(normal()([...size, channels]));
    this.linear = new Linear(inputs, channels, linear);
  }

  forward(z: Tensor): Tensor {
    const amounts = this.linear.forward(z);
    return mul(this.basis, reshape(amounts, [amounts.shape[0], 1, 1, amounts.shape[1]]));
  }
}

function assertLabels(network: string, classes: boolean, labels: Tensor | undefined): void {
  if (!classes || labels) return;
  throw new GanvasError('ERR_ARGUMENT', `${network}: the classes need labels, one i32 per image`);
}

/**
 * Latents [n, zSize], and labels i32 [n] if conditional, whose embedding is appended to z → images [n,
 * height, width, channels]. The last layer is linear, as in the paper: images are held in [-1, 1] in
 * evaluation mode only, since a clamp would take the gradient away from pixels beyond the range.
 */
export class R3ganGenerator extends Module {
  readonly embedding: Embedding | undefined;
  readonly basis: GenerativeBasis;
  readonly body: Sequential;
  readonly output: Conv2d;

  /**
   * @throws GanvasError ERR_CONFIG for a size or width that the stages cannot have, ERR_ARGUMENT for
   * impossible numbers
   */
  constructor(dims: ImageDims, zSize = 64, options: R3ganOptions = {}) {
    super();
    assertCount(zSize, 'r3gan: zSize');
    const plan = planOf(dims, options);
    const { stages } = plan;
    const { classes } = options;
    // As a linear layer on one-hot labels would begin.
    const weightInit = normal(0, 1 / Math.sqrt(classes ?? 1));
    if (classes !== undefined) this.embedding = new Embedding(classes, plan.embedding, { weightInit });
    this.basis = new GenerativeBasis(zSize + (classes === undefined ? 0 : plan.embedding), stages[0]);
    const layers = stages.flatMap((stage, i) => [
      ...(i === 0 ? [] : [...widened(stages[i - 1], stage), new Blur(interpolation, { up: 2 })]),
      ...residual(stage, plan),
    ]);
    this.body = new Sequential(...layers);
    this.output = new Conv2d(stages[stages.length - 1].channels, dims.channels, 1, linear);
  }

  /** @throws GanvasError ERR_ARGUMENT without the labels that classes need */
  forward(z: Tensor, labels?: Tensor): Tensor {
    assertLabels('R3ganGenerator', this.embedding !== undefined, labels);
    const input = this.embedding ? concat([z, this.embedding.forward(labels!)], 1) : z;
    const images = this.output.forward(this.body.forward(this.basis.forward(input)));
    return this.training ? images : clamp(images, -1, 1);
  }
}

/**
 * Images [n, height, width, channels], and labels i32 [n] if conditional → logits [n, 1]: the generator's
 * mirror image. With classes the last layer gives as many numbers as an embedding of the class, and the logit
 * is their inner product (Miyato and Koyama 2018).
 */
export class R3ganDiscriminator extends Discriminator {
  readonly input: Conv2d;
  readonly body: Sequential;
  /** One learned map per channel, with which the smallest image is multiplied and summed. */
  readonly basis: Conv2d;
  readonly output: Linear;
  readonly embedding: Embedding | undefined;

  /**
   * @throws GanvasError ERR_CONFIG for a size or width that the stages cannot have, ERR_ARGUMENT for
   * impossible numbers
   */
  constructor(dims: ImageDims, options: R3ganOptions = {}) {
    super();
    const plan = planOf(dims, options);
    const stages = plan.stages.toReversed();
    const { embedding } = plan;
    const { channels, size } = stages[stages.length - 1];
    this.input = new Conv2d(dims.channels, stages[0].channels, 1, linear);
    const layers = stages.flatMap((stage, i) => [
      ...(i === 0 ? [] : [new Blur(interpolation, { down: 2 }), ...widened(stages[i - 1], stage)]),
      ...residual(stage, plan),
    ]);
    this.body = new Sequential(...layers);
    this.basis = new Conv2d(channels, channels, size, { ...linear, groups: channels });
    const { classes } = options;
    this.output = new Linear(channels, classes === undefined ? 1 : embedding, linear);
    // A one-hot label's linear layer again, and an inner product that does not grow with the embedding.
    const weightInit = normal(0, 1 / Math.sqrt(embedding * (classes ?? 1)));
    if (classes !== undefined) this.embedding = new Embedding(classes, embedding, { weightInit });
  }

  features(x: Tensor): Tensor {
    return reshape(this.basis.forward(this.body.forward(this.input.forward(x))), [x.shape[0], -1]);
  }

  /** @throws GanvasError ERR_ARGUMENT without the labels that classes need */
  head(features: Tensor, labels?: Tensor): Tensor {
    assertLabels('R3ganDiscriminator', this.embedding !== undefined, labels);
    const scores = this.output.forward(features);
    return this.embedding ? sum(mul(scores, this.embedding.forward(labels!)), 1, true) : scores;
  }
}
