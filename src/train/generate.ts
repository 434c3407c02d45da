// Runs a generator on plain arrays: in evaluation mode, with averaged weights where there are, a few images
// at a time so that memory stays bounded. Used by the sample grids of a run and by generator.ts, which knows
// run directories.

import type { Labels } from '../latents/labels.js';
import type { Latent } from '../models/model.js';
import type { Module } from '../nn/module.js';
import type { EMA } from '../optim/ema.js';
import { noGrad } from '../tensor/autograd.js';
import { tensor } from '../tensor/ops/index.js';
import { Generator as RandomGenerator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor, TypedArray } from '../tensor/tensor.js';
import { toPixels } from './batches.js';

/** How many images are made together at most. */
export const imagesAtOnce = 64;

/** What a generator makes images from. */
export interface GeneratorInput {
  /** Latents of `zSize` numbers each, one after the other. */
  z: Float32Array;
  /** For conditional generators. */
  labels?: Labels;
}

/**
 * Rows `start` to `start + n` of `count` rows of numbers. Classes by number are a column without a dimension
 * of its own.
 */
export function rows(values: Float32Array | Int32Array, count: number, start: number, n: number): Tensor {
  const width = values.length / count;
  const part = values.subarray(start * width, (start + n) * width);
  return tensor(part, values instanceof Int32Array ? [n] : [n, width]);
}

/** Reads what `make` makes of `count` rows, some at a time. */
export async function inParts<T extends TypedArray>(
  count: number,
  make: (start: number, n: number) => Tensor,
): Promise<T[]> {
  const parts: T[] = [];
  for (let start = 0; start < count; start += imagesAtOnce) {
    const made = scope(() => make(start, Math.min(imagesAtOnce, count - start)));
    parts.push((await made.data()) as T);
    made.dispose();
  }
  return parts;
}

/**
 * Runs a generator on latents.
 * @param input `count` latents, with as many labels if the generator is conditional
 * @param average if given, its weights are used instead of the module's own
 * @returns pixels u8 [count, height, width, channels]
 */
export async function generatePixels(
  network: Module,
  { z, labels }: GeneratorInput,
  count: number,
  average?: EMA,
): Promise<Uint8Array> {
  const parts = await inParts<Uint8Array>(count, (start, n) => {
    const inputs = [z, ...(labels ? [labels] : [])].map((values) => rows(values, count, start, n));
    const run = () => toPixels(noGrad(() => network.eval().forward(...inputs)));
    const { training } = network;
    try {
      return average ? average.withAverage(run) : run();
    } finally {
      network.train(training);
    }
  });
  return Uint8Array.from(Buffer.concat(parts));
}

/** `n` latents, one after the other; same seed, same latents. */
export async function latentVectors(n: number, latent: Latent, seed: number): Promise<Float32Array> {
  const z = scope(() => latent.sample(n, new RandomGenerator(seed)).data());
  return (await z) as Float32Array;
}
