// One training run from beginning to end, with its files: opens the data, builds the model, trains, and writes metrics,
// sample grids and checkpoints into the run directory. What `ganvas train` calls; the loop itself is trainer.ts.

import { resolve } from 'node:path';
import type { Dataset } from '../data/dataset.js';
import { BatchLoader } from '../data/loader.js';
import { dataName, openSized } from '../data/open.js';
import { HostRandom } from '../data/random.js';
import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { writePngGrid } from '../io/images.js';
import { everyClass } from '../latents/labels.js';
import type { BuiltModel } from '../models/model.js';
import { isModelFile, loadModel, type ModelEntry } from '../models/registry.js';
import { EMA } from '../optim/ema.js';
import type { Optimizer } from '../optim/optimizer.js';
import { cosine, linear, type Schedule } from '../optim/schedules.js';
import type { Precision } from '../tensor/precision.js';
import { manualSeed } from '../tensor/random-state.js';
import { LoaderBatches } from './batches.js';
import { captureTraining } from './checkpoint.js';
import { configHash, type ResolvedConfig, resumedConfig, type TrainingConfig, totalSteps } from './config.js';
import { generatePixels, latentVectors } from './generate.js';
import { pairwiseDiversity, TrainingMonitor } from './monitor.js';
import type { Networks } from './phase.js';
import { assertInPlace, restoreLatest, warnOfOtherData } from './resume.js';
import { RunDirectory } from './run-directory.js';
import { type StepReport, Trainer } from './trainer.js';

export type TrainEvent =
  | { type: 'start'; runDirectory: string; model: string; step: number; steps: number; parameters: number }
  | { type: 'step'; step: number; steps: number; imagesPerSecond: number; losses: Record<string, number> }
  | { type: 'sample'; step: number; path: string }
  | { type: 'checkpoint'; step: number; path: string }
  | { type: 'warning'; message: string }
  /** A phase cannot be replayed from a recording: it runs a little slower, with the same results. */
  | { type: 'eager'; phase: string; reason: string };

export interface TrainRunOptions {
  /** Name of the model (see `models`), or the path of a file that exports one by default: `./my-gan.js`. */
  model: string;
  /** What `openDataset` accepts, or a data set. */
  data: string | Dataset;
  /** The run directory; default: the next free runs/<model>-<data>-<number>. */
  out?: string;
  /** Run directory of an earlier run to continue. */
  resume?: string;
  /** Options that differ from the model's defaults; when resuming, only such as change no result. */
  config?: Record<string, unknown>;
  /** Stops after the current step, saving. */
  signal?: AbortSignal;
  onEvent?: (event: TrainEvent) => void;
}

export interface TrainSummary {
  /** Whether the signal stopped it early. */
  interrupted: boolean;
  /** Steps taken in all. */
  step: number;
  runDirectory: string;
  /** The last losses. */
  losses: Record<string, number>;
}

// Steps between looks at the gradients' norms, which cost a pass over them.
const gradNormEvery = 100;
// Images among which the diversity of the data is measured.
const mostCompared = 64;

/** What config.json calls the model: a file by its full path, to be found from any folder. */
const recordedName = (model: string) => (isModelFile(model) ? resolve(model) : model);

/** How many classes the run learns, 0 if labels are not used. */
function classCount({ classes }: TrainingConfig, dataset: Dataset): number {
  const there = dataset.labels ? (dataset.classes?.length ?? 0) : 0;
  if (classes === null || classes === there) return there;
  if (classes === 0) return 0;
  throw new GanvasError('ERR_CONFIG', `expected ${classes} classes, ${dataset.name} has ${there}`);
}

/** The decay of the learning rates that the config asks for, times what the model's own schedules say. */
function schedulesOf(
  { lrDecay, lrDecaySteps }: TrainingConfig,
  optimizers: Readonly<Record<string, Optimizer>>,
  own: Readonly<Record<string, Schedule>> = {},
): Readonly<Record<string, Schedule>> {
  if (lrDecay === 'none') return own;
  const decay = (lrDecay === 'linear' ? linear : cosine)({ end: lrDecaySteps! });
  const names = Object.keys(optimizers);
  return Object.fromEntries(names.map((name) => [name, (step) => decay(step) * (own[name]?.(step) ?? 1)]));
}

