// The two perceptrons of the first GANs, for small images of any size. Layer sizes follow PyTorch-GAN's gan.py:
// G 100-128-256-512-1024-pixels, D pixels-512-256-1; all scale with `hidden`, units of G's first layer.

import { Linear } from '../nn/linear.js';
import type { Module } from '../nn/module.js';
import { BatchNorm1d } from '../nn/norm.js';
import { VirtualBatchNorm } from '../nn/norm_adaptive.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import type { ImageDims } from './dims.js';
import { PlainDiscriminator, type PlainDiscriminatorOptions } from './discriminator.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;

export interface PerceptronGeneratorOptions {
  /** Units of the first layer. Default 128. */
  hidden?: number;
  /** Between the hidden layers. Default 'batch'. */
  norm?: 'batch' | 'virtual' | 'none';
  spectralNorm?: boolean;
}

/** Inputs [n, inputSize] → images [n, height, width, channels] in [-1, 1]. */
export function perceptronGenerator(
  { height, width, channels }: ImageDims,
  inputSize: number,
  { hidden = 128, norm = 'batch', spectralNorm }: PerceptronGeneratorOptions = {},
): Sequential {
  const block = (from: number, to: number): Module[] => {
    if (norm === 'none') return [new Linear(from, to, { ...leaky, spectralNorm })];
    const Norm = norm === 'batch' ? BatchNorm1d : VirtualBatchNorm;
    return [new Linear(from, to, { bias: false, spectralNorm }), new Norm(to, leaky)];
  };
  return new Sequential(
    new Linear(inputSize, hidden, { ...leaky, spectralNorm }),
    ...block(hidden, 2 * hidden),
    ...block(2 * hidden, 4 * hidden),
    ...block(4 * hidden, 8 * hidden),
    new Linear(8 * hidden, height * width * channels, { activation: 'tanh', spectralNorm }),
    new Reshape([height, width, channels]),
  );
}

export interface PerceptronDiscriminatorOptions
  extends Pick<PlainDiscriminatorOptions, 'minibatch' | 'spectralNorm'> {
  /** A quarter of the units of the first layer. Default 128. */
  hidden?: number;
}

/** Images [n, height, width, channels] → logits [n, 1]. */
export function perceptronDiscriminator(
  { height, width, channels }: ImageDims,
  { hidden = 128, minibatch, spectralNorm }: PerceptronDiscriminatorOptions = {},
): PlainDiscriminator {
  const body = new Sequential(
    new Flatten(),
    new Linear(height * width * channels, 4 * hidden, { ...leaky, spectralNorm }),
    new Linear(4 * hidden, 2 * hidden, { ...leaky, spectralNorm }),
  );
  return new PlainDiscriminator(body, 2 * hidden, { minibatch, spectralNorm });
}
