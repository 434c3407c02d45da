// Training of a classifier with its files, in a run directory like any other: config, metrics, checkpoints. Nine tenths of
// the images are learnt from; accuracy on the rest is measured after each pass. What `ganvas classifier train` calls.

import { fgsm, pgd } from '../adversarial/attacks.js';
import { adversarialTrainingLoss } from '../adversarial/training.js';
import type { Dataset } from '../data/dataset.js';
import { BatchLoader } from '../data/loader.js';
import { dataName, openSized } from '../data/open.js';
import { type DeviceName, device as selectDevice } from '../device.js';
import { crossEntropy } from '../losses/supervised.js';
import { Adam } from '../optim/adam.js';
import type { Precision } from '../tensor/precision.js';
import { manualSeed } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { LoaderBatches } from '../train/batches.js';
import { captureTraining } from '../train/checkpoint.js';
import { configHash, resumedConfig } from '../train/config.js';
import type { Networks, PhaseResult, TrainBatch } from '../train/phase.js';
import { assertInPlace, restoreLatest, warnOfOtherData } from '../train/resume.js';
import type { TrainEvent } from '../train/run.js';
import { RunDirectory } from '../train/run-directory.js';
import { type StepReport, Trainer } from '../train/trainer.js';
import { type ClassifierConfig, classifierConfig, classifierModel, readClassifierRun } from './config.js';
import { accuracyOf } from './evaluate.js';
import { ImageClassifier } from './network.js';
import { classNames, heldOutSplit } from './split.js';

export type ClassifierEvent =
  | Exclude<TrainEvent, { type: 'sample' }>
  /** Share of the held-out images whose class is found. */
  | { type: 'accuracy'; step: number; accuracy: number };

export interface ClassifierRunOptions {
  /** The run directory; default: the next free runs/classifier-<data>-<number>. */
  out?: string;
  /** Run directory of an earlier run to continue. */
  resume?: string;
  /** Options that differ from the defaults; see classifierConfig. When resuming, only such as change no result. */
  config?: Record<string, unknown>;
  /** Stops after the current step, saving. */
  signal?: AbortSignal;
  onEvent?: (event: ClassifierEvent) => void;
}

export interface ClassifierSummary {
  /** Whether the signal stopped it early. */
  interrupted: boolean;
  /** Steps taken in all. */
  step: number;
  runDirectory: string;
  /** On the held-out images; undefined when interrupted. */
  accuracy?: number;
}

/** The loss that the config asks for. */
function lossOf(network: ImageClassifier, config: ClassifierConfig): (batch: TrainBatch) => PhaseResult {
  const { adversarial, attackSteps: steps, alpha } = config;
  // The option counts pixels from 0 to 1, the images go from -1 to 1.
  const eps = 2 * config.eps;
  if (!adversarial) return ({ images, labels }) => ({ loss: crossEntropy(network.forward(images), labels!) });
  const attack = (model: ImageClassifier, x: Tensor, y: Tensor) =>
    steps === 1 ? fgsm(model, x, y, { eps }) : pgd(model, x, y, { eps, steps, randomStart: true });
  return ({ images, labels }) => ({
    loss: adversarialTrainingLoss(network, images, labels!, {
      attack: (_, x, y) => attack(network, x, y),
      alpha,
    }),
  });
}

/** A classifier's run in progress. */
class ClassifierRun {
  readonly #options: ClassifierRunOptions;
  readonly #data: string;
  readonly #config: ClassifierConfig;
  readonly #classes: readonly string[];
  readonly #heldOut: Dataset;
  readonly #loader: BatchLoader;
  readonly #network: ImageClassifier;
  readonly #optimizer: Adam;
  readonly #steps: number;
  readonly #trainer: Trainer<Networks>;
  #directory!: RunDirectory;
  #saved: number | undefined;

