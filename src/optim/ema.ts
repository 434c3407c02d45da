// An exponential moving average of a module's parameters and buffers: the weights that GANs are sampled from. Holds
// tensors only; to run the module with them, see `withAverage`.

import { GanvasError } from '../errors.js';
import type { AnyModule } from '../nn/module.js';
import { assertSameState } from '../nn/state.js';
import { mul } from '../tensor/ops/index.js';
import { assign, lerp } from '../tensor/ops/optim.js';
import { keep, scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertDecay } from './optimizer.js';

export interface EMAOptions {
  /** β in [0, 1): how much of the average survives a step. Default 0.999. */
  decay?: number;
}

/**
 * a ← β a + (1 - β) w after every step, for each parameter and buffer w of a module (Yazıcı et al. 2019). Whole numbers,
 * such as a count of steps, are copied.
 */
export class EMA {
  readonly decay: number;
  readonly #module: AnyModule;
  readonly #average: Readonly<Record<string, Tensor>>;
  readonly #numbers: readonly string[];
  readonly #counts: readonly string[];

  /** Begins with the present values. Throws ERR_ARGUMENT unless the decay lies in [0, 1). */
  constructor(module: AnyModule, { decay = 0.999 }: EMAOptions = {}) {
    assertDecay(decay, 'EMA: decay');
    this.decay = decay;
    this.#module = module;
    this.#average = Object.fromEntries(
      Object.entries(module.stateDict()).map(([name, t]) => [name, keep(copy(t))]),
    );
    const names = Object.keys(this.#average);
    this.#numbers = names.filter((name) => this.#average[name].dtype === 'f32');
    this.#counts = names.filter((name) => this.#average[name].dtype !== 'f32');
  }

  /**
   * Moves the average towards the module's present values.
   * @param step the step just taken, from 1, to forget the start faster: β = min(decay, (1 + step) / (10 + step)), as
   *   TensorFlow's ExponentialMovingAverage does with num_updates. Default: β = decay.
   */
  update(step = Number.POSITIVE_INFINITY): void {
    const now = this.#module.stateDict();
    const decay = Math.min(this.decay, step === Number.POSITIVE_INFINITY ? 1 : (1 + step) / (10 + step));
    const averages = (names: readonly string[]) => names.map((name) => this.#average[name]);
    const present = (names: readonly string[]) => names.map((name) => now[name]);
    lerp(averages(this.#numbers), present(this.#numbers), 1 - decay);
    if (this.#counts.length > 0) assign(averages(this.#counts), present(this.#counts));
  }

  /** The averages by the names of the module's state: the live tensors, not copies. */
  stateDict(): Record<string, Tensor> {
    return { ...this.#average };
  }

  /** Continues from saved averages, all or nothing. Throws ERR_CHECKPOINT unless every name, shape and dtype fits. */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    assertSameState(this.#average, state, 'EMA');
    const names = Object.keys(this.#average);
    assign(
      names.map((name) => this.#average[name]),
      names.map((name) => state[name]),
    );
  }

  /** Calls fn with the averages in the module's tensors, and puts the trained values back. fn must be synchronous. */
  withAverage<T>(fn: () => T): T {
    const live = this.#module.stateDict();
    const trained = Object.entries(live).map(([name, t]): [string, Tensor] => [name, keep(copy(t))]);
    try {
      this.#module.loadStateDict(this.#average);
      const result = fn();
      if (result instanceof Promise) {
        throw new GanvasError('ERR_ARGUMENT', 'EMA.withAverage: the function must not be async');
      }
      return result;
    } finally {
      for (const [name, t] of trained) {
        assign(live[name], t);
        t.dispose();
      }
    }
  }

  /** Frees the averages. */
  dispose(): void {
    for (const t of Object.values(this.#average)) t.dispose();
  }
}

function copy(t: Tensor): Tensor {
  // Times one keeps every bit; plus zero would turn -0 into 0.
  return scope(() => mul(t, 1));
}
