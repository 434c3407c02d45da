// The networks of BigGAN (Brock et al. 2019, appendix B): the residual trunks of residual.ts with BigGAN's
// widths, orthogonal first weights, spectral normalisation everywhere, one class embedding shared by all
// layers of the generator, and a latent of which each block sees a part of its own. Not BigGAN-deep.

import { GanvasError } from '../errors.js';
import { Embedding } from '../nn/embedding.js';
import { orthogonal } from '../nn/init.js';
import { ConditionalBatchNorm2d } from '../nn/norm_adaptive.js';
import { concat, split } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import {
  discriminatorHalvings,
  isSmall,
  mapSizes,
  missingLabels,
  ResidualDiscriminator,
  ResidualGenerator,
} from './residual.js';
import { type LayerStyle, styled } from './residual-blocks.js';

/** Orthogonal weights whatever follows them; the eps of the first author's scripts. */
const style: LayerStyle = { weightInit: () => orthogonal(), spectralEps: 1e-6 };

// Channels by how often the image is halved, in baseWidths: those of the first author's code, for 128 pixels
// and more also the paper's. What is halved more often than listed has the last width.
const upTo = (side: number, multiples: readonly number[]) => ({ side, multiples });
const smallMultiples = upTo(32, [4]);
const largeMultiples = [
  upTo(128, [1, 2, 4, 8, 16]),
  upTo(256, [1, 2, 4, 8, 8, 16]),
  upTo(Number.POSITIVE_INFINITY, [1, 1, 2, 4, 8, 8, 16]),
];
const generatorMultiples = [smallMultiples, upTo(64, [2, 4, 8, 16]), ...largeMultiples];
const discriminatorMultiples = [smallMultiples, ...largeMultiples];

function widthsOf(table: typeof largeMultiples, dims: ImageDims, count: number, baseWidth: number): number[] {
  const { multiples } = table.find(({ side }) => Math.max(dims.height, dims.width) <= side)!;
  return Array.from({ length: count }, (_, i) => baseWidth * multiples[Math.min(i, multiples.length - 1)]);
}

interface BigganOptions {
  /** Channels that the widths are multiples of. The paper's is 96. Default 64. */
  baseWidth?: number;
  /** Larger side in pixels of the feature map that self-attention is applied to. Default: no attention. */
  attention?: number;
  /** Labels are below this number. */
  classes: number;
}

export interface BigganGeneratorOptions extends BigganOptions {
  /**
   * Numbers in a latent, at least one for the seed and one for each block. Default 120, the paper's for 128
   * pixels.
   */
  zSize?: number;
  /** Numbers that stand for a class. Paper and default: 128. */
  embedding?: number;
}

/**
 * Latents [n, zSize] and labels i32 [n] → images [n, height, width, channels] in [-1, 1].
 *
 * The latent is cut into equal parts, one for the seed and one for each block (what is left over goes to the
 * seed). A block's norms see its part joined with the embedding e(y) of the class: γ = 1 + W_γ [e(y), z_i], β
 * = W_β [e(y), z_i] (appendix B, figure 15).
 */
export class BigganGenerator extends ResidualGenerator {
  /** Not normalised, as in the authors' code. */
  readonly shared: Embedding;
  readonly #parts: readonly number[];

  /**
   * @throws GanvasError ERR_CONFIG for sides that cannot be halved, an attention that no map has the size of,
   *   or a latent with fewer numbers than parts
   */
  constructor(dims: ImageDims, options: BigganGeneratorOptions) {
    const { zSize = 120, baseWidth = 64, embedding = 128, attention, classes } = options;
    const { length } = mapSizes(dims);
    const blocks = length - 1;
    const part = Math.floor(zSize / length);
    if (!(part >= 1)) {
      throw new GanvasError(
        'ERR_CONFIG',
        `biggan: a latent for ${dims.height} x ${dims.width} images has ${length} parts and needs as many ` +
          `numbers, got ${zSize}`,
      );
    }
    const seedSize = zSize - blocks * part;
    super(dims, {
      style,
      seedSize,
      widths: widthsOf(generatorMultiples, dims, length, baseWidth).reverse(),
      norm: (channels) => {
        const norm = new ConditionalBatchNorm2d(channels, {
          conditionSize: embedding + part,
          weightInit: style.weightInit(1),
          activation: 'relu',
        });
        for (const map of [norm.gain, norm.shift]) styled(map!, style);
        return norm;
      },
      attention,
    });
    this.shared = new Embedding(classes, embedding, { weightInit: style.weightInit(1) });
    this.#parts = [seedSize, ...Array<number>(blocks).fill(part)];
  }

  override forward(z: Tensor, labels?: Tensor): Tensor {
    if (!labels) throw missingLabels('generator');
    const [seed, ...parts] = split(z, this.#parts, 1);
    const embedded = this.shared.forward(labels);
    return this.draw(seed, (block) => [concat([embedded, parts[block]], 1)]);
  }
}

/**
 * Images [n, height, width, channels] and labels i32 [n] → logits [n, 1], by projection (appendix B).
 * @throws GanvasError ERR_CONFIG for sides that cannot be halved, or an attention that no map has the size of
 */
export function bigganDiscriminator(dims: ImageDims, options: BigganOptions): ResidualDiscriminator {
  const { baseWidth = 64, attention, classes } = options;
  const count = discriminatorHalvings(dims) + (isSmall(dims) ? 2 : 1);
  return new ResidualDiscriminator(dims, {
    style,
    widths: widthsOf(discriminatorMultiples, dims, count, baseWidth),
    wide: true,
    pool: 'sum',
    classes,
    attention,
  });
}
