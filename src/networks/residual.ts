// The residual generator and discriminator of SNGAN, projection GAN and SAGAN, for any size whose sides can
// be halved. Blocks are in residual-blocks.ts; BigGAN (biggan.ts) uses the same trunks with widths and
// conditions of its own.

import { GanvasError } from '../errors.js';
import type { SelfAttention2d } from '../nn/attention.js';
import type { Conv2d } from '../nn/conv.js';
import { Embedding } from '../nn/embedding.js';
import type { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/norm.js';
import { ConditionalBatchNorm2d } from '../nn/norm_adaptive.js';
import { add, mean, mul, relu, reshape, sum } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator } from './discriminator.js';
import {
  DiscriminatorBlock,
  GeneratorBlock,
  glorotStyle,
  type LayerStyle,
  styled,
  styledAttention,
  styledConv,
  styledLinear,
} from './residual-blocks.js';

const leastSide = 4;
const smallSide = 32;
/** Of a discriminator of small images, as for CIFAR-10: the other two of its four blocks keep the size. */
const smallHalvings = 2;
const mostMultiple = 16;

/** Whether images are at most 32 pixels wide and high, for which the CIFAR-10 networks were made. */
export function isSmall({ height, width }: ImageDims): boolean {
  return Math.max(height, width) <= smallSide;
}

/**
 * Sizes of the feature maps, the image first: both sides are halved while they are even and keep 4 pixels.
 * 32 x 32 → 16, 8, 4; 28 x 28 → 14, 7; 48 x 64 → 24 x 32, 12 x 16, 6 x 8.
 * @throws GanvasError ERR_CONFIG if the image cannot be halved once
 */
export function mapSizes({ height, width }: ImageDims): [number, number][] {
  const sizes: [number, number][] = [[height, width]];
  for (let [h, w] = sizes[0]; h % 2 === 0 && w % 2 === 0 && Math.min(h, w) >= 2 * leastSide; ) {
    [h, w] = [h / 2, w / 2];
    sizes.push([h, w]);
  }
  if (sizes.length > 1) return sizes;
  const up = (side: number) => Math.max(2 * leastSide, 4 * Math.ceil(side / 4));
  throw new GanvasError(
    'ERR_CONFIG',
    `residual networks need a height and a width that are even and at least ${2 * leastSide}, ` +
      `got ${height} x ${width}; try --height ${up(height)} --width ${up(width)}`,
  );
}

/** How often the discriminator halves the image. */
export function discriminatorHalvings(dims: ImageDims): number {
  const halvings = mapSizes(dims).length - 1;
  return isSmall(dims) ? Math.min(halvings, smallHalvings) : halvings;
}

/** Larger sides of the feature maps that both networks have, where attention can be. Throws as mapSizes. */
export function attentionSides(dims: ImageDims): number[] {
  return mapSizes(dims)
    .slice(1, 1 + discriminatorHalvings(dims))
    .map((size) => Math.max(...size));
}

/**
 * How often the image is halved before its larger side is `attention`. Throws ERR_CONFIG where it never is.
 */
function attentionHalvings(dims: ImageDims, attention: number): number {
  const sides = attentionSides(dims);
  const found = sides.indexOf(attention);
  if (found >= 0) return found + 1;
  throw new GanvasError(
    'ERR_CONFIG',
    `attention: the feature maps of ${dims.height} x ${dims.width} images have larger sides of ` +
      `${sides.join(', ')}; got ${attention}`,
  );
}

/** @internal What a generator of this family is made of. */
export interface GeneratorPlan {
  style: LayerStyle;
  /** Numbers that the first layer sees. */
  seedSize: number;
  /** Channels of the maps, the smallest first. */
  widths: readonly number[];
  /** Makes a normalisation of that many channels, ending in a ReLU, for the blocks. */
  norm(channels: number): Module;
  /** Larger side of the map with attention, if any. */
  attention?: number;
}

/**
 * z [n, seedSize] → linear → the smallest map → blocks that double it → batch normalisation, ReLU, 3×3
 * convolution, tanh → images [n, height, width, channels] in [-1, 1]. Labels i32 [n], if given, go to the
 * norms of all blocks.
 */
export class ResidualGenerator extends Module {
  readonly seed: Linear;
  readonly blocks: readonly GeneratorBlock[];
  readonly attention: SelfAttention2d | undefined;
  readonly outputNorm: BatchNorm2d;
  readonly output: Conv2d;
  readonly #seedShape: readonly [number, number, number];
  readonly #attentionBefore: number;