/** The options of the run that `directory` holds, with what may be changed. */
async function savedConfig(
  options: TrainRunOptions,
  entry: ModelEntry,
  directory: RunDirectory,
): Promise<ResolvedConfig> {
  const { model, data, out, config: given = {}, onEvent } = options;
  assertInPlace(out);
  const { model: savedModel, data: savedData, ...saved } = await directory.readConfig();
  if (savedModel !== recordedName(model)) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${directory.path} is a run of the model ${String(savedModel)}, not ${model}`,
    );
  }
  warnOfOtherData(savedData, data, (message) => onEvent?.({ type: 'warning', message }));
  const { schema } = entry;
  schema.resolve(given, 'options');
  return resumedConfig(schema.resolve(saved, `${directory.path}/config.json`), given);
}

/** A run in progress: the trainer with its files. */
class Run {
  readonly #options: TrainRunOptions;
  readonly #model: ModelEntry;
  #directory!: RunDirectory;
  readonly #config: ResolvedConfig & TrainingConfig;
  readonly #loader: BatchLoader;
  readonly #built: BuiltModel;
  readonly #average: EMA | undefined;
  readonly #steps: number;
  readonly trainer: Trainer;
  #noise: Float32Array | undefined;
  #labels: Int32Array | undefined;
  readonly #monitor = new TrainingMonitor();
  /** Of grids whose step has not been reported yet. */
  readonly #diversity = new Map<number, number>();
  #realDiversity: number | undefined;
  #saved: number | undefined;
  #losses: Record<string, number> = {};

  constructor(options: TrainRunOptions, model: ModelEntry, config: ResolvedConfig, dataset: Dataset) {
    const { height, width, channels } = dataset;
    this.#options = options;
    this.#model = model;
    this.#config = { ...(config as ResolvedConfig & TrainingConfig), height, width, channels };
    this.#config.classes = classCount(this.#config, dataset);
    const { batch, seed, ema, precision, accumulate, classes } = this.#config;
    this.#loader = new BatchLoader(dataset, { batch: batch * accumulate, seed });
    this.#steps = totalSteps(this.#config, this.#loader.batchesPerEpoch);
    // Saved with the run, so that continuing it for longer changes no rate.
    if (this.#config.lrDecay !== 'none') this.#config.lrDecaySteps ??= this.#steps;
    manualSeed(seed);
    this.#built = model.build(this.#config, { height, width, channels, classes: classes || undefined });
    const { networks, phases, optimizers, schedules } = this.#built;
    this.#average = ema > 0 ? new EMA(networks.generator, { decay: ema }) : undefined;
    this.trainer = new Trainer<Networks>({
      networks,
      phases,
      optimizers,
      averages: this.#average ? { generator: this.#average } : {},
      schedules: schedulesOf(this.#config, optimizers, schedules),
      precision: precision as Precision,
      accumulate,
      gradNormEvery,
      data: new LoaderBatches(this.#loader),
      callbacks: [
        {
          afterStep: (step) => this.#afterStep(step),
          onReport: (report) => this.#onReport(report),
          onEager: (phase, reason) => this.#options.onEvent?.({ type: 'eager', phase, reason }),
        },
      ],
    });
  }

  /** Continues from the latest checkpoint; without one (a run killed early), from the beginning. */
  async restore(directory: RunDirectory): Promise<void> {
    const warn = (message: string) => this.#options.onEvent?.({ type: 'warning', message });
    this.#saved = await restoreLatest(this.trainer, directory, this.#model.name, this.#config, warn);
  }

  /** What a model does with the data before the first step. */
  async prepare(): Promise<void> {
    if (this.trainer.steps === 0) await this.#built.prepare?.(this.#loader.dataset);
  }

  /** Trains to the end or until the signal, writing into the directory. */
  async run(directory: RunDirectory): Promise<TrainSummary> {
    const { signal, onEvent } = this.#options;
    const model = recordedName(this.#options.model);
    const { path: runDirectory } = directory;
    this.#directory = directory;
    await directory.writeConfig({ model, data: dataName(this.#options.data), ...this.#config });
    const { classes } = this.#loader.dataset;
    if (classes && this.#config.classes) await directory.writeClasses(classes);
    const parameters = Object.values(this.#built.networks).flatMap((network) => network.parameters());
    onEvent?.({
      type: 'start',
      runDirectory,
      model,
      step: this.trainer.steps,
      steps: this.#steps,
      parameters: parameters.reduce((sum, t) => sum + t.size, 0),
    });
    try {
      await this.trainer.run({ steps: this.#steps, signal });
      const step = this.trainer.steps;
      const interrupted = step < this.#steps;
      if (!interrupted) await this.#sample(step);
      await this.#save(step);
      return { interrupted, step, runDirectory, losses: this.#losses };
    } catch (error) {
      throw this.#explain(error);
    } finally {
      await directory.close();
    }
  }

  async close(): Promise<void> {
    await this.#loader.close();
    this.trainer.dispose();
    this.#average?.dispose();
    for (const optimizer of Object.values(this.#built.optimizers)) optimizer.dispose();
    for (const network of Object.values(this.#built.networks)) network.dispose();
  }

  async #afterStep(step: number): Promise<void> {
    // The last step's sample and checkpoint are made when the run ends.
    if (step === this.#steps) return;
    if (step % this.#config.sampleEvery === 0) await this.#sample(step);
    if (step % this.#config.saveEvery === 0) await this.#save(step);
  }

  async #onReport({ step, losses, imagesPerSecond }: StepReport): Promise<void> {
    const diversity = this.#diversity.get(step);
    this.#diversity.delete(step);
    const known = diversity === undefined ? losses : { ...losses, diversity };
    this.#losses = losses;
    await this.#directory.appendMetrics({ step, ...known, imagesPerSecond });
    this.#options.onEvent?.({ type: 'step', step, steps: this.#steps, imagesPerSecond, losses: known });
    this.#watch(step, known);
  }

  /** Says in plain words what goes wrong. */
  #watch(step: number, values: Readonly<Record<string, number>>): void {
    for (const { message } of this.#monitor.observe(step, values)) {
      this.#options.onEvent?.({ type: 'warning', message });
    }
  }

  /** How far apart generated images lie, as a share of the distances between real ones. */
  async #diversityOf(pixels: Uint8Array, count: number): Promise<number> {
    if (this.#realDiversity === undefined) {
      const { dataset } = this.#loader;
      const first = Int32Array.from({ length: Math.min(dataset.length, mostCompared) }, (_, i) => i);
      const real = await dataset.batch(first, new HostRandom(this.#config.seed));
      this.#realDiversity = pairwiseDiversity(real, first.length);
    }
    return pairwiseDiversity(pixels, count) / this.#realDiversity;
  }

  async #sample(step: number): Promise<void> {
    const { samples, seed, height, width, channels } = this.#config;
    const { generator } = this.#built.networks;
    // A seed of its own: the images of two grids are comparable, and training draws the same numbers without them.
    this.#noise ??= await latentVectors(samples, this.#built.latent, (seed + 1) % Number.MAX_SAFE_INTEGER);
    const { classes } = this.#built;
    if (classes !== undefined) this.#labels ??= everyClass(samples, classes);
    const latents = { z: this.#noise, labels: this.#labels };
    const data = await generatePixels(generator, latents, samples, this.#average);
    const path = this.#directory.samplePath(step);
    await writePngGrid(path, { data, count: samples, height: height!, width: width!, channels: channels! });
    if (samples > 1 && this.#loader.dataset.length > 1) {
      this.#diversity.set(step, await this.#diversityOf(data, samples));
    }
    this.#options.onEvent?.({ type: 'sample', step, path });
  }

  async #save(step: number): Promise<void> {
    if (this.#saved === step) return;
    const { name } = this.#model;
    const content = await captureTraining(this.trainer, {
      model: name,
      configHash: configHash(name, this.#config),
    });
    const path = await this.#directory.saveCheckpoint(step, content);
    this.#saved = step;
    this.#options.onEvent?.({ type: 'checkpoint', step, path });
  }

  /** A diverged run says where it can be continued from. */
  #explain(error: unknown): unknown {
    if (!(error instanceof GanvasError) || error.code !== 'ERR_NAN') return error;
    const kept =
      this.#saved === undefined
        ? 'no checkpoint had been saved yet'
        : `the last good checkpoint is of step ${this.#saved}, in ${this.#directory.path}`;
    return new GanvasError('ERR_NAN', `${error.message}; ${kept}`, { cause: error });
  }
}

