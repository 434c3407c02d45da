// The residual blocks of SNGAN, SAGAN and BigGAN, and how their layers are made: initial values and spectral
// normalisation. Whole networks are in residual.ts and biggan.ts.

import type { ActivationOptions } from '../nn/activation.js';
import { SelfAttention2d } from '../nn/attention.js';
import { Conv2d } from '../nn/conv.js';
import { type Initializer, xavierUniform, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import { Module } from '../nn/module.js';
import { type SpectralLayer, spectralNorm } from '../nn/spectral.js';
import { add, avgPool2d, relu, resize } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** What the layers of a network have in common. */
export interface LayerStyle {
  /** First values of a weight whose outputs are to be `gain` times as large as usual. */
  weightInit: (gain: number) => Initializer;
  /** Least norm of a vector in spectral normalisation; undefined: weights are not normalised. */
  spectralEps?: number;
}

/**
 * Glorot's uniform values and no biases at first, as in SNGAN's code; the eps of spectral normalisation is
 * PyTorch's.
 */
export function glorotStyle(spectral: boolean): LayerStyle {
  return { weightInit: xavierUniform, spectralEps: spectral ? 1e-12 : undefined };
}

/** The layer itself, spectrally normalised if the style says so. */
export function styled<L extends SpectralLayer>(layer: L, { spectralEps }: LayerStyle): L {
  return spectralEps === undefined ? layer : spectralNorm(layer, { eps: spectralEps });
}

interface ConvOptions extends ActivationOptions {
  gain?: number;
  bias?: boolean;
}

/** A convolution that keeps the size of the image. */
export function styledConv(
  style: LayerStyle,
  [from, to]: readonly [number, number],
  kernel: 1 | 3,
  { gain = 1, ...options }: ConvOptions = {},
): Conv2d {
  const weightInit = style.weightInit(gain);
  const all = { padding: (kernel - 1) / 2, weightInit, biasInit: zeros, ...options };
  return styled(new Conv2d(from, to, kernel, all), style);
}

export function styledLinear(style: LayerStyle, from: number, to: number): Linear {
  return styled(new Linear(from, to, { weightInit: style.weightInit(1), biasInit: zeros }), style);
}

export function styledAttention(style: LayerStyle, channels: number): SelfAttention2d {
  const attention = new SelfAttention2d(channels, { weightInit: style.weightInit(1) });
  for (const layer of [attention.query, attention.key, attention.value, attention.output])
    styled(layer, style);
  return attention;
}

/** Of the convolutions on the residual path: He's factor for the ReLU before them. */
const residualGain = Math.SQRT2;

const doubled = (x: Tensor): Tensor => resize(x, { scaleFactor: 2 });

/**
 * A block of a generator, twice as large at the end: x [n, h, w, from] → [n, 2h, 2w, to],
 *
 *     y = conv3(relu(norm2(conv3(up(relu(norm1(x))))))) + up(conv1(x)),
 *
 * up being nearest-neighbour (Miyato et al. 2018, appendix B.4; Gulrajani et al. 2017). Further inputs, such
 * as labels, go to both norms.
 */
export class GeneratorBlock extends Module {
  readonly norm1: Module;
  readonly conv1: Conv2d;
  readonly norm2: Module;
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d;

  /** @param norm makes a normalisation of that many channels that ends in a ReLU */
  constructor(style: LayerStyle, [from, to]: readonly [number, number], norm: (channels: number) => Module) {
    super();
    // What a bias adds to a channel, the norms of this block and of those that follow subtract again.
    const [residual, direct] = [{ gain: residualGain, bias: false }, { bias: false }];
    this.norm1 = norm(from);
    this.conv1 = styledConv(style, [from, to], 3, residual);
    this.norm2 = norm(to);
    this.conv2 = styledConv(style, [to, to], 3, residual);
    this.shortcut = styledConv(style, [from, to], 1, direct);
  }

  forward(x: Tensor, ...condition: Tensor[]): Tensor {
    const inner = this.conv1.forward(doubled(this.norm1.forward(x, ...condition)));
    const residual = this.conv2.forward(this.norm2.forward(inner, ...condition));
    // Doubling after a 1×1 convolution gives the same as before it, for a quarter of the work.
    return add(residual, doubled(this.shortcut.forward(x)));
  }
}

export interface DiscriminatorBlockOptions {
  /** Whether the block sees the image itself: no ReLU before its first convolution. Default false. */
  first?: boolean;
  /** Whether the block halves the map. Default false. */
  halve?: boolean;
  /** Channels between the two convolutions. */
  hidden: number;
}

/**
 * A block of a discriminator: x [n, h, w, from] → [n, h, w, to], or half the size (rounded down),
 *
 *     y = down(conv3(relu(conv3(relu(x))))) + conv1(down(x)),
 *
 * down being the mean of 2×2 pixels; where neither size nor channels change, x itself is added (Miyato et al.
 * 2018, appendix B.4).
 */
export class DiscriminatorBlock extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly shortcut: Conv2d | undefined;
  readonly #first: boolean;
  readonly #halve: boolean;

  constructor(
    style: LayerStyle,
    [from, to]: readonly [number, number],
    { first = false, halve = false, hidden }: DiscriminatorBlockOptions,
  ) {
    super();
    this.conv1 = styledConv(style, [from, hidden], 3, { gain: residualGain, activation: 'relu' });
    this.conv2 = styledConv(style, [hidden, to], 3, { gain: residualGain });
    this.shortcut = from === to && !halve ? undefined : styledConv(style, [from, to], 1);
    this.#first = first;
    this.#halve = halve;
  }

  forward(x: Tensor): Tensor {
    const inner = this.conv2.forward(this.conv1.forward(this.#first ? x : relu(x)));
    const residual = this.#halve ? avgPool2d(inner, 2) : inner;
    // The mean before a 1×1 convolution gives the same as after it, for a quarter of the work.
    const kept = this.#halve ? avgPool2d(x, 2) : x;
    return add(residual, this.shortcut ? this.shortcut.forward(kept) : kept);
  }
}
