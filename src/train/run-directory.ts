// The files of one training run and the rules for touching them: never overwrite another run, append metrics,
// replace checkpoints atomically. Knows names and formats, not what a network or an optimiser is.
//   config.json  classes.json  metrics.jsonl  samples/000500.png
//   checkpoints/000500/{weights.safetensors,optim.safetensors,state.json}  checkpoints/latest (text: "000500")

import { type FileHandle, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readConfigFile, writeConfigFile } from '../config/file.js';
import { fileError, GanvasError } from '../errors.js';
import { sweepTemporary, writeDirectoryAtomic, writeFileAtomic } from '../io/atomic.js';
import { type PlainTensor, readSafetensors, serializeSafetensors } from '../io/safetensors.js';

/** One line of metrics.jsonl. */
export interface MetricsRecord {
  step: number;
  [name: string]: number | string | boolean | null;
}

export type NamedTensors = Map<string, PlainTensor>;

export interface CheckpointContent {
  /** Parameters, buffers and moving averages. Must not change until the save has ended. */
  weights: NamedTensors;
  /** Optimiser moments and counters. */
  optim: NamedTensors;
  /** Everything else that continuing needs, as JSON. */
  state: Readonly<Record<string, unknown>>;
}

export interface Checkpoint extends CheckpointContent {
  step: number;
  path: string;
}

const stateFormat = 1;
const stepPattern = /^\d{6,15}$/;

function stepName(step: number): string {
  if (!Number.isSafeInteger(step) || step < 0) {
    throw new GanvasError('ERR_ARGUMENT', `expected a step number of at least 0, got ${step}`);
  }
  return String(step).padStart(6, '0');
}

/** A name reduced to what is safe inside a file name everywhere. */
function safeName(name: string): string {
  return (
    name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[.-]+|[.-]+$/g, '')
      .slice(0, 60) || 'run'
  );
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

