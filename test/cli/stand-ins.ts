// Stand-ins for what the commands drive: two models without networks, a generator of flat colours, a run that
// takes as many steps as it is told and stops when asked. The real ones are tested where they live.

import { PassThrough } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import type { Robustness, RobustnessOptions } from '../../src/adversarial/robustness.js';
import type { ClassifierRunOptions, ClassifierSummary } from '../../src/classifier/train.js';
import type { CommandContext } from '../../src/cli/io.js';
import { type ConfigSchema, defineConfig } from '../../src/config/schema.js';
import type { Dataset } from '../../src/data/dataset.js';
import { GanvasError } from '../../src/errors.js';
import type { ModelEntry } from '../../src/models/registry.js';
import { trainingConfig } from '../../src/train/config.js';
import type { Generator } from '../../src/train/generator.js';
import type { TrainRunOptions, TrainSummary } from '../../src/train/run.js';

function model(name: string, summary: string, schema: ConfigSchema): ModelEntry {
  const build = () => {
    throw new Error('a stand-in builds nothing');
  };
  return { name, summary, schema: trainingConfig.merge(schema) as unknown as ConfigSchema, build };
}

export const models = {
  gan: model(
    'gan',
    'perceptrons',
    defineConfig({ hidden: { type: 'integer', default: 256, min: 1, help: 'units' } }),
  ),
  dcgan: model(
    'dcgan',
    'convolutions',
    defineConfig({
      z: { type: 'integer', default: 100, min: 1, max: 4096, help: 'latent size' },
      norm: { type: 'enum', choices: ['batch', 'none'], default: 'batch', help: 'normalisation' },
      spectral: { type: 'boolean', default: false, help: 'spectral normalisation' },
    }),
  ),
};

/** Takes `config.steps` steps of 2 ms; `--seed 13` fails as a user's mistake, `--seed 14` as a bug. */
export async function trainRun(options: TrainRunOptions): Promise<TrainSummary> {
  const { config = {}, out, resume, model: name, onEvent, signal } = options;
  const runDirectory = resume ?? out ?? 'runs/dcgan-mnist-001';
  const steps = Number(config.steps ?? 10);
  if (config.seed === 13) throw new GanvasError('ERR_NAN', 'the loss of network D is NaN');
  if (config.seed === 14) throw new TypeError('undefined is not a function');
  onEvent?.({ type: 'start', runDirectory, model: name, step: 0, steps, parameters: 1 });
  let step = 0;
  while (step < steps && !signal?.aborted) {
    await setTimeout(2);
    step += 1;
    onEvent?.({ type: 'step', step, steps, imagesPerSecond: 1234.5, losses: { lossD: 0.5, lossG: 1.25 } });
  }
  if (config.seed === 15) await setTimeout(60_000);
  return { interrupted: step < steps, step, runDirectory, losses: {} };
}

export async function loadGenerator(runDirectory: string): Promise<Generator> {
  if (runDirectory.includes('absent'))
    throw new GanvasError('ERR_FILE_IO', `cannot open the run ${runDirectory}`);
  const refused = async () => {
    throw new Error('a stand-in has neither styles nor gradients');
  };
  const seedsOf = (n: number, seed: number | readonly number[]) =>
    typeof seed === 'number' ? new Array<number>(n).fill(seed) : seed;
  const generator: Generator = {
    zSize: 2,
    height: 4,
    width: 6,
    channels: 1,
    latents: async (n, seed) =>
      Float32Array.from(seedsOf(n, seed).flatMap((own) => (own % 2 === 0 ? [1, 0] : [0, 1]))),
    // The brightness of an image is its first latent number.
    generate: async (z, n) => Uint8Array.from({ length: n * 24 }, (_, i) => 255 * z[2 * Math.floor(i / 24)]),
    sample: async (n, { seed = 0 } = {}) => generator.generate(await generator.latents(n, seed), n),
    map: refused,
    synthesize: refused,
    standingStatistics: refused,
    project: refused,
    features: refused,
    dispose: () => {},
  };
  return generator;
}

/** Two steps at most, then an accuracy of 75 %. */
export async function trainClassifier(
  data: string | Dataset,
  { out, resume, signal, onEvent }: ClassifierRunOptions = {},
): Promise<ClassifierSummary> {
  const runDirectory = resume ?? out ?? `runs/classifier-${String(data)}-001`;
  onEvent?.({ type: 'start', runDirectory, model: 'classifier', step: 0, steps: 2, parameters: 1 });
  let step = 0;
  for (; step < 2 && !signal?.aborted; step++) {
    await setTimeout(2);
    onEvent?.({ type: 'step', step: step + 1, steps: 2, imagesPerSecond: 1234.5, losses: { lossC: 0.5 } });
  }
  if (step < 2) return { interrupted: true, step, runDirectory };
  onEvent?.({ type: 'accuracy', step, accuracy: 0.75 });
  return { interrupted: false, step, runDirectory, accuracy: 0.75 };
}

/** Images of 2 x 3 pixels, every second of which is taken for another class after the attack. */
export async function measureRobustness(run: string, options: RobustnessOptions): Promise<Robustness> {
  if (run.includes('absent')) throw new GanvasError('ERR_FILE_IO', `cannot open the run ${run}`);
  const { images = 1000, examples: count = 10, onProgress } = options;
  onProgress?.(0, images);
  onProgress?.(images, images);
  return {
    images,
    clean: 0.975,
    fgsm: 0.25,
    iterated: 0,
    grid: { data: new Float32Array(3 * count * 6), count: 3 * count, height: 2, width: 3, channels: 1 },
    examples: Array.from({ length: count }, (_, i) => ({
      label: String(i),
      before: String(i),
      after: String(i + (i % 2)),
    })),
  };
}

/** A stream that keeps what is written to it. */
export function recorder(isTTY = false): NodeJS.WriteStream & { text(): string } {
  const chunks: string[] = [];
  const stream = new PassThrough();
  stream.on('data', (chunk) => chunks.push(String(chunk)));
  return Object.assign(stream, { isTTY, columns: 120, text: () => chunks.join('') }) as never;
}

export function context(overrides: Partial<CommandContext> = {}) {
  const parts = { models, trainRun, loadGenerator, trainClassifier, measureRobustness };
  return { out: recorder(), err: recorder(), ...parts, ...overrides };
}
