// The discriminator of StyleGAN2 (Karras et al. 2020) for images of any size with a small base (see
// pyramid.ts): residual blocks with filtered downsampling (figure 7c), minibatch standard deviation at the
// end, and for data with classes the projection of stylegan2-ada (Karras et al. 2020b). Layers and initial
// values are those of the authors' code.

import { GanvasError } from '../errors.js';
import { EqualizedConv2d, EqualizedLinear } from '../nn/equalized.js';
import { Module } from '../nn/module.js';
import { add, mul, sum } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { Discriminator } from './discriminator.js';
import { type PyramidOptions, PyramidTop, pyramidOf } from './pyramid.js';
import { type MappingOptions, StyleMapping } from './style-mapping.js';

const leaky = { activation: 'leakyRelu' } as const;

/** (skip(x) + convolutions(x)) / √2, at half the size. */
class ResidualBlock extends Module {
  readonly first: EqualizedConv2d;
  readonly second: EqualizedConv2d;
  readonly skip: EqualizedConv2d;

  constructor(from: number, to: number) {
    super();
    this.first = new EqualizedConv2d(from, from, 3, leaky);
    // Leaky ReLU's gain √2 times 1/√2, which keeps the sum of both branches at unit deviation.
    this.second = new EqualizedConv2d(from, to, 3, { ...leaky, down: 2, gain: 1 });
    this.skip = new EqualizedConv2d(from, to, 1, { bias: false, down: 2, gain: Math.SQRT1_2 });
  }

  forward(x: Tensor): Tensor {
    return add(this.skip.forward(x), this.second.forward(this.first.forward(x)));
  }
}

export interface StyleGAN2DiscriminatorOptions extends PyramidOptions, MappingOptions {}

/**
 * StyleGAN2's discriminator: images [n, height, width, channels] → logits [n, 1]. With classes, the logit is
 * the inner product ⟨output(h(x)), f(y)⟩ / √C of C features with a mapping f of the class (stylegan2-ada's
 * DiscriminatorEpilogue).
 */
export class StyleGAN2Discriminator extends Discriminator {
  readonly fromRGB: EqualizedConv2d;
  readonly blocks: readonly ResidualBlock[];
  readonly top: PyramidTop;
  readonly output: EqualizedLinear;
  readonly mapping: StyleMapping | undefined;

  /**
   * @throws GanvasError ERR_CONFIG for sizes without a base (see pyramidOf), ERR_ARGUMENT for impossible
   * options
   */
  constructor(dims: ImageDims, options: StyleGAN2DiscriminatorOptions = {}) {
    super();
    const { mappingLayers, classes, ...shape } = options;
    const pyramid = pyramidOf('stylegan2', dims, shape);
    const channels = pyramid.channels.toReversed();
    this.fromRGB = new EqualizedConv2d(dims.channels, channels[0], 1, leaky);
    this.blocks = channels.slice(1).map((to, i) => new ResidualBlock(channels[i], to));
    this.top = new PyramidTop(pyramid);
    const features = pyramid.channels[0];
    this.output = new EqualizedLinear(features, classes === undefined ? 1 : features);
    this.mapping =
      classes === undefined ? undefined : new StyleMapping(0, features, { mappingLayers, classes });
  }

  features(x: Tensor): Tensor {
    return this.top.forward(this.blocks.reduce((y, block) => block.forward(y), this.fromRGB.forward(x)));
  }

  /** @throws GanvasError ERR_ARGUMENT where the discriminator is conditional and there are no labels */
  head(features: Tensor, labels?: Tensor): Tensor {
    const output = this.output.forward(features);
    if (!this.mapping) return output;
    if (!labels) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        'StyleGAN2Discriminator: a conditional discriminator needs labels, got none',
      );
    }
    const product = sum(mul(output, this.mapping.forward(undefined, labels)), 1, true);
    return mul(product, 1 / Math.sqrt(output.shape[1]));
  }
}
