// DCGAN (Radford et al. 2016) for any image size that is a multiple of 4 and any number of channels. Follows the paper's
// guidelines: strided convolutions only, batch normalisation but in G's output and D's input layer, ReLU in G and leaky
// ReLU in D, tanh, N(0, 0.02) weights, Adam(2e-4, 0.5). Kernels are 4 x 4, as in most later code, not 5 x 5.

import { GanvasError } from '../errors.js';
import { Conv2d, ConvTranspose2d } from '../nn/conv.js';
import { normal, zeros } from '../nn/init.js';
import { Linear } from '../nn/linear.js';
import type { Module } from '../nn/module.js';
import { BatchNorm2d } from '../nn/norm.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import { adversarialGame, gameFields } from './game.js';
import { defineModel, type ImageDims, normalLatent } from './model.js';

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
 * The sizes from the image down to the seed of the generator: halved, rounding down, while both sides keep 3 pixels.
 * 64 x 64 → 32, 16, 8, 4; 28 x 28 → 14, 7, 3; 48 x 64 → 24 x 32, 12 x 16, 6 x 8, 3 x 4.
 */
export function sizesDown(height: number, width: number): [number, number][] {
  const half = ([h, w]: [number, number]): [number, number] => [Math.floor(h / 2), Math.floor(w / 2)];
  const sizes = [half([height, width])];
  for (let next = half(sizes[0]); Math.min(...next) >= leastSide; next = half(next)) sizes.push(next);
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

/** Latents [n, zSize] → images [n, height, width, channels] in [-1, 1]. Throws ERR_CONFIG unless sides are multiples of 4. */
export function dcganGenerator(dims: ImageDims, zSize = 100, baseWidth = 64): Sequential {
  const { height, width, channels } = dims;
  assertSize(height, width);
  const sizes = sizesDown(height, width);
  const depth = sizes.length;
  const [seedHeight, seedWidth] = sizes[depth - 1];
  const seed = [seedHeight, seedWidth, channelsAfter(depth, baseWidth)] as const;
  const layers: Module[] = [
    new Linear(zSize, seed[0] * seed[1] * seed[2], { bias: false, weightInit }),
    new Reshape(seed),
    new BatchNorm2d(seed[2], { ...relu, gammaInit }),
  ];
  for (let halvings = depth; halvings > 1; halvings--) {
    const [from, to] = [channelsAfter(halvings, baseWidth), channelsAfter(halvings - 1, baseWidth)];
    // Halving an odd side dropped a pixel, which doubling must add again.
    const [oddHeight, oddWidth] = sizes[halvings - 2].map((side) => side % 2);
    const outputPadding: [number, number] = [oddHeight, oddWidth];
    layers.push(
      new ConvTranspose2d(from, to, 4, { ...doubling, outputPadding, bias: false, weightInit }),
      new BatchNorm2d(to, { ...relu, gammaInit }),
    );
  }
  const last = { ...doubling, weightInit, biasInit: zeros, activation: 'tanh' } as const;
  layers.push(new ConvTranspose2d(channelsAfter(1, baseWidth), channels, 4, last));
  return new Sequential(...layers);
}

export interface DcganDiscriminatorOptions {
  /** 'none' leaves batch normalisation out, for critics with a penalty on each image. Default 'batch'. */
  norm?: 'batch' | 'none';
}

/** Images [n, height, width, channels] → logits [n, 1]. Throws ERR_CONFIG unless sides are multiples of 4. */
export function dcganDiscriminator(
  dims: ImageDims,
  baseWidth = 64,
  { norm = 'batch' }: DcganDiscriminatorOptions = {},
): Sequential {
  const { height, width, channels } = dims;
  assertSize(height, width);
  const sizes = sizesDown(height, width);
  const depth = sizes.length;
  const layers: Module[] = [
    new Conv2d(channels, channelsAfter(1, baseWidth), 4, {
      ...doubling,
      ...leaky,
      weightInit,
      biasInit: zeros,
    }),
  ];
  for (let halvings = 2; halvings <= depth; halvings++) {
    const [from, to] = [channelsAfter(halvings - 1, baseWidth), channelsAfter(halvings, baseWidth)];
    if (norm === 'none') {
      layers.push(new Conv2d(from, to, 4, { ...doubling, ...leaky, weightInit, biasInit: zeros }));
      continue;
    }
    layers.push(
      new Conv2d(from, to, 4, { ...doubling, bias: false, weightInit }),
      new BatchNorm2d(to, { ...leaky, gammaInit }),
    );
  }
  const [lastHeight, lastWidth] = sizes[depth - 1];
  const features = lastHeight * lastWidth * channelsAfter(depth, baseWidth);
  return new Sequential(...layers, new Flatten(), new Linear(features, 1, { weightInit, biasInit: zeros }));
}

export const dcgan = defineModel({
  name: 'dcgan',
  summary: 'DCGAN (Radford et al. 2016): convolutions, any size that is a multiple of 4',
  fields: {
    ...gameFields,
    baseWidth: {
      type: 'integer',
      default: 64,
      min: 1,
      max: 4096,
      help: 'channels of the layer nearest to the image; doubles with each halving, up to 8 times',
    },
  },
  build(config, dims) {
    const { zSize, baseWidth } = config;
    const generator = dcganGenerator(dims, zSize, baseWidth);
    const discriminator = dcganDiscriminator(dims, baseWidth);
    return adversarialGame({ generator, discriminator }, normalLatent(zSize), config);
  },
});
