// The mapping network of the StyleGAN family, from latents and classes to styles, and what a generator with
// styles can do. The networks that use the styles are in the files of each generation.

import { GanvasError } from '../errors.js';
import { Embedding } from '../nn/embedding.js';
import { EqualizedLinear } from '../nn/equalized.js';
import { assertCount, Module } from '../nn/module.js';
import { concat, pixelNorm } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** A generator with styles between latents and images: what projection, mixing and truncation need. */
export interface StyleGenerator {
  /** How many styles an image takes, from coarse to fine. */
  readonly layers: number;
  /** Numbers in a style. */
  readonly wSize: number;
  /** The moving average of the styles, [wSize]. */
  readonly wAverage: Tensor;
  /** Latents [n, zSize], and labels i32 [n] if conditional → styles [n, layers, wSize]. */
  map(z: Tensor, labels?: Tensor): Tensor;
  /** Styles [n, layers, wSize] → images [n, height, width, channels]. */
  synthesize(w: Tensor): Tensor;
}

export interface MappingOptions {
  /** How many linear layers. StyleGAN2's 8, which ADA made 2 for small images. Default 8. */
  mappingLayers?: number;
  /** How many classes there are; undefined if none. */
  classes?: number;
}

const mappingRate = 0.01;

/**
 * The mapping network f: z → w (Karras et al. 2019, figure 1b): latents and embedded classes, each normalised
 * to mean square 1, through linear layers with leaky ReLU that learn 100 times slower than the rest. [n,
 * zSize] → [n, wSize].
 */
export class StyleMapping extends Module {
  readonly embedding: Embedding | undefined;
  readonly linears: readonly EqualizedLinear[];
  readonly #zSize: number;

  /**
   * @param zSize numbers in a latent; 0 for a network of the class alone
   * @throws GanvasError ERR_ARGUMENT unless the sizes and the number of layers are positive integers
   */
  constructor(zSize: number, wSize: number, { mappingLayers = 8, classes }: MappingOptions = {}) {
    super();
    assertCount(mappingLayers, 'StyleMapping: mappingLayers');
    this.#zSize = zSize;
    this.embedding = classes === undefined ? undefined : new Embedding(classes, wSize);
    const input = zSize + (classes === undefined ? 0 : wSize);
    const options = { activation: 'leakyRelu', lrMultiplier: mappingRate } as const;
    this.linears = Array.from(
      { length: mappingLayers },
      (_, i) => new EqualizedLinear(i === 0 ? input : wSize, wSize, options),
    );
  }

  /**
   * @param z [n, zSize]; left out where zSize is 0
   * @param labels i32 [n], for a network with classes; the others ignore them
   * @throws GanvasError ERR_ARGUMENT where the network has classes and there are no labels
   */
  forward(z?: Tensor, labels?: Tensor): Tensor {
    const inputs: Tensor[] = this.#zSize > 0 && z ? [pixelNorm(z)] : [];
    if (this.embedding) {
      if (!labels) {
        throw new GanvasError('ERR_ARGUMENT', 'StyleMapping: a conditional network needs labels, got none');
      }
      inputs.push(pixelNorm(this.embedding.forward(labels)));
    }
    return this.linears.reduce((x, linear) => linear.forward(x), concat(inputs, 1));
  }
}
