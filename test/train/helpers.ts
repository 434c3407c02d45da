// A small data set and small models, for tests of whole runs.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';

/** 24 noisy images of 8 x 8 pixels. */
export function tinyData(side = 8) {
  const random = new HostRandom(1);
  const images = Uint8Array.from({ length: 24 * side * side }, () => random.below(256));
  return memoryDataset({ name: 'tiny', images, height: side, width: side, channels: 1, flip: true });
}

/** Options that make every model tiny. */
export const tinyConfig = {
  gan: { batch: 4, hidden: 8, zSize: 6, samples: 4, seed: 5, device: 'cpu' },
  dcgan: { batch: 4, baseWidth: 4, zSize: 6, samples: 4, seed: 5, device: 'cpu' },
} as const;

/** A folder that is gone after the tests of this file. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ganvas-test-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The bytes of a checkpoint's weights and moments, and the parts of its state that must agree. */
export async function checkpointBytes(run: string, step: number) {
  const folder = join(run, 'checkpoints', String(step).padStart(6, '0'));
  const [weights, optim, state] = await Promise.all(
    ['weights.safetensors', 'optim.safetensors', 'state.json'].map((name) => readFile(join(folder, name))),
  );
  return {
    weights: weights.toString('hex'),
    optim: optim.toString('hex'),
    state: JSON.parse(state.toString()),
  };
}

/** The lines of a run's metrics without what depends on the clock. */
export async function metricsOf(run: string): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(run, 'metrics.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const { imagesPerSecond: _, ...rest } = JSON.parse(line);
      return rest;
    });
}