/** Creates `path`; false when there was something of that name. */
async function tryCreate(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function createNumbered(root: string, prefix: string): Promise<string> {
  await mkdir(root, { recursive: true });
  const taken = (await readdir(root))
    .filter((name) => name.startsWith(`${prefix}-`))
    .map((name) => Number(name.slice(prefix.length + 1)))
    .filter(Number.isSafeInteger);
  // Another process may take a number between the look and the mkdir: then the next one.
  for (let number = Math.max(0, ...taken) + 1; ; number++) {
    const path = join(root, `${prefix}-${String(number).padStart(3, '0')}`);
    if (await tryCreate(path)) return path;
  }
}

async function createExactly(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (await tryCreate(path)) return;
  const isRun = await stat(join(path, 'config.json')).then(Boolean, () => false);
  if (!isRun && (await readdir(path)).length === 0) return;
  const what = isRun ? `${path} already holds a run` : `${path} is not empty`;
  const remedy = isRun
    ? `continue it with --resume ${path}, or choose another --out`
    : 'choose another --out';
  throw new GanvasError('ERR_RUN_EXISTS', `${what}: ${remedy}`);
}

export class RunDirectory {
  readonly path: string;
  #metrics: FileHandle | undefined;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes a directory for a new run: `out`, or the next free `runs/<model>-<data>-<NNN>`.
   * @throws GanvasError ERR_RUN_EXISTS when `out` is there already and not empty, ERR_FILE_IO
   */
  static async create(options: {
    model: string;
    data: string;
    out?: string;
    root?: string;
  }): Promise<RunDirectory> {
    const { model, data, out, root = 'runs' } = options;
    try {
      const prefix = `${safeName(model)}-${safeName(basename(data))}`;
      if (out !== undefined) await createExactly(out);
      const path = out ?? (await createNumbered(root, prefix));
      for (const part of ['samples', 'checkpoints']) await mkdir(join(path, part), { recursive: true });
      return new RunDirectory(path);
    } catch (error) {
      throw fileError(`create the run directory ${out ?? root}`, error);
    }
  }

  /**
   * Opens the directory of an earlier run, changing nothing.
   * @throws GanvasError ERR_FILE_IO when there is none, ERR_CHECKPOINT when it is no run
   */
  static async open(path: string): Promise<RunDirectory> {
    try {
      const names = await readdir(path);
      if (names.includes('config.json')) return new RunDirectory(path);
    } catch (error) {
      throw fileError(`open the run ${path}`, error);
    }
    throw new GanvasError('ERR_CHECKPOINT', `${path} is not a run directory: it has no config.json`);
  }

  async writeConfig(config: Readonly<Record<string, unknown>>): Promise<void> {
    await writeConfigFile(join(this.path, 'config.json'), config);
  }

  /** The config as it was resolved when the run began. Throws ERR_FILE_IO or ERR_CONFIG. */
  async readConfig(): Promise<Record<string, unknown>> {
    return readConfigFile(join(this.path, 'config.json'));
  }

  get #classesPath(): string {
    return join(this.path, 'classes.json');
  }

  /** Keeps the names of the classes, in the order of their numbers. Throws ERR_FILE_IO. */
  async writeClasses(classes: readonly string[]): Promise<void> {
    await writeFileAtomic(this.#classesPath, `${JSON.stringify(classes, null, 2)}\n`);
  }

  /** The names of the classes, undefined if the run has none. Throws ERR_FILE_IO or ERR_CHECKPOINT. */
  async readClasses(): Promise<string[] | undefined> {
    const path = this.#classesPath;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw fileError(`read ${path}`, error);
    }
    let names: unknown;
    try {
      names = JSON.parse(text);
    } catch {
      // Not JSON is not a list either.
    }
    if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
    throw new GanvasError('ERR_CHECKPOINT', `${path}: expected a JSON list of the names of classes`);
  }

  /** Where the sample grid of a step belongs: `samples/000500.png`. */
  samplePath(step: number): string {
    return join(this.path, 'samples', `${stepName(step)}.png`);
  }

  get #metricsPath(): string {
    return join(this.path, 'metrics.jsonl');
  }

  /** Appends one line. A number that JSON has not (NaN, Infinity) is written as null. Throws ERR_FILE_IO. */
  async appendMetrics(record: MetricsRecord): Promise<void> {
    try {
      this.#metrics ??= await open(this.#metricsPath, 'a');
      await this.#metrics.write(`${JSON.stringify(record)}\n`);
    } catch (error) {
      throw fileError(`write ${this.#metricsPath}`, error);
    }
  }

  /** All lines in order. A line torn by a kill or a full disk is left out; no file means no lines. */
  async readMetrics(): Promise<MetricsRecord[]> {
    let text: string;
    try {
      text = await readFile(this.#metricsPath, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw fileError(`read ${this.#metricsPath}`, error);
    }
    return text.split('\n').flatMap((line): MetricsRecord[] => {
      try {
        const record = JSON.parse(line);
        return typeof record?.step === 'number' ? [record] : [];
      } catch {
        return [];
      }
    });
  }

  /**
   * Makes the directory ready to be continued from the checkpoint of `step`: drops metrics of later steps and
   * torn lines, and what interrupted writes left behind. Only for the process that will train: another one's
   * writes would be swept away.
   */
  async continueFrom(step: number): Promise<void> {
    await this.close();
    for (const part of ['.', 'samples', 'checkpoints']) await sweepTemporary(join(this.path, part));
    const kept = (await this.readMetrics()).filter((record) => record.step <= step);
    await writeFileAtomic(this.#metricsPath, kept.map((record) => `${JSON.stringify(record)}\n`).join(''));
  }

  #checkpointPath(name: string): string {
    return join(this.path, 'checkpoints', name);
  }

  /** Steps of the checkpoints that are there, ascending. */
  async checkpointSteps(): Promise<number[]> {
    const names = await readdir(this.#checkpointPath('.')).catch(() => [] as string[]);
    const steps = names.filter((name) => stepPattern.test(name)).map(Number);
    return steps.sort((a, b) => a - b);
  }

  /**
   * Writes `checkpoints/<step>` as a whole, then points `latest` at it.
   * @param keepLast if given, older checkpoints beyond this many are deleted afterwards
   * @returns the path of the checkpoint
   * @throws GanvasError ERR_FILE_IO; earlier checkpoints are then untouched
   */
  async saveCheckpoint(step: number, content: CheckpointContent, keepLast?: number): Promise<string> {
    const path = this.#checkpointPath(stepName(step));
    const state = { ...content.state, format: stateFormat, step };
    // Metrics up to this step must be on the disk before the checkpoint is: continuing never lacks lines.
    await this.#metrics?.sync();
    await writeDirectoryAtomic(path, {
      'weights.safetensors': serializeSafetensors(content.weights),
      'optim.safetensors': serializeSafetensors(content.optim),
      'state.json': `${JSON.stringify(state, null, 2)}\n`,
    });
    await writeFileAtomic(this.#checkpointPath('latest'), `${stepName(step)}\n`);
    if (keepLast !== undefined) await this.#deleteAllBut(Math.max(1, keepLast), step);
    return path;
  }

  async #deleteAllBut(keepLast: number, current: number): Promise<void> {
    const older = (await this.checkpointSteps()).filter((step) => step < current);
    const surplus = older.slice(0, Math.max(0, older.length - (keepLast - 1)));
    for (const step of surplus)
      await rm(this.#checkpointPath(stepName(step)), { recursive: true, force: true });
  }

  /** The step that `latest` names, else the newest checkpoint there is, else undefined. */
  async latestStep(): Promise<number | undefined> {
    const name = (await readFile(this.#checkpointPath('latest'), 'utf8').catch(() => '')).trim();
    // The pattern also keeps a doctored `latest` from leading out of the run directory.
    if (stepPattern.test(name) && (await isDirectory(this.#checkpointPath(name)))) return Number(name);
    return (await this.checkpointSteps()).at(-1);
  }

  /**
   * Reads a checkpoint, by default the latest.
   * @throws GanvasError ERR_CHECKPOINT when there is none or its state is not ours, ERR_FILE_IO,
   * ERR_FILE_FORMAT
   */
  async loadCheckpoint(step?: number): Promise<Checkpoint> {
    const wanted = step ?? (await this.latestStep());
    if (wanted === undefined) {
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${this.path} has no checkpoint: it ended before the first was saved`,
      );
    }
    const path = this.#checkpointPath(stepName(wanted));
    if (!(await isDirectory(path))) {
      const steps = (await this.checkpointSteps()).join(', ') || 'none';
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${this.path} has no checkpoint of step ${wanted}; there are: ${steps}`,
      );
    }
    const statePath = join(path, 'state.json');
    const state = await this.#readState(statePath);
    if (state.format !== stateFormat || state.step !== wanted) {
      const got = `format ${JSON.stringify(state.format)} of step ${JSON.stringify(state.step)}`;
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${statePath}: expected format ${stateFormat} of step ${wanted}, got ${got}`,
      );
    }
    const { tensors: weights } = await readSafetensors(join(path, 'weights.safetensors'));
    const { tensors: optim } = await readSafetensors(join(path, 'optim.safetensors'));
    return { step: wanted, path, weights, optim, state };
  }

  async #readState(path: string): Promise<Record<string, unknown>> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      throw fileError(`read ${path}`, error);
    }
    try {
      const state: unknown = JSON.parse(text);
      if (typeof state === 'object' && state !== null) return state as Record<string, unknown>;
    } catch (error) {
      throw new GanvasError('ERR_CHECKPOINT', `${path} is not valid JSON: ${(error as Error).message}`, {
        cause: error,
      });
    }
    throw new GanvasError('ERR_CHECKPOINT', `${path}: expected a JSON object`);
  }

  /** Closes the metrics file; the next append opens it again. */
  async close(): Promise<void> {
    const handle = this.#metrics;
    this.#metrics = undefined;
    await handle?.close();
  }
}
