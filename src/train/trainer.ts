// Runs phases over named networks: gradient, clipping, optimiser step, moving average. Keeps the device busy: a step is
// enqueued, never waited for, and its losses are read two steps later. Knows no files; see run.ts for a whole run.

import { setImmediate } from 'node:timers/promises';
import { ready } from '../device.js';
import { GanvasError } from '../errors.js';
import { assertCount } from '../nn/module.js';
import { clipGradNorm, globalNorm } from '../optim/clip.js';
import type { EMA } from '../optim/ema.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Schedule } from '../optim/schedules.js';
import { valueAndGrad } from '../tensor/autograd.js';
import { add, concat, mul, reshape, slice } from '../tensor/ops/index.js';
import { inFloat32, type Precision, withPrecision } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import { Tensor, type TypedArray } from '../tensor/tensor.js';
import type { BatchSource, Networks, Phase, PhaseResult, TrainBatch } from './phase.js';
import { PhaseProgram } from './phase-program.js';

/** What a step did, known once the device has done it. */
export interface StepReport {
  /** Counted from one. */
  step: number;
  /** `loss<phase>` of each phase that ran, and the other parts under their own names. */
  losses: Record<string, number>;
  /** Over the last steps. */
  imagesPerSecond: number;
}

export interface TrainerCallback {
  /** After step `step` was enqueued; what is read now is of this step. Awaited. */
  afterStep?(step: number): void | Promise<void>;
  /** When the losses of a step are known: in order, two steps later or at the end. Awaited. */
  onReport?(report: StepReport): void | Promise<void>;
  /** Once for each phase that was found to be no fixed list of operations and runs eagerly from then on: why. */
  onEager?(phase: string, reason: string): void;
}

/** How a phase is carried out. */
export interface CaptureState {
  /** Whether its updates are replayed from a recording. */
  replaying: boolean;
  /** Why they never will be, when that is settled. */
  reason?: string;
}

type PerNetwork<N extends Networks, T> = { readonly [K in keyof N]?: T };

export interface TrainerOptions<N extends Networks> {
  networks: N;
  phases: readonly Phase<N>[];
  /** One for each network that some phase trains. */
  optimizers: PerNetwork<N, Optimizer>;
  data: BatchSource;
  /** Factors of the learning rate that the optimiser had when the trainer was made. */
  schedules?: PerNetwork<N, Schedule>;
  /** Updated after each step that trained their network. */
  averages?: PerNetwork<N, EMA>;
  /** What convolutions and matrix products of the phases are computed in; see withPrecision. Default f32. */
  precision?: Precision;
  /**
   * Every batch is taken in this many equal parts, one after the other, whose gradients are averaged before the
   * optimiser's step: the memory of a small batch with the gradient of a large one. Default 1.
   */
  accumulate?: number;
  /** In every n-th step the norms of the gradients are reported too, as `gradNorm<phase>`. Default: never. */
  gradNormEvery?: number;
  callbacks?: readonly TrainerCallback[];
}

interface Outstanding {
  step: number;
  names: string[];
  /** For each name, the networks to blame if it is a loss that is not finite. */
  networks: (string | undefined)[];
  values: Promise<TypedArray>;
  images: number;
}

// One step running, one waiting: enough that the device never idles, little enough that a NaN is seen soon.
const stepsAhead = 2;
const speedWindow = 20;

/**
 * Carries out phases over networks, step by step.
 *
 *     const trainer = new Trainer({
 *       networks: { generator, discriminator },
 *       optimizers: { generator: new optim.Adam(generator), discriminator: new optim.Adam(discriminator) },
 *       phases: [
 *         { name: 'D', train: ['discriminator'], loss: ({ images }) => ({ loss: ... }) },
 *         { name: 'G', train: ['generator'], loss: ({ size }) => ({ loss: ... }) },
 *       ],
 *       data: new LoaderBatches(new BatchLoader(dataset, { batch: 64 })),
 *     });
 *     await trainer.run({ steps: 1000 });
 */
