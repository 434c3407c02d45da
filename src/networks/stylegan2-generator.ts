// The generator of StyleGAN2 (Karras et al. 2020) for images of any size with a small base (see pyramid.ts):
// a mapping network from latents to styles, and a synthesis network of modulated convolutions whose RGB skips
// are summed. Layers and initial values are those of the authors' stylegan2-ada code. Truncation and style
// mixing are here, losses are not.

import { GanvasError } from '../errors.js';
import { ModulatedConv2d, type ModulatedConv2dOptions } from '../nn/modulated.js';
import { buffer, Module, parameter } from '../nn/module.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  arange,
  broadcastTo,
  clamp,
  less,
  mean,
  mul,
  rand,
  randint,
  randn,
  reshape,
  setupFilter,
  split,
  sub,
  upsample2d,
  where,
  zeros,
} from '../tensor/ops/index.js';
import { lerp } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';
import { type PyramidOptions, pyramidOf } from './pyramid.js';
import { type MappingOptions, type StyleGenerator, StyleMapping } from './style-mapping.js';

/**
 * A modulated convolution with noise: drawn anew for each image in training, always the same in evaluation.
 */
class SynthesisLayer extends Module {
  readonly convolution: ModulatedConv2d;
  /** N(0, 1), [1, height, width]. */
  readonly noise: Tensor;

  constructor(from: number, to: number, wSize: number, size: readonly number[], up: number) {
    super();
    const options: ModulatedConv2dOptions = { activation: 'leakyRelu', noise: true, up };
    this.convolution = new ModulatedConv2d(from, to, 3, wSize, options);
    this.noise = buffer(randn([1, ...size]));
  }

  forward(x: Tensor, w: Tensor): Tensor {
    return this.convolution.forward(x, w, this.training ? undefined : this.noise);
  }
}

/** The layers of one size: an upsampling convolution but in the first, a second one, and RGB beside them. */
class SynthesisBlock extends Module {
  readonly up: SynthesisLayer | undefined;
  readonly convolution: SynthesisLayer;
  readonly toRGB: ModulatedConv2d;

  constructor(from: number | undefined, to: number, size: readonly number[], colours: number, wSize: number) {
    super();
    this.up = from === undefined ? undefined : new SynthesisLayer(from, to, wSize, size, 2);
    this.convolution = new SynthesisLayer(to, to, wSize, size, 1);
    this.toRGB = new ModulatedConv2d(to, colours, 1, wSize, { demodulate: false });
  }

  /** @param styles those of the block's layers in order; the next block begins with the last one again */
  forward(x: Tensor, ...styles: Tensor[]): Tensor {
    const [first, second] = styles;
    return this.up
      ? this.convolution.forward(this.up.forward(x, first), second)
      : this.convolution.forward(x, first);
  }
}

export interface StyleGAN2GeneratorOptions extends MappingOptions, PyramidOptions {
  /** Numbers in a latent. Default 512. */
  zSize?: number;
  /** Numbers in a style. Default 512. */
  wSize?: number;
  /** How probable style mixing is in training; 0.9 in the papers. Default 0. */
  mixing?: number;
}

/** As in the code of StyleGAN3; StyleGAN's was 0.995. */
const averageDecay = 0.998;
const skipFilter = setupFilter([1, 3, 3, 1]);

/**
 * StyleGAN2's generator, G(z) = g(f(z)): f maps latents to styles w, g begins with a learned constant,
 * modulates each convolution by w (Karras et al. 2020, equations 1 to 3) and sums RGB images of all sizes,
 * each enlarged with the filter [1, 3, 3, 1] (figure 7b). Images have no bound in training; in evaluation
 * they are clamped to [-1, 1], as the authors do before they save them, and the noise is a constant, so that
 * one latent makes one image.
 *
 *     const g = new StyleGAN2Generator({ height: 64, width: 64, channels: 3 }, { zSize: 128, wSize: 128 });
 *     const images = g.forward(randn([16, 128]));
 */
export class StyleGAN2Generator extends Module implements StyleGenerator {
  readonly mapping: StyleMapping;
  /** [1, height, width, channels] of the base, N(0, 1). */
  readonly constant: Tensor;
  readonly blocks: readonly SynthesisBlock[];
  /** The moving average of the styles made in training, [wSize]: w̄ of the truncation. */
  readonly wAverage: Tensor;
  readonly layers: number;
  readonly wSize: number;
  readonly mixing: number;
  #truncation = 1;

