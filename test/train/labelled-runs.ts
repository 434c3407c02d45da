// Tiny runs of models with classes, codes and styles on labelled images that are not square, for tests of
// what is done with a trained generator.

import { join } from 'node:path';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { trainRun } from '../../src/train/run.js';
import { temporaryFolder, tinyConfig } from './helpers.js';

export const classNames = ['cat', 'dog', 'eel'];
export const [height, width, channels] = [8, 12, 3];
export const imageSize = height * width * channels;

/** 12 noisy images of three classes. */
export function labelledData() {
  const random = new HostRandom(1);
  const images = Uint8Array.from({ length: 12 * imageSize }, () => random.below(256));
  const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
  return memoryDataset({ name: 'pets', images, height, width, channels, labels, classes: classNames });
}

const common = { batch: 4, steps: 2, samples: 4, seed: 5, device: 'cpu' };
const options = {
  gan: tinyConfig.gan,
  dcgan: { baseWidth: 4, zSize: 6 },
  cgan: { hidden: 8, zSize: 6 },
  projgan: { baseWidth: 2, zSize: 6 },
  biggan: { baseWidth: 2, zSize: 8 },
  infogan: { baseWidth: 4, zSize: 5, categories: 3 },
  bigan: { hidden: 8, baseWidth: 2, zSize: 6 },
  stylegan2: { baseWidth: 2, maxWidth: 8, zSize: 6, wSize: 5, conditional: true },
} as const;

export type TinyModel = keyof typeof options;

/** Run directories of these models, by name; gone after the tests of the file. */
export async function labelledRuns<const M extends TinyModel>(
  models: readonly M[],
): Promise<Record<M, string>> {
  const folder = await temporaryFolder();
  const runs: Partial<Record<M, string>> = {};
  for (const model of models) {
    const out = join(folder, model);
    await trainRun({ model, data: labelledData(), out, config: { ...common, ...options[model] } });
    runs[model] = out;
  }
  return runs as Record<M, string>;
}