  /** @throws GanvasError ERR_CONFIG for an image that cannot be halved, or has no map for the attention */
  constructor(dims: ImageDims, { style, seedSize, widths, norm, attention }: GeneratorPlan) {
    super();
    const sizes = mapSizes(dims);
    const halvings = sizes.length - 1;
    const [first, last] = [widths[0], widths[halvings]];
    this.#attentionBefore = attention === undefined ? -1 : halvings - attentionHalvings(dims, attention);
    this.#seedShape = [...sizes[halvings], first];
    this.seed = styledLinear(style, seedSize, this.#seedShape[0] * this.#seedShape[1] * first);
    this.blocks = Array.from(
      { length: halvings },
      (_, i) => new GeneratorBlock(style, [widths[i], widths[i + 1]], norm),
    );
    if (attention !== undefined) this.attention = styledAttention(style, widths[this.#attentionBefore]);
    this.outputNorm = new BatchNorm2d(last, { activation: 'relu' });
    this.output = styledConv(style, [last, dims.channels], 3, { activation: 'tanh' });
  }

  forward(z: Tensor, labels?: Tensor): Tensor {
    return this.draw(z, () => (labels ? [labels] : []));
  }

  /** The image from what the first layer sees and what the norms of each block see. */
  protected draw(seed: Tensor, condition: (block: number) => Tensor[]): Tensor {
    let map = reshape(this.seed.forward(seed), [seed.shape[0], ...this.#seedShape]);
    for (const [i, block] of this.blocks.entries()) {
      if (this.attention && i === this.#attentionBefore) map = this.attention.forward(map);
      map = block.forward(map, ...condition(i));
    }
    return this.output.forward(this.outputNorm.forward(map));
  }
}

/** @internal What a discriminator of this family is made of. */
export interface DiscriminatorPlan {
  style: LayerStyle;
  /** Channels that come out of each block; the first `discriminatorHalvings` of them halve the map. */
  widths: readonly number[];
  /** Whether the channels change in a block's first convolution already, not in its second. */
  wide: boolean;
  pool: 'sum' | 'mean';
  /** If given, labels are taken into account. */
  classes?: number;
  attention?: number;
}

/**
 * Images → blocks that halve the map, then some that keep it → φ(x) = the sum (or mean) of relu over its
 * pixels, [n, F] → logits [n, 1]. Where there are classes, by projection (Miyato and Koyama 2018, eq. 3):
 * D(x, y) = ψ(φ(x)) + ⟨v_y, φ(x)⟩ with ψ linear and v_y a row of an embedding.
 */
export class ResidualDiscriminator extends Discriminator {
  readonly blocks: readonly DiscriminatorBlock[];
  readonly attention: SelfAttention2d | undefined;
  readonly output: Linear;
  readonly embedding: Embedding | undefined;
  readonly #pool: 'sum' | 'mean';
  readonly #attentionAfter: number;

  /** @throws GanvasError ERR_CONFIG for an image that cannot be halved, or has no map for the attention */
  constructor(dims: ImageDims, { style, widths, wide, pool, classes, attention }: DiscriminatorPlan) {
    super();
    const halvings = discriminatorHalvings(dims);
    this.#pool = pool;
    this.#attentionAfter = attention === undefined ? -1 : attentionHalvings(dims, attention);
    this.blocks = widths.map((to, i) => {
      const from = i === 0 ? dims.channels : widths[i - 1];
      const hidden = wide || i === 0 ? to : from;
      return new DiscriminatorBlock(style, [from, to], { first: i === 0, halve: i < halvings, hidden });
    });
    if (attention !== undefined) this.attention = styledAttention(style, widths[this.#attentionAfter - 1]);
    const featureSize = widths[widths.length - 1];
    this.output = styledLinear(style, featureSize, 1);
    if (classes !== undefined) {
      const weightInit = style.weightInit(1);
      this.embedding = styled(new Embedding(classes, featureSize, { weightInit }), style);
    }
  }

  features(x: Tensor): Tensor {
    let map = x;
    for (const [i, block] of this.blocks.entries()) {
      map = block.forward(map);
      if (this.attention && i + 1 === this.#attentionAfter) map = this.attention.forward(map);
    }
    return this.#pool === 'sum' ? sum(relu(map), [1, 2]) : mean(relu(map), [1, 2]);
  }

  /** @throws GanvasError ERR_ARGUMENT when the discriminator is conditional and no labels are given */
  head(features: Tensor, labels?: Tensor): Tensor {
    const logits = this.output.forward(features);
    if (!this.embedding) return logits;
    if (!labels) throw missingLabels('discriminator');
    return add(logits, sum(mul(this.embedding.forward(labels), features), 1, true));
  }
}

/** @internal The error of a conditional network that is not given labels. */
export function missingLabels(network: string): GanvasError {
  return new GanvasError(
    'ERR_ARGUMENT',
    `this ${network} is conditional: expected labels i32 [n] as its second argument`,
  );
}

interface ResidualOptions {
  /** Channels nearest to the image; all others scale with it. The papers' is 64, the default. */
  baseWidth?: number;
  /** Larger side in pixels of the feature map that self-attention is applied to. Default: no attention. */
  attention?: number;
  /** If given, the network is conditional and takes labels i32 [n] below this number. */
  classes?: number;
}

export interface ResidualGeneratorOptions extends ResidualOptions {
  /** Numbers in a latent. Default 128. */
  zSize?: number;
  /** Whether all weights are spectrally normalised, as in SAGAN. Default false. */
  spectralNorm?: boolean;
}

class ConditionalResidualGenerator extends ResidualGenerator {
  override forward(z: Tensor, labels?: Tensor): Tensor {
    if (!labels) throw missingLabels('generator');
    return super.forward(z, labels);
  }
}

/**
 * The generator of SNGAN (Miyato et al. 2018, appendix B.4): latents [n, zSize] (and labels i32 [n]) →
 * images [n, height, width, channels] in [-1, 1].
 *
 * Images up to 32 pixels have 4 baseWidth channels everywhere; larger ones baseWidth at full size, doubling
 * with each halving up to 16 baseWidth. Where there are classes, each has its own scale and shift in the
 * norms of all blocks.
 * @throws GanvasError ERR_CONFIG for sides that cannot be halved, or an attention that no map has the size of
 */
export function residualGenerator(
  dims: ImageDims,
  options: ResidualGeneratorOptions = {},
): ResidualGenerator {
  const { zSize = 128, baseWidth = 64, classes, spectralNorm = false, attention } = options;
  const relued = { activation: 'relu' } as const;
  const plan = {
    style: glorotStyle(spectralNorm),
    seedSize: zSize,
    widths: mapSizes(dims)
      .map((_, halvings) => baseWidth * (isSmall(dims) ? 4 : Math.min(mostMultiple, 2 ** halvings)))
      .reverse(),
    attention,
  };
  if (classes === undefined) {
    return new ResidualGenerator(dims, { ...plan, norm: (channels) => new BatchNorm2d(channels, relued) });
  }
  return new ConditionalResidualGenerator(dims, {
    ...plan,
    norm: (channels) => new ConditionalBatchNorm2d(channels, { classes, ...relued }),
  });
}

export interface ResidualDiscriminatorOptions extends ResidualOptions {
  /** Whether all weights are spectrally normalised. Default true. */
  spectralNorm?: boolean;
  /** How features are gathered from the last map. Default 'sum'. */
  pool?: 'sum' | 'mean';
  /**
   * Whether blocks widen in their first convolution, as in SAGAN and BigGAN, rather than in their second, and
   * have 4, not 2, baseWidth channels for images up to 32 pixels. Default false.
   */
  wide?: boolean;
}

/**
 * The discriminator of SNGAN (Miyato et al. 2018, appendix B.4), with classes that of projection GAN (Miyato
 * and Koyama 2018, figure 1d): images [n, height, width, channels] (and labels i32 [n]) → logits [n, 1].
 *
 * Images up to 32 pixels are halved twice and then pass two blocks of the same size; larger ones are halved
 * as often as the generator doubles, from baseWidth channels up to 16 baseWidth, and pass one more block.
 * @throws GanvasError ERR_CONFIG as residualGenerator
 */
export function residualDiscriminator(
  dims: ImageDims,
  options: ResidualDiscriminatorOptions = {},
): ResidualDiscriminator {
  const { baseWidth = 64, spectralNorm = true, pool = 'sum', wide = false } = options;
  const halvings = discriminatorHalvings(dims);
  const small = Array<number>(halvings + 2).fill(wide ? 4 : 2);
  const large = Array.from({ length: halvings + 1 }, (_, i) => Math.min(mostMultiple, 2 ** i));
  return new ResidualDiscriminator(dims, {
    style: glorotStyle(spectralNorm),
    widths: (isSmall(dims) ? small : large).map((multiple) => multiple * baseWidth),
    wide,
    pool,
    classes: options.classes,
    attention: options.attention,
  });
}