  /**
   * @throws GanvasError ERR_CONFIG for sizes without a base (see pyramidOf), ERR_ARGUMENT for impossible
   * options
   */
  constructor(dims: ImageDims, options: StyleGAN2GeneratorOptions = {}) {
    super();
    const { zSize = 512, wSize = 512, mixing = 0, mappingLayers, classes, ...shape } = options;
    if (!(mixing >= 0 && mixing <= 1)) {
      throw new GanvasError('ERR_ARGUMENT', `mixing: expected a probability, got ${String(mixing)}`);
    }
    const { sizes, channels } = pyramidOf('stylegan2', dims, shape);
    this.wSize = wSize;
    this.mixing = mixing;
    this.layers = 2 * sizes.length;
    this.mapping = new StyleMapping(zSize, wSize, { mappingLayers, classes });
    this.constant = parameter(randn([1, ...sizes[0], channels[0]]));
    this.blocks = sizes.map(
      (size, i) => new SynthesisBlock(channels[i - 1], channels[i], size, dims.channels, wSize),
    );
    this.wAverage = buffer(zeros([wSize]));
  }

  /**
   * ψ of the truncation trick (Karras et al. 2019, appendix B), in evaluation only: styles become w̄ + ψ (w -
   * w̄). Below 1 images are more alike and better, at 0 all are the average one. Default 1: none. Setting
   * throws ERR_ARGUMENT unless it is a finite number.
   */
  get truncation(): number {
    return this.#truncation;
  }

  set truncation(psi: number) {
    if (!Number.isFinite(psi)) {
      throw new GanvasError('ERR_ARGUMENT', `truncation: expected a finite number, got ${String(psi)}`);
    }
    this.#truncation = psi;
  }

  /**
   * Styles of latents: one w for all layers of an image, truncated in evaluation. In training their mean
   * moves wAverage.
   * @param z [n, zSize]
   * @param labels i32 [n], if conditional
   * @throws GanvasError ERR_ARGUMENT where the generator is conditional and there are no labels
   */
  map(z: Tensor, labels?: Tensor): Tensor {
    const w = inFloat32(this.mapping.forward(z, labels));
    if (this.training) this.#remember(w);
    const psi = this.training ? 1 : this.#truncation;
    const truncated = psi === 1 ? w : add(this.wAverage, mul(sub(w, this.wAverage), psi));
    return this.#forAllLayers(truncated);
  }

  /**
   * Styles with style mixing (Karras et al. 2019, section 3.1): with probability `mixing`, all layers from a
   * random one on take the style of other latents, z' ~ N(0, I). One place is drawn for the whole batch, on
   * the device.
   * @param z [n, zSize]
   * @param labels i32 [n], if conditional; both latents get the same
   */
  mapMixed(z: Tensor, labels?: Tensor): Tensor {
    const first = this.map(z, labels);
    const second = this.#forAllLayers(inFloat32(this.mapping.forward(randn(z.shape), labels)));
    const crossover = where(less(rand([]), this.mixing), randint([], 1, this.layers), this.layers);
    const before = less(reshape(arange(this.layers), [1, this.layers, 1]), crossover);
    return where(before, first, second);
  }

  #remember(w: Tensor): void {
    noGrad(() =>
      scope(() => {
        lerp([this.wAverage], [mean(w, 0)], 1 - averageDecay);
      }),
    );
  }

  #forAllLayers(w: Tensor): Tensor {
    const [n] = w.shape;
    return broadcastTo(reshape(w, [n, 1, this.wSize]), [n, this.layers, this.wSize]);
  }

  /**
   * Images of styles, each layer with a style of its own.
   * @param w [n, layers, wSize]
   * @throws GanvasError ERR_SHAPE for styles of another shape
   */
  synthesize(w: Tensor): Tensor {
    const { layers, wSize, blocks } = this;
    if (w.rank !== 3 || w.shape[1] !== layers || w.shape[2] !== wSize) {
      throw new GanvasError(
        'ERR_SHAPE',
        `synthesize: expected styles [n, ${layers}, ${wSize}], got [${w.shape}]`,
      );
    }
    const [n] = w.shape;
    const styles = split(w, layers, 1).map((part) => reshape(part, [n, wSize]));
    let x = broadcastTo(this.constant, [n, ...this.constant.shape.slice(1)]);
    let image: Tensor | undefined;
    blocks.forEach((block, i) => {
      // Blocks share: what colours one size also begins the next.
      const own = i === 0 ? styles.slice(0, 2) : styles.slice(2 * i - 1, 2 * i + 2);
      x = block.forward(x, ...own);
      const rgb = inFloat32(block.toRGB.forward(x, own[own.length - 1]));
      image = image ? add(upsample2d(image, skipFilter), rgb) : rgb;
    });
    return this.training ? image! : clamp(image!, -1, 1);
  }

  /** Latents [n, zSize] and, if conditional, labels i32 [n] → images. Styles are mixed in training only. */
  forward(z: Tensor, labels?: Tensor): Tensor {
    const mixed = this.training && this.mixing > 0;
    return this.synthesize(mixed ? this.mapMixed(z, labels) : this.map(z, labels));
  }
}
