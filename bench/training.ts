// A whole training run in this process, for the benchmarks that watch one from inside. Its folder is removed afterwards.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainRun } from '../src/train/run.js';

export interface WatchedRun {
  model: 'gan' | 'dcgan';
  steps: number;
  /** Steps between sample grids, and between checkpoints. */
  every: number;
  onStep(step: number): void;
}

/** Trains a model on the digits. */
export async function watchTraining({ model, steps, every, onStep }: WatchedRun): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ganvas-bench-'));
  try {
    await trainRun({
      model,
      data: 'mnist',
      out: join(folder, 'run'),
      config: { steps, seed: 1, sampleEvery: every, saveEvery: every },
      signal: new AbortController().signal,
      onEvent: (event) => {
        if (event.type === 'step') onStep(event.step);
      },
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
