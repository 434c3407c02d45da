// The options that every model's training has. A model adds its own and may change these defaults; the file and the
// command line hold only differences.

import { createHash } from 'node:crypto';
import { type ConfigOf, type ConfigValue, defineConfig } from '../config/schema.js';
import { GanvasError } from '../errors.js';

const side = { type: 'integer', default: null, min: 1, max: 16384 } as const;
const rate = { type: 'number', default: null, min: 0, max: 100 } as const;

export const trainingConfig = defineConfig({
  steps: { type: 'integer', default: null, min: 1, help: 'training steps in all, instead of --epochs' },
  epochs: { type: 'number', default: 25, min: 0, max: 1e9, help: 'passes over the data' },
  batch: { type: 'integer', default: 64, min: 1, max: 65536, help: 'images per step' },
  seed: { type: 'integer', default: 0, min: 0, help: 'seed of all randomness; same seed, same run' },
  device: { type: 'enum', choices: ['auto', 'cpu', 'cuda'], default: 'auto', help: 'where to compute' },
  precision: {
    type: 'enum',
    choices: ['f32', 'bf16'],
    default: 'f32',
    help: 'what convolutions and matrix products compute in; weights, statistics and losses are f32 always',
  },
  lr: { type: 'number', default: 2e-4, min: 0, max: 100, help: 'learning rate' },
  lrGenerator: { ...rate, help: 'learning rate of the generator, if another one' },
  lrDiscriminator: { ...rate, help: 'learning rate of the discriminator, if another one' },
  beta1: { type: 'number', default: 0.5, min: 0, max: 0.9999999, help: 'decay of the gradient mean in Adam' },
  beta2: {
    type: 'number',
    default: 0.999,
    min: 0,
    max: 0.9999999,
    help: 'decay of the squared gradient in Adam',
  },
  lrDecay: {
    type: 'enum',
    choices: ['none', 'linear', 'cosine'],
    default: 'none',
    help: 'how the learning rates fall to nothing',
  },
  lrDecaySteps: {
    type: 'integer',
    default: null,
    min: 1,
    help: 'steps that they fall over, if not those of the whole run',
  },
  accumulate: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 65536,
    help: 'batches whose gradients are averaged for one update: less memory than one batch as large',
  },
  dSteps: { type: 'integer', default: 1, min: 1, max: 1000, help: 'discriminator steps per generator step' },
  // In no recipe of the first GANs, but without it a run may end on one of the bad steps that the game takes at times.
  ema: {
    type: 'number',
    default: 0.999,
    min: 0,
    max: 0.9999999,
    help: 'decay of the moving average of the generator, which samples are made with; 0: none',
  },
  height: { ...side, help: 'image height in pixels, if not that of the data' },
  width: { ...side, help: 'image width in pixels, if not that of the data' },
  channels: {
    type: 'integer',
    default: null,
    min: 1,
    max: 4,
    help: 'channels (1, 3 or 4), if not those of the data',
  },
  classes: {
    type: 'integer',
    default: null,
    min: 0,
    max: 100_000,
    help: 'number of classes, if not that of the data; 0: labels are not used',
  },
  flip: { type: 'boolean', default: false, help: 'mirror images left to right at random' },
  saveEvery: { type: 'integer', default: 500, min: 1, help: 'steps between checkpoints' },
  sampleEvery: { type: 'integer', default: 500, min: 1, help: 'steps between sample grids' },
  samples: { type: 'integer', default: 64, min: 1, max: 4096, help: 'images in a sample grid' },
});

export type TrainingConfig = ConfigOf<typeof trainingConfig.fields>;
export type ResolvedConfig = Readonly<Record<string, ConfigValue>>;

// What may differ when a run is continued: how long, where, and what is shown of it. Not a single bit of the steps
// already taken, or of those to come, depends on these.
const harmless = new Set(['steps', 'epochs', 'device', 'saveEvery', 'sampleEvery', 'samples']);

/** The options of a run being continued: those saved, with harmless differences. Throws ERR_CONFIG for any other. */
export function resumedConfig(
  saved: ResolvedConfig,
  given: Readonly<Record<string, unknown>>,
): ResolvedConfig {
  const merged: Record<string, ConfigValue> = { ...saved };
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === saved[key]) continue;
    if (!harmless.has(key)) {
      throw new GanvasError(
        'ERR_CONFIG',
        `cannot continue with ${key} ${String(value)}: the run was started with ${String(saved[key])}; ` +
          `only ${[...harmless].join(', ')} may change`,
      );
    }
    merged[key] = value as ConfigValue;
  }
  // The last word on the length wins, whichever way the run measured it before.
  if (given.epochs !== undefined && given.steps === undefined) merged.steps = null;
  return merged;
}

/** A fingerprint of the options that a checkpoint depends on. */
export function configHash(model: string, config: ResolvedConfig): string {
  const entries = Object.entries(config).filter(([key]) => !harmless.has(key));
  const text = JSON.stringify([model, entries.sort(([a], [b]) => (a < b ? -1 : 1))]);
  return createHash('sha256').update(text).digest('hex');
}

/** Training steps in all. An epoch is a pass of the discriminator over the data. */
export function totalSteps({ steps, epochs, dSteps }: TrainingConfig, batchesPerEpoch: number): number {
  return steps ?? Math.max(1, Math.round((epochs * batchesPerEpoch) / dSteps));
}