export class Trainer<N extends Networks = Networks> {
  readonly networks: N;
  readonly phases: readonly Phase<N>[];
  readonly optimizers: PerNetwork<N, Optimizer>;
  readonly averages: PerNetwork<N, EMA>;
  readonly data: BatchSource;
  readonly precision: Precision;
  readonly #schedules: [Optimizer, Schedule, number][];
  readonly #callbacks: readonly TrainerCallback[];
  readonly #accumulate: number;
  readonly #gradNormEvery: number;
  readonly #outstanding: Outstanding[] = [];
  readonly #times: { time: number; images: number }[] = [];
  readonly #programs: readonly PhaseProgram[];
  #steps = 0;

  /** @throws GanvasError ERR_ARGUMENT when a phase names an unknown network, or one without an optimiser */
  constructor(options: TrainerOptions<N>) {
    const { networks, phases, optimizers, data, schedules = {}, averages = {}, callbacks = [] } = options;
    const { precision = 'f32', accumulate = 1, gradNormEvery = Number.POSITIVE_INFINITY } = options;
    assertCount(accumulate, 'Trainer: accumulate');
    this.#accumulate = accumulate;
    this.#gradNormEvery = gradNormEvery;
    this.networks = networks;
    this.phases = phases;
    this.optimizers = optimizers;
    this.averages = averages;
    this.data = data;
    this.precision = precision;
    this.#callbacks = callbacks;
    for (const phase of phases) checkPhase(phase, networks, optimizers);
    this.#programs = phases.map(
      (phase) =>
        new PhaseProgram(
          (batch) => this.#update(phase, batch),
          phase.capture === false ? 'capture is off' : undefined,
        ),
    );
    this.#schedules = Object.entries(schedules as Record<string, Schedule>).map(([name, schedule]) => {
      const optimizer = optimizers[name];
      if (!optimizer) {
        throw new GanvasError('ERR_ARGUMENT', `Trainer: there is a schedule but no optimizer for "${name}"`);
      }
      return [optimizer, schedule, optimizer.lr];
    });
  }

  /** Steps enqueued so far. A checkpoint sets it: see restoreTraining. */
  get steps(): number {
    return this.#steps;
  }

  set steps(value: number) {
    this.#steps = value;
  }

  /**
   * Trains until `steps` steps have been taken in all, or the signal aborts.
   * @throws GanvasError ERR_NAN when a loss is NaN or infinite, and whatever a loss, the data or a callback throws
   */
  async run({ steps, signal }: { steps: number; signal?: AbortSignal }): Promise<void> {
    this.#times.length = 0;
    while (this.#steps < steps && !signal?.aborted) await this.step();
    await this.settle();
  }

  /**
   * How each phase is carried out. The trainer records a phase when it runs (see capture) and replays it from the third
   * time on, if it did the same twice; it looks again now and then. Either way the results are the same bits.
   */
  get captured(): Readonly<Record<string, CaptureState>> {
    return Object.fromEntries(
      this.phases.map(({ name }, i) => {
        const { replaying, reason } = this.#programs[i];
        return [name, reason === undefined ? { replaying } : { replaying, reason }];
      }),
    );
  }

  /** Frees what the trainer recorded; the networks and optimisers are their owners'. Training may go on. */
  dispose(): void {
    for (const program of this.#programs) program.dispose();
  }

  /** Enqueues one step. Waits only while the device is more than two steps behind. Throws as run(). */
  async step(): Promise<void> {
    for (const [optimizer, schedule, base] of this.#schedules) optimizer.lr = base * schedule(this.#steps);
    await scope(() => this.#enqueue());
    this.#steps += 1;
    for (const { afterStep } of this.#callbacks) await afterStep?.(this.#steps);
    while (this.#outstanding.length > stepsAhead) await this.#report();
    // A macrotask, so that timers, sockets and signals have their turn however fast the device is.
    await setImmediate();
    await ready();
  }

  /** Waits until every step taken has been done and its losses are known. Throws as run(). */
  async settle(): Promise<void> {
    while (this.#outstanding.length > 0) await this.#report();
  }

  async #enqueue(): Promise<void> {
    if (this.#times.length === 0) this.#times.push({ time: performance.now(), images: 0 });
    const scalars: { name: string; networks?: string; value: Tensor }[] = [];
    let images = 0;
    const fetch = async () => {
      const batch = await this.data.next();
      images += batch.size;
      return batch;
    };
    let batch = await fetch();
    const trained = new Set<string>();
    for (const [i, phase] of this.phases.entries()) {
      const { every = 1, from = 0, until = Number.POSITIVE_INFINITY } = phase;
      // A stage that is over will not come again, and its recordings hold memory.
      if (this.#steps >= until) this.#programs[i].dispose();
      if (this.#steps % every !== 0 || this.#steps < from || this.#steps >= until) continue;
      let result: PhaseResult | undefined;
      for (let turn = 0; turn < (phase.repeat ?? 1); turn++) {
        if (turn > 0) batch = await fetch();
        result = this.#carryOut(phase, this.#programs[i], batch);
      }
      const { loss, ...parts } = result!;
      scalars.push({ name: `loss${phase.name}`, networks: phase.train.join(' and '), value: loss });
      for (const [name, value] of Object.entries(parts)) scalars.push({ name, value });
      for (const name of phase.train) trained.add(name);
    }
    for (const name of trained) this.averages[name]?.update(this.#steps + 1);
    if (scalars.length === 0) return;
    const values = concat(scalars.map(({ value }) => reshape(inFloat32(value), [1]))).data();
    // Reported by the step that reaches it; until then a failure must not count as unhandled.
    values.catch(() => {});
    this.#outstanding.push({
      step: this.#steps + 1,
      names: scalars.map(({ name }) => name),
      networks: scalars.map(({ networks }) => networks),
      values,
      images,
    });
  }

  #carryOut(phase: Phase<N>, program: PhaseProgram, batch: TrainBatch): PhaseResult {
    // An eager update gives the same bits, and may do what the recorded ones do not.
    if ((this.#steps + 1) % this.#gradNormEvery === 0) return this.#update(phase, batch, true);
    const settled = program.reason !== undefined;
    const result = program.run(batch);
    if (!settled && program.reason !== undefined) {
      for (const { onEager } of this.#callbacks) onEager?.(phase.name, program.reason);
    }
    return result;
  }

  #update(phase: Phase<N>, batch: TrainBatch, withNorm = false): PhaseResult {
    return scope(() => {
      const optimizers = phase.train.map((name) => this.optimizers[name]!);
      const parameters = optimizers.flatMap((optimizer) => optimizer.parameters);
      const { value, grads } = this.#gradients(phase, batch, parameters);
      const norm = withNorm ? { [`gradNorm${phase.name}`]: globalNorm(grads) } : {};
      const applied = phase.clip === undefined ? grads : clipGradNorm(grads, phase.clip).grads;
      let position = 0;
      for (const optimizer of optimizers) {
        const end = position + optimizer.parameters.length;
        optimizer.step(applied.slice(position, end));
        position = end;
      }
      phase.after?.();
      return { ...value, ...norm };
    });
  }

  /** The phase's result and the gradients of a batch, or their means over its parts. */
  #gradients(
    phase: Phase<N>,
    batch: TrainBatch,
    parameters: readonly Tensor[],
  ): { value: PhaseResult; grads: Tensor[] } {
    const of = (part: TrainBatch) =>
      withPrecision(this.precision, () => valueAndGrad(() => phase.loss(part, this.networks), parameters));
    const parts = this.#accumulate === 1 ? [batch] : partsOf(batch, this.#accumulate);
    const first = of(parts[0]);
    let grads = first.grads;
    let value: PhaseResult = first.value;
    for (const part of parts.slice(1)) {
      const next = of(part);
      grads = scopedSums(grads, next.grads);
      value = Object.fromEntries(
        Object.entries(value).map(([name, t]) => [name, add(t, next.value[name])]),
      ) as PhaseResult;
    }
    if (parts.length === 1) return { value, grads };
    const mean = (t: Tensor) => mul(t, 1 / parts.length);
    return {
      value: Object.fromEntries(Object.entries(value).map(([name, t]) => [name, mean(t)])) as PhaseResult,
      grads: grads.map(mean),
    };
  }

  async #report(): Promise<void> {
    const { step, names, networks, values, images } = this.#outstanding.shift()!;
    const numbers = await values;
    const losses: Record<string, number> = {};
    names.forEach((name, i) => {
      losses[name] = numbers[i];
      if (networks[i] === undefined || Number.isFinite(numbers[i])) return;
      throw new GanvasError(
        'ERR_NAN',
        `the loss of the ${networks[i]} (${name}) became ${numbers[i]} at step ${step}; ` +
          'a lower learning rate or gradient clipping may help',
      );
    });
    const report = { step, losses, imagesPerSecond: this.#speed(images) };
    for (const { onReport } of this.#callbacks) await onReport?.(report);
  }

  #speed(images: number): number {
    const times = this.#times;
    times.push({ time: performance.now(), images });
    if (times.length > speedWindow) times.shift();
    const seconds = (times[times.length - 1].time - times[0].time) / 1000;
    return times.slice(1).reduce((sum, entry) => sum + entry.images, 0) / Math.max(seconds, 1e-9);
  }
}

/** A batch cut into equal parts. Throws ERR_ARGUMENT when it cannot be. */
function partsOf(batch: TrainBatch, count: number): TrainBatch[] {
  const { size } = batch;
  if (size % count !== 0) {
    throw new GanvasError('ERR_ARGUMENT', `a batch of ${size} cannot be taken in ${count} equal parts`);
  }
  const part = size / count;
  return Array.from({ length: count }, (_, i) => {
    const rows = (t: Tensor) => {
      const rest = t.shape.slice(1);
      return slice(t, [i * part, ...rest.map(() => 0)], [part, ...rest]);
    };
    const tensors = Object.entries(batch).map(([name, value]) => [
      name,
      value instanceof Tensor ? rows(value) : value,
    ]);
    return { ...Object.fromEntries(tensors), size: part } as TrainBatch;
  });
}

/** a + b for each pair, the summands freed. */
function scopedSums(a: readonly Tensor[], b: readonly Tensor[]): Tensor[] {
  return a.map((t, i) => {
    const sum = add(t, b[i]);
    t.dispose();
    b[i].dispose();
    return sum;
  });
}

function checkPhase<N extends Networks>(
  phase: Phase<N>,
  networks: N,
  optimizers: PerNetwork<N, Optimizer>,
): void {
  const fail = (problem: string) =>
    new GanvasError('ERR_ARGUMENT', `Trainer: phase "${phase.name}" ${problem}`);
  for (const name of phase.train) {
    if (!Object.hasOwn(networks, name)) {
      throw fail(`trains "${name}"; the networks are ${Object.keys(networks).join(', ')}`);
    }
    if (!optimizers[name]) throw fail(`trains "${name}", which has no optimizer`);
  }
  for (const key of ['every', 'repeat'] as const) {
    const value = phase[key] ?? 1;
    if (!Number.isSafeInteger(value) || value < 1) {
      throw fail(`has ${key} = ${value}; expected an integer of at least 1`);
    }
  }
  const { from = 0, until = Number.POSITIVE_INFINITY } = phase;
  if (!(from >= 0 && from < until)) {
    throw fail(`runs from step ${from} until ${until}; expected 0 <= from < until`);
  }
  if (phase.clip !== undefined && !(phase.clip > 0))
    throw fail(`has clip = ${phase.clip}; expected a number above 0`);
}
