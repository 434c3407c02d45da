// Images from a trained generator: in evaluation mode, with the averaged weights where a run has them, a few at a time so
// that memory stays bounded. Used by the sample grids of a run and, from a run directory, by anyone.

import type { ConfigValue } from '../config/schema.js';
import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { loadModel } from '../models/registry.js';
import type { Module } from '../nn/module.js';
import type { EMA } from '../optim/ema.js';
import { noGrad } from '../tensor/autograd.js';
import { randn, tensor } from '../tensor/ops/index.js';
import { Generator as RandomGenerator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { toPixels } from './batches.js';
import { uploadTensors } from './checkpoint.js';
import { RunDirectory } from './run-directory.js';

const imagesAtOnce = 64;

/** What a generator makes images from. */
export interface GeneratorInput {
  /** Latents of `zSize` numbers each, one after the other. */
  z: Float32Array;
  /** One per latent, for conditional generators. */
  labels?: Int32Array;
}

/** Labels 0, 1, 2, ... in turn: images of every class. */
export function everyClass(count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i % classes);
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
  const zSize = z.length / count;
  const training = network.training;
  const batches: Uint8Array[] = [];
  for (let start = 0; start < count; start += imagesAtOnce) {
    const n = Math.min(imagesAtOnce, count - start);
    const run = () =>
      scope(() => {
        const part = tensor(z.subarray(start * zSize, (start + n) * zSize), [n, zSize]);
        const wanted = labels && tensor(labels.subarray(start, start + n), [n]);
        return toPixels(
          noGrad(() => (wanted ? network.eval().forward(part, wanted) : network.eval().forward(part))),
        );
      });
    let pixels: Tensor;
    try {
      pixels = average ? average.withAverage(run) : run();
    } finally {
      network.train(training);
    }
    batches.push((await pixels.data()) as Uint8Array);
    pixels.dispose();
  }
  return Uint8Array.from(Buffer.concat(batches));
}

/** `n` latents from N(0, I), one after the other; same seed, same latents. */
export async function latentVectors(n: number, zSize: number, seed: number): Promise<Float32Array> {
  const z = scope(() => randn([n, zSize], { generator: new RandomGenerator(seed) }).data());
  return (await z) as Float32Array;
}

/** A trained generator. */
export interface Generator {
  /** Numbers in a latent. */
  readonly zSize: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** How many classes it makes images of; undefined if it knows none. */
  readonly classes?: number;
  /** n · zSize numbers from N(0, I); same seed, same numbers. Throws ERR_ARGUMENT for an absurd count or seed. */
  latents(n: number, seed: number): Promise<Float32Array>;
  /**
   * Pixels u8 [n, height, width, channels].
   * @param labels class of each image, for a generator with classes; default 0, 1, 2, ... in turn
   * @throws GanvasError ERR_SHAPE unless z holds n latents, ERR_ARGUMENT unless labels fit
   */
  generate(z: Float32Array, n: number, labels?: Int32Array): Promise<Uint8Array>;
  /** Frees the weights. */
  dispose(): void;
}

/**
 * The generator of a run's latest checkpoint, with its averaged weights if it has them.
 * @throws GanvasError ERR_FILE_IO, ERR_CHECKPOINT or ERR_FILE_FORMAT when the run cannot be read, ERR_CONFIG, ERR_CUDA_UNAVAILABLE
 */
export async function loadGenerator(
  runDirectory: string,
  { device = 'auto' }: { device?: string } = {},
): Promise<Generator> {
  selectDevice(device as DeviceName);
  const directory = await RunDirectory.open(runDirectory);
  const { model, data: _, ...options } = await directory.readConfig();
  const { schema, build } = await loadModel(String(model));
  const config = schema.resolve(options, `${runDirectory}/config.json`);
  const { height, width, channels, classes: known } = config as Record<string, ConfigValue>;
  if (typeof height !== 'number' || typeof width !== 'number' || typeof channels !== 'number') {
    throw new GanvasError(
      'ERR_CONFIG',
      `${runDirectory}/config.json: height, width and channels must be given`,
    );
  }
  const { weights } = await directory.loadCheckpoint();
  const built = build(config, { height, width, channels, classes: Number(known ?? 0) || undefined });
  const { classes } = built;
  const { generator } = built.networks;
  const { size: zSize } = built.latent;
  for (const optimizer of Object.values(built.optimizers)) optimizer.dispose();
  for (const [name, network] of Object.entries(built.networks)) if (name !== 'generator') network.dispose();
  try {
    const averaged = [...weights.keys()].some((name) => name.startsWith('ema.generator.'));
    const prefix = averaged ? 'ema.generator.' : 'generator.';
    const own = [...weights].filter(([name]) => name.startsWith(prefix));
    scope(() =>
      generator.loadStateDict(
        uploadTensors(Object.fromEntries(own.map(([name, t]) => [name.slice(prefix.length), t]))),
      ),
    );
  } catch (error) {
    generator.dispose();
    throw error;
  }
  return {
    zSize,
    height,
    width,
    channels,
    classes,
    async latents(n, seed) {
      assertImages(n);
      return latentVectors(n, zSize, seed);
    },
    async generate(z, n, labels = classes === undefined ? undefined : everyClass(n, classes)) {
      assertImages(n);
      assertLabels(labels, n, classes);
      if (z.length !== n * zSize) {
        throw new GanvasError(
          'ERR_SHAPE',
          `generate: ${n} latents take ${n * zSize} numbers, got ${z.length}`,
        );
      }
      return generatePixels(generator, { z, labels }, n);
    },
    dispose: () => generator.dispose(),
  };
}

function assertLabels(labels: Int32Array | undefined, n: number, classes: number | undefined): void {
  if (labels === undefined) return;
  if (classes === undefined) {
    throw new GanvasError('ERR_ARGUMENT', 'generate: labels were given to a generator that knows no classes');
  }
  if (labels.length !== n || labels.some((label) => label < 0 || label >= classes)) {
    throw new GanvasError('ERR_ARGUMENT', `generate: expected ${n} labels from 0 to ${classes - 1}`);
  }
}

function assertImages(n: number): void {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new GanvasError('ERR_ARGUMENT', `expected a number of images of at least 1, got ${n}`);
  }
}
