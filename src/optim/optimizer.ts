// The base of the optimisers: parameters, their moments by name, the learning rate and the count of steps. Parameters
// and moments are updated in place, all in one kernel; nothing is read back. Gradients come from valueAndGrad.

import { GanvasError } from '../errors.js';
import { type AnyModule, Module } from '../nn/module.js';
import { assertSameState } from '../nn/state.js';
import { eachRun, type Live, live } from '../tensor/live.js';
import { zerosLike } from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { keep } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';

/** What continuing needs besides the parameters. `tensors` are the live moments, not copies. */
export interface OptimizerState {
  /** Steps taken. */
  step: number;
  lr: number;
  /** `<moment>.<parameter>`, as `m.blocks.0.weight`. */
  tensors: Record<string, Tensor>;
}

function positive(value: number, what: string): number {
  if (!(Number.isFinite(value) && value >= 0)) {
    throw new GanvasError('ERR_ARGUMENT', `${what} must be a finite number of at least 0, got ${value}`);
  }
  return value;
}

/** Throws ERR_ARGUMENT unless `value` lies in [0, 1). */
export function assertDecay(value: number, what: string): void {
  if (!(value >= 0 && value < 1)) {
    throw new GanvasError('ERR_ARGUMENT', `${what} must be at least 0 and below 1, got ${value}`);
  }
}

export abstract class Optimizer {
  readonly parameters: readonly Tensor[];
  readonly #names: readonly string[];
  readonly #moments: Readonly<Record<string, Tensor[]>>;
  #lr: number;
  #steps = 0;

  /**
   * @param parameters a module, or a list of tensors (then the names of the state are positions)
   * @param lr learning rate
   * @param moments names of the tensors kept per parameter
   */
  protected constructor(parameters: AnyModule | readonly Tensor[], lr: number, moments: readonly string[]) {
    // A parameter shared by two layers has two names; it is updated once, under the first.
    const named = new Map<Tensor, string>();
    const entries: [string, Tensor][] =
      parameters instanceof Module
        ? parameters.namedParameters()
        : parameters.map((t, i): [string, Tensor] => [String(i), t]);
    for (const [name, t] of entries) if (!named.has(t)) named.set(t, name);
    this.parameters = [...named.keys()];
    this.#names = [...named.values()];
    this.#lr = positive(lr, 'learning rate');
    this.#moments = Object.fromEntries(
      moments.map((moment) => [moment, this.parameters.map((t) => keep(zerosLike(t)))]),
    );
  }

  /** Learning rate; may be changed between steps. Setting throws ERR_ARGUMENT unless it is at least 0. */
  get lr(): number {
    return this.#lr;
  }

  set lr(value: number) {
    this.#lr = positive(value, 'learning rate');
  }

  /** Steps taken. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * Updates the parameters in place.
   * @param grads one per parameter, in their order and of their shapes
   * @throws GanvasError ERR_ARGUMENT or ERR_SHAPE unless they fit
   */
  step(grads: readonly Tensor[]): void {
    if (grads.length !== this.parameters.length) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${this.constructor.name}: expected ${this.parameters.length} gradients, got ${grads.length}`,
      );
    }
    if (grads.length === 0) return;
    this.update(grads, this.#moments, this.#steps + 1);
    eachRun(
      () => {
        this.#steps += 1;
      },
      () => {
        this.#steps -= 1;
      },
    );
  }

  /**
   * Step number `step`, counted from one, with the moments by name, one per parameter. A program (see capture) that
   * contains this step calls it once and replays what it did, so numbers that change from step to step must be passed on
   * as `liveRate` and `liveStep`.
   */
  protected abstract update(
    grads: readonly Tensor[],
    moments: Readonly<Record<string, Tensor[]>>,
    step: number,
  ): void;

  /** The learning rate, asked for anew in each run of a program. */
  protected readonly liveRate: Live = live(() => this.#lr);

  /** A function of the number of the step, counted from one, asked for anew in each run of a program. */
  protected liveStep(value: (step: number) => number = (step) => step): Live {
    return live(() => value(this.#steps + 1));
  }

  stateDict(): OptimizerState {
    const tensors = Object.entries(this.#moments).flatMap(([moment, list]) =>
      list.map((t, i): [string, Tensor] => [`${moment}.${this.#names[i]}`, t]),
    );
    return { step: this.#steps, lr: this.#lr, tensors: Object.fromEntries(tensors) };
  }

  /**
   * Continues from a saved state, all or nothing.
   * @throws GanvasError ERR_CHECKPOINT unless every name, shape and dtype fits and step and lr are sensible
   */
  loadStateDict({ step, lr, tensors }: OptimizerState): void {
    const own = this.stateDict().tensors;
    if (!Number.isSafeInteger(step) || step < 0 || !Number.isFinite(lr) || lr < 0) {
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${this.constructor.name}: expected a step count and a learning rate, got ${step} and ${lr}`,
      );
    }
    assertSameState(own, tensors, this.constructor.name);
    const changed = Object.keys(own).filter((name) => own[name] !== tensors[name]);
    assign(
      changed.map((name) => own[name]),
      changed.map((name) => tensors[name]),
    );
    this.#steps = step;
    this.#lr = lr;
  }

  /** Frees the moments; the parameters are their owner's. */
  dispose(): void {
    for (const t of Object.values(this.stateDict().tensors)) t.dispose();
  }
}
