// One training run from beginning to end, with its files: opens the data, builds the model, trains, and writes metrics,
// sample grids and checkpoints into the run directory. What `ganvas train` calls; the loop itself is trainer.ts.

import type { Dataset } from '../data/dataset.js';
import { BatchLoader } from '../data/loader.js';
import { openDataset } from '../data/open.js';
import { type DeviceName, device as selectDevice } from '../device.js';
import { GanvasError } from '../errors.js';
import { writePngGrid } from '../io/images.js';
import type { BuiltModel } from '../models/model.js';
import { modelEntry } from '../models/registry.js';
import { EMA } from '../optim/ema.js';
import type { Precision } from '../tensor/precision.js';
import { manualSeed } from '../tensor/random-state.js';
import { LoaderBatches } from './batches.js';
import { captureTraining, restoreTraining } from './checkpoint.js';
import { configHash, type ResolvedConfig, resumedConfig, type TrainingConfig, totalSteps } from './config.js';
import { generatePixels, latentVectors } from './generator.js';
import type { Networks } from './phase.js';
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
  /** Name of the model; see `models`. */
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

const dataName = (data: string | Dataset) => (typeof data === 'string' ? data : data.name);

/** The data set, of the size that the config asks for. */
async function openData(options: TrainRunOptions, config: TrainingConfig): Promise<Dataset> {
  const { data, onEvent } = options;
  const { height, width, channels, flip } = config;
  if (typeof data === 'string') {
    return openDataset(data, {
      height: height ?? undefined,
      width: width ?? undefined,
      channels: channels ?? undefined,
      flip,
      onWarning: (message) => onEvent?.({ type: 'warning', message }),
    });
  }
  for (const key of ['height', 'width', 'channels'] as const) {
    if (config[key] === null || config[key] === data[key]) continue;
    throw new GanvasError(
      'ERR_CONFIG',
      `expected images of ${key} ${config[key]}, ${data.name} has ${data[key]}`,
    );
  }
  return data;
}

/** The options of the run that `directory` holds, with what may be changed. */
async function savedConfig(options: TrainRunOptions, directory: RunDirectory): Promise<ResolvedConfig> {
  const { model, data, out, config: given = {}, onEvent } = options;
  if (out !== undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      `a run is continued where it is: out "${out}" cannot be combined with resume`,
    );
  }
  const { model: savedModel, data: savedData, ...saved } = await directory.readConfig();
  if (savedModel !== model) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${directory.path} is a run of the model ${String(savedModel)}, not ${model}`,
    );
  }
  if (savedData !== dataName(data)) {
    const message = `the run was started with the data ${String(savedData)} and continues with ${dataName(data)}`;
    onEvent?.({ type: 'warning', message });
  }
  const { schema } = modelEntry(model);
  schema.resolve(given, 'options');
  return resumedConfig(schema.resolve(saved, `${directory.path}/config.json`), given);
}

/** A run in progress: the trainer with its files. */
class Run {
  readonly #options: TrainRunOptions;
  #directory!: RunDirectory;
  readonly #config: ResolvedConfig & TrainingConfig;
  readonly #loader: BatchLoader;
  readonly #built: BuiltModel;
  readonly #average: EMA | undefined;
  readonly #steps: number;
  readonly trainer: Trainer;
  #noise: Float32Array | undefined;
  #saved: number | undefined;
  #losses: Record<string, number> = {};

  constructor(options: TrainRunOptions, config: ResolvedConfig, dataset: Dataset) {
    const { height, width, channels } = dataset;
    this.#options = options;
    this.#config = { ...(config as ResolvedConfig & TrainingConfig), height, width, channels };
    const { batch, seed, ema, precision } = this.#config;
    this.#loader = new BatchLoader(dataset, { batch, seed });
    this.#steps = totalSteps(this.#config, this.#loader.batchesPerEpoch);
    manualSeed(seed);
    this.#built = modelEntry(options.model).build(this.#config, dataset);
    const { networks, phases, optimizers } = this.#built;
    this.#average = ema > 0 ? new EMA(networks.generator, { decay: ema }) : undefined;
    this.trainer = new Trainer<Networks>({
      networks,
      phases,
      optimizers,
      averages: this.#average ? { generator: this.#average } : {},
      precision: precision as Precision,
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
    const latest = await directory.latestStep();
    if (latest === undefined) {
      const message = 'the run was stopped before its first checkpoint; it starts again from the beginning';
      this.#options.onEvent?.({ type: 'warning', message });
    } else {
      const checkpoint = await directory.loadCheckpoint(latest);
      if (checkpoint.state.configHash !== configHash(this.#options.model, this.#config)) {
        throw new GanvasError(
          'ERR_CHECKPOINT',
          `${checkpoint.path} was made with other options than ${directory.path}/config.json has now`,
        );
      }
      restoreTraining(this.trainer, checkpoint);
      this.#saved = latest;
    }
    await directory.continueFrom(this.trainer.steps);
  }

  /** Trains to the end or until the signal, writing into the directory. */
  async run(directory: RunDirectory): Promise<TrainSummary> {
    const { signal, model, onEvent } = this.#options;
    const { path: runDirectory } = directory;
    this.#directory = directory;
    await directory.writeConfig({ model, data: dataName(this.#options.data), ...this.#config });
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
    this.#losses = losses;
    await this.#directory.appendMetrics({ step, ...losses, imagesPerSecond });
    this.#options.onEvent?.({ type: 'step', step, steps: this.#steps, imagesPerSecond, losses });
  }

  async #sample(step: number): Promise<void> {
    const { samples, seed, height, width, channels } = this.#config;
    const { generator } = this.#built.networks;
    // A seed of its own: the images of two grids are comparable, and training draws the same numbers without them.
    this.#noise ??= await latentVectors(
      samples,
      this.#built.latent.size,
      (seed + 1) % Number.MAX_SAFE_INTEGER,
    );
    const data = await generatePixels(generator, this.#noise, samples, this.#average);
    const path = this.#directory.samplePath(step);
    await writePngGrid(path, { data, count: samples, height: height!, width: width!, channels: channels! });
    this.#options.onEvent?.({ type: 'sample', step, path });
  }

  async #save(step: number): Promise<void> {
    if (this.#saved === step) return;
    const { model } = this.#options;
    const content = await captureTraining(this.trainer, {
      model,
      configHash: configHash(model, this.#config),
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
  const { model, data, out, resume } = options;
  const resumed = resume === undefined ? undefined : await RunDirectory.open(resume);
  const config = resumed
    ? await savedConfig(options, resumed)
    : modelEntry(model).schema.resolve(options.config, 'options');
  selectDevice(config.device as DeviceName);
  const run = new Run(options, config, await openData(options, config as TrainingConfig));
  try {
    // Only now: options or data that cannot work must not leave an empty run behind.
    if (resumed) await run.restore(resumed);
    return await run.run(resumed ?? (await RunDirectory.create({ model, data: dataName(data), out })));
  } finally {
    await run.close();
  }
}
