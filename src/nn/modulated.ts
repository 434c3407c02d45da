// StyleGAN2's style-modulated convolution as a layer, with the affine map of the style, noise, bias and activation fused
// around it, and noise injection on its own. Formulas: tensor/ops/modulated_conv.ts; initial values as in the authors' code.

import { GanvasError } from '../errors.js';
import type { FinishOptions } from '../tensor/ops/bias.js';
import { add, type ConvResampleOptions, modulatedConv2d, mul, randn, reshape } from '../tensor/ops/index.js';
import { defaultGenerator, type Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { defaultSlope } from './activation.js';
import { EqualizedLinear } from './equalized.js';
import { normal, zeros } from './init.js';
import { assertCount, Module, parameter } from './module.js';

export interface ModulatedConv2dOptions extends FinishOptions, ConvResampleOptions {
  /** Whether results are scaled back to unit deviation. Default true; false for the layer that makes RGB. */
  demodulate?: boolean;
  /** Whether to add a bias, which begins at 0. Default true. */
  bias?: boolean;
  /** Whether to add noise to each pixel, by a learned strength that begins at 0. Default false. */
  noise?: boolean;
  /** What the weights and the noise are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/**
 * y = gain · act(modulated convolution of x by the style + strength · noise + b): x [N, H, W, inC] and the style
 * [N, styleSize] → [N, H·up/down, W·up/down, outC]. After relu and leakyRelu the gain is √2 unless given.
 */
export class ModulatedConv2d extends Module {
  /** [outC, k, k, inC], N(0, 1). */
  readonly weight: Tensor;
  /** [outC]. */
  readonly bias: Tensor | undefined;
  /** []. */
  readonly noiseStrength: Tensor | undefined;
  /** From the style to a scale per input channel, 1 on average. */
  readonly affine: EqualizedLinear;
  readonly #options: ModulatedConv2dOptions;
  /** Without demodulation nothing else brings the weight to He's scale. */
  readonly #styleGain: number;

  /** @throws GanvasError ERR_ARGUMENT unless all sizes are positive integers */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    styleSize: number,
    options: ModulatedConv2dOptions = {},
  ) {
    super();
    assertCount(inChannels, 'ModulatedConv2d: inChannels');
    assertCount(outChannels, 'ModulatedConv2d: outChannels');
    assertCount(kernelSize, 'ModulatedConv2d: kernelSize');
    assertCount(styleSize, 'ModulatedConv2d: styleSize');
    const { bias = true, noise = false, demodulate = true, activation = 'none', generator } = options;
    const gain = options.gain ?? (activation === 'relu' || activation === 'leakyRelu' ? Math.SQRT2 : 1);
    this.#options = { slope: defaultSlope, padding: Math.floor(kernelSize / 2), ...options, gain };
    this.#styleGain = demodulate ? 1 : 1 / Math.sqrt(inChannels * kernelSize * kernelSize);
    this.affine = new EqualizedLinear(styleSize, inChannels, { biasInit: 1, generator });
    this.weight = parameter(normal()([outChannels, kernelSize, kernelSize, inChannels], generator));
    this.noiseStrength = noise ? parameter(zeros([])) : undefined;
    this.bias = bias ? parameter(zeros([outChannels])) : undefined;
  }

  /** @param noise [N or 1, H', W']; default: drawn anew for each sample. Only with `noise: true`. */
  forward(x: Tensor, style: Tensor, noise?: Tensor): Tensor {
    const { bias: _, noise: __, generator, ...options } = this.#options;
    if (noise && !this.noiseStrength) {
      throw new GanvasError('ERR_ARGUMENT', 'ModulatedConv2d: noise was given to a layer made without it');
    }
    const styles = this.affine.forward(style);
    const scaled = this.#styleGain === 1 ? styles : mul(styles, this.#styleGain);
    const strength = this.noiseStrength;
    return modulatedConv2d(x, this.weight, scaled, {
      ...options,
      bias: this.bias,
      noise: strength && mul(noise ?? this.#drawNoise(x, generator), strength),
    });
  }

  #drawNoise(x: Tensor, generator = defaultGenerator): Tensor {
    const { up = 1, down = 1, padding = 0 } = this.#options;
    const lost = this.weight.shape[1] - 1 - 2 * padding;
    const size = (n: number) => Math.floor((n * up - lost - 1) / down) + 1;
    return randn([x.shape[0], size(x.shape[1]), size(x.shape[2])], { generator });
  }
}

/** y = x + strength · noise, one N(0, 1) number per pixel and a learned strength that begins at 0 (StyleGAN). */
export class NoiseInjection extends Module {
  /** []. */
  readonly strength = parameter(zeros([]));
  readonly #generator: Generator | undefined;

  constructor({ generator }: { generator?: Generator } = {}) {
    super();
    this.#generator = generator;
  }

  /** @param noise [N or 1, ...] for x [N, ..., C]; default: drawn anew for each sample */
  forward(x: Tensor, noise?: Tensor): Tensor {
    const drawn = noise ?? randn(x.shape.slice(0, -1), { generator: this.#generator });
    return add(x, reshape(mul(drawn, this.strength), [...drawn.shape, 1]));
  }
}