  constructor(data: Dataset, name: string, options: ClassifierRunOptions, config: ClassifierConfig) {
    const { height, width, channels } = data;
    const { training, heldOut } = heldOutSplit(data);
    this.#options = options;
    this.#data = name;
    this.#config = { ...config, height, width, channels };
    this.#classes = classNames(data);
    this.#heldOut = heldOut;
    const { batch, seed, lr, steps, epochs, baseWidth, dropout, precision } = config;
    this.#loader = new BatchLoader(training, { batch, seed });
    this.#steps = steps ?? Math.max(1, Math.round(epochs * this.#loader.batchesPerEpoch));
    manualSeed(seed);
    const dims = { height, width, channels, classes: this.#classes.length };
    this.#network = new ImageClassifier(dims, { baseWidth, dropout });
    this.#optimizer = new Adam(this.#network, { lr });
    this.#trainer = new Trainer<Networks>({
      networks: { classifier: this.#network },
      optimizers: { classifier: this.#optimizer },
      phases: [{ name: 'C', train: ['classifier'], loss: lossOf(this.#network, config) }],
      precision: precision as Precision,
      data: new LoaderBatches(this.#loader),
      callbacks: [
        {
          afterStep: (step) => this.#afterStep(step),
          onReport: (report) => this.#onReport(report),
          onEager: (phase, reason) => options.onEvent?.({ type: 'eager', phase, reason }),
        },
      ],
    });
  }

  /** Continues from the latest checkpoint; without one (a run killed early), from the beginning. */
  async restore(directory: RunDirectory): Promise<void> {
    const warn = (message: string) => this.#options.onEvent?.({ type: 'warning', message });
    this.#saved = await restoreLatest(this.#trainer, directory, classifierModel, this.#config, warn);
  }

  /** Trains to the end or until the signal, writing into the directory. */
  async run(directory: RunDirectory): Promise<ClassifierSummary> {
    const { signal, onEvent } = this.#options;
    const { path: runDirectory } = directory;
    this.#directory = directory;
    await directory.writeConfig({
      model: classifierModel,
      data: this.#data,
      classes: this.#classes,
      ...this.#config,
    });
    onEvent?.({
      type: 'start',
      runDirectory,
      model: classifierModel,
      step: this.#trainer.steps,
      steps: this.#steps,
      parameters: this.#network.parameters().reduce((sum, t) => sum + t.size, 0),
    });
    try {
      await this.#trainer.run({ steps: this.#steps, signal });
      const step = this.#trainer.steps;
      await this.#save(step);
      if (step < this.#steps) return { interrupted: true, step, runDirectory };
      return { interrupted: false, step, runDirectory, accuracy: await this.#measure(step) };
    } finally {
      await directory.close();
    }
  }

  async close(): Promise<void> {
    await this.#loader.close();
    this.#trainer.dispose();
    this.#optimizer.dispose();
    this.#network.dispose();
  }

  async #afterStep(step: number): Promise<void> {
    // The last step's accuracy and checkpoint are made when the run ends.
    if (step === this.#steps) return;
    if (step % this.#config.saveEvery === 0) await this.#save(step);
    if (step % this.#loader.batchesPerEpoch === 0) await this.#measure(step);
  }

  async #onReport({ step, losses, imagesPerSecond }: StepReport): Promise<void> {
    await this.#directory.appendMetrics({ step, ...losses, imagesPerSecond });
    this.#options.onEvent?.({ type: 'step', step, steps: this.#steps, imagesPerSecond, losses });
  }

  async #measure(step: number): Promise<number> {
    // So that the lines of the metrics stay in order.
    await this.#trainer.settle();
    const accuracy = await accuracyOf(this.#network, this.#heldOut);
    await this.#directory.appendMetrics({ step, accuracy });
    this.#options.onEvent?.({ type: 'accuracy', step, accuracy });
    return accuracy;
  }

  async #save(step: number): Promise<void> {
    if (this.#saved === step) return;
    const hash = configHash(classifierModel, this.#config);
    const content = await captureTraining(this.#trainer, { model: classifierModel, configHash: hash });
    const path = await this.#directory.saveCheckpoint(step, content);
    this.#saved = step;
    this.#options.onEvent?.({ type: 'checkpoint', step, path });
  }
}

/** The options of the run that `directory` holds, with what may be changed. */
async function savedConfig(
  data: string | Dataset,
  { out, config: given = {}, onEvent }: ClassifierRunOptions,
  directory: RunDirectory,
): Promise<ClassifierConfig> {
  assertInPlace(out);
  const { data: savedData, config } = await readClassifierRun(directory);
  warnOfOtherData(savedData, data, (message) => onEvent?.({ type: 'warning', message }));
  classifierConfig.resolve(given, 'options');
  return resumedConfig(config, given) as unknown as ClassifierConfig;
}

/**
 * Trains a classifier on labelled images, writing everything into a run directory, and resolves when it is done or the
 * signal has stopped it. Every tenth image of each class is held out, to measure accuracy. Same seed, same weights; killed
 * at any moment and resumed, too.
 *
 *     const { accuracy, runDirectory } = await trainClassifier('mnist', { config: { epochs: 5 } });
 *     const classifier = await loadClassifier(runDirectory);
 *
 * @param data what openDataset accepts, or a data set; it must have classes
 * @throws GanvasError ERR_CONFIG for unknown or impossible options, ERR_DATA for images without classes or too few of
 * them, ERR_RUN_EXISTS, ERR_FILE_IO, ERR_FILE_FORMAT, ERR_CHECKPOINT, ERR_CUDA_UNAVAILABLE, and ERR_NAN when it diverges
 */
export async function trainClassifier(
  data: string | Dataset,
  options: ClassifierRunOptions = {},
): Promise<ClassifierSummary> {
  const { out, resume, onEvent } = options;
  const resumed = resume === undefined ? undefined : await RunDirectory.open(resume);
  const config = resumed
    ? await savedConfig(data, options, resumed)
    : classifierConfig.resolve(options.config, 'options');
  selectDevice(config.device as DeviceName);
  const dataset = await openSized(data, config, (message) => onEvent?.({ type: 'warning', message }));
  const run = new ClassifierRun(dataset, dataName(data), options, config);
  try {
    // Only now: options or data that cannot work must not leave an empty run behind.
    if (resumed) await run.restore(resumed);
    const directory =
      resumed ?? (await RunDirectory.create({ model: classifierModel, data: dataName(data), out }));
    return await run.run(directory);
  } finally {
    await run.close();
  }
}
