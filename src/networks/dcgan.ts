// DCGAN's networks (Radford et al. 2016) for any image size that is a multiple of 4 and any number of channels: strided
// convolutions only, normalisation but in G's output and D's input layer, ReLU in G and leaky ReLU in D, tanh,
// N(0, 0.02) weights. Kernels are 4 x 4, as in most later code, not 5 x 5. What several models play their games with.

import { GanvasError } from '../errors.js';
import { SelfAttention2d } from '../nn/attention.js';
import { Conv2d, ConvTranspose2d } from '../nn/conv.js';
import { normal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import type { Module } from '../nn/module.js';
import { BatchNorm1d, BatchNorm2d, InstanceNorm2d } from '../nn/norm.js';
import { VirtualBatchNorm } from '../nn/norm_adaptive.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import type { ImageDims } from './dims.js';
import { PlainDiscriminator, type PlainDiscriminatorOptions } from './discriminator.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
const relu = { activation: 'relu' } as const;
const doubling = { stride: 2, padding: 1 } as const;
const weightInit = normal(0, 0.02);
const gammaInit = normal(1, 0.02);
const mostMultiple = 8;
const leastSide = 3;

/** Channels of the layer between full and smallest size that has been halved `halvings` times. */
function channelsAfter(halvings: number, baseWidth: number): number {
  return baseWidth * Math.min(mostMultiple, 2 ** (halvings - 1));
}

/**
 * The sizes from the image down to the seed of the generator: halved, rounding down, while both sides keep `least`
 * pixels. 64 x 64 → 32, 16, 8, 4; 28 x 28 → 14, 7, 3; 48 x 64 → 24 x 32, 12 x 16, 6 x 8, 3 x 4.
 */
export function sizesDown(height: number, width: number, least = leastSide): [number, number][] {
  const half = ([h, w]: [number, number]): [number, number] => [Math.floor(h / 2), Math.floor(w / 2)];
  const sizes = [half([height, width])];
  for (let next = half(sizes[0]); Math.min(...next) >= least; next = half(next)) sizes.push(next);
  return sizes;
}

function assertSize(height: number, width: number): void {
  if (height % 4 === 0 && width % 4 === 0) return;
  const up = (side: number) => 4 * Math.ceil(side / 4);
  throw new GanvasError(
    'ERR_CONFIG',
    `dcgan: height and width must be multiples of 4, got ${height} x ${width}; ` +
      `try --height ${up(height)} --width ${up(width)}`,
  );
}

const norms = {
  batch: (features: number, activation: typeof relu | typeof leaky) =>
    new BatchNorm2d(features, { ...activation, gammaInit }),
  instance: (features: number, activation: typeof relu | typeof leaky) =>
    new InstanceNorm2d(features, { ...activation, gammaInit }),
  virtual: (features: number, activation: typeof relu | typeof leaky) =>
    new VirtualBatchNorm(features, { ...activation, gammaInit }),
} as const;

/** A linear layer that is normalised over the batch, or by nothing: a vector has no pixels to take statistics of. */
function hiddenLayer(
  from: number,
  to: number,
  norm: DcganNorm,
  activation: typeof relu | typeof leaky,
  spectralNorm: boolean | undefined,
): Module[] {
  const overBatch = { batch: BatchNorm1d, virtual: VirtualBatchNorm, instance: undefined, none: undefined }[
    norm
  ];
  if (!overBatch) {
    return [new Linear(from, to, { weightInit, biasInit: zeros, spectralNorm, ...activation })];
  }
  return [
    new Linear(from, to, { weightInit, bias: false, spectralNorm }),
    new overBatch(to, { ...activation, gammaInit }),
  ];
}

/** What DCGAN's hidden layers can be normalised by. */
export const dcganNorms = ['batch', 'instance', 'virtual', 'none'] as const;
type DcganNorm = (typeof dcganNorms)[number];

export interface DcganOptions {
  /** Channels of the layer nearest to the image; doubles with each halving, up to 8 times. Default 64. */
  baseWidth?: number;
  /** Of the hidden layers. Default 'batch'; 'none' for critics with a penalty on each image. */
  norm?: DcganNorm;
  /** Whether every weight is divided by its largest singular value. Default false. */
  spectralNorm?: boolean;
  /** Larger side of the feature map that self-attention is added at. Default: none. */
  attention?: number;
  /** Maps are halved while both sides keep so many pixels. Default 3. */
  leastSide?: number;
  /** Units of a linear layer between the inputs and the smallest map of G, and after that of D. Default 0: none. */
  hidden?: number;
}

/** Self-attention where a map of `size` is the one asked for. */
function attentionAt(size: readonly number[], channels: number, attention: number | undefined): Module[] {
  return Math.max(...size) === attention ? [new SelfAttention2d(channels, { weightInit })] : [];
}

function assertAttention(sizes: readonly (readonly number[])[], attention: number | undefined): void {
  const sides = sizes.map((size) => Math.max(...size));
  if (attention === undefined || sides.includes(attention)) return;
  throw new GanvasError(
    'ERR_CONFIG',
    `attention must be the larger side of a feature map, one of ${sides.join(', ')}; got ${attention}`,
  );
}

/**
 * Inputs [n, inputSize] → images [n, height, width, channels] in [-1, 1].
 * @throws GanvasError ERR_CONFIG unless sides are multiples of 4 and attention, if any, is that of a feature map
 */
export function dcganGenerator(dims: ImageDims, inputSize: number, options: DcganOptions = {}): Sequential {
  const { height, width, channels } = dims;
  const { baseWidth = 64, norm = 'batch', spectralNorm, attention, hidden = 0 } = options;
  assertSize(height, width);
  const sizes = sizesDown(height, width, options.leastSide);
  assertAttention(sizes, attention);
  const depth = sizes.length;
  const [seedHeight, seedWidth] = sizes[depth - 1];
  const seed = [seedHeight, seedWidth, channelsAfter(depth, baseWidth)] as const;
  const plain = norm === 'none';
  const weights = plain
    ? ({ weightInit, biasInit: zeros, spectralNorm, ...relu } as const)
    : ({ weightInit, bias: false, spectralNorm } as const);
  const normed = (features: number): Module[] => (plain ? [] : [norms[norm](features, relu)]);
  const layers: Module[] = [
    ...(hidden > 0 ? hiddenLayer(inputSize, hidden, norm, relu, spectralNorm) : []),
    new Linear(hidden || inputSize, seed[0] * seed[1] * seed[2], weights),
    new Reshape(seed),
    ...normed(seed[2]),
    ...attentionAt(sizes[depth - 1], seed[2], attention),
  ];
  for (let halvings = depth; halvings > 1; halvings--) {
    const [from, to] = [channelsAfter(halvings, baseWidth), channelsAfter(halvings - 1, baseWidth)];
    const size = sizes[halvings - 2];
    // Halving an odd side dropped a pixel, which doubling must add again.
    const outputPadding: [number, number] = [size[0] % 2, size[1] % 2];
    layers.push(
      new ConvTranspose2d(from, to, 4, { ...doubling, outputPadding, ...weights }),
      ...normed(to),
      ...attentionAt(size, to, attention),
    );
  }
  const last = { ...doubling, weightInit, biasInit: zeros, spectralNorm, activation: 'tanh' } as const;
  layers.push(new ConvTranspose2d(channelsAfter(1, baseWidth), channels, 4, last));
  return new Sequential(...layers);
}

export interface DcganDiscriminatorOptions
  extends DcganOptions,
    Pick<PlainDiscriminatorOptions, 'minibatch'> {}

/** The convolutions of a DCGAN discriminator, and how many numbers they make of an image. */
export function dcganBody(
  dims: ImageDims,
  options: Omit<DcganDiscriminatorOptions, 'minibatch'> = {},
): { body: Sequential; featureSize: number } {
  const { height, width, channels } = dims;
  const { baseWidth = 64, norm = 'batch', spectralNorm, attention, hidden = 0 } = options;
  assertSize(height, width);
  const sizes = sizesDown(height, width, options.leastSide);
  assertAttention(sizes, attention);
  const depth = sizes.length;
  const biased = { ...doubling, ...leaky, weightInit, biasInit: zeros, spectralNorm } as const;
  const layers: Module[] = [
    new Conv2d(channels, channelsAfter(1, baseWidth), 4, biased),
    ...attentionAt(sizes[0], channelsAfter(1, baseWidth), attention),
  ];
  for (let halvings = 2; halvings <= depth; halvings++) {
    const [from, to] = [channelsAfter(halvings - 1, baseWidth), channelsAfter(halvings, baseWidth)];
    if (norm === 'none') layers.push(new Conv2d(from, to, 4, biased));
    else {
      layers.push(
        new Conv2d(from, to, 4, { ...doubling, bias: false, weightInit, spectralNorm }),
        norms[norm](to, leaky),
      );
    }
    layers.push(...attentionAt(sizes[halvings - 1], to, attention));
  }
  const [lastHeight, lastWidth] = sizes[depth - 1];
  const mapSize = lastHeight * lastWidth * channelsAfter(depth, baseWidth);
  if (hidden > 0) {
    layers.push(new Flatten(), ...hiddenLayer(mapSize, hidden, norm, leaky, spectralNorm));
  }
  return { body: new Sequential(...layers), featureSize: hidden || mapSize };
}

/**
 * Images [n, height, width, channels] → logits [n, 1].
 * @throws GanvasError ERR_CONFIG unless sides are multiples of 4 and attention, if any, is that of a feature map
 */
export function dcganDiscriminator(
  dims: ImageDims,
  options: DcganDiscriminatorOptions = {},
): PlainDiscriminator {
  const { body, featureSize } = dcganBody(dims, options);
  const { minibatch, spectralNorm } = options;
  return new PlainDiscriminator(body, featureSize, { minibatch, spectralNorm, weightInit, biasInit: zeros });
}