/**
 * Trains a model, writing everything into a run directory, and resolves when it is done or the signal has stopped it.
 * Killed at any moment and resumed, it ends with the same weights, bit for bit.
 *
 *     const { runDirectory } = await trainRun({ model: 'dcgan', data: 'mnist', config: { epochs: 10 } });
 *
 * @throws GanvasError ERR_CONFIG for unknown or impossible options, ERR_DATA and ERR_FILE_FORMAT for unusable data,
 * ERR_RUN_EXISTS, ERR_FILE_IO, ERR_CHECKPOINT, ERR_CUDA_UNAVAILABLE, and ERR_NAN when a network diverges
 */
export async function trainRun(options: TrainRunOptions): Promise<TrainSummary> {
  const { model, data, out, resume, onEvent } = options;
  const warn = (message: string) => onEvent?.({ type: 'warning', message });
  const resumed = resume === undefined ? undefined : await RunDirectory.open(resume);
  const entry = await loadModel(model);
  const config = resumed
    ? await savedConfig(options, entry, resumed)
    : entry.schema.resolve(options.config, 'options');
  selectDevice(config.device as DeviceName);
  const dataset = await openSized(data, config as TrainingConfig, warn);
  const run = new Run(options, entry, config, dataset);
  try {
    // Only now: options or data that cannot work must not leave an empty run behind.
    if (resumed) await run.restore(resumed);
    await run.prepare();
    return await run.run(
      resumed ?? (await RunDirectory.create({ model: entry.name, data: dataName(data), out })),
    );
  } finally {
    await run.close();
  }
}
