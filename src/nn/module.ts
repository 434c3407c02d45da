// The base of every layer and network: finds parameters, buffers and nested modules among its own properties, names them
// as PyTorch does (`blocks.0.weight`), and saves and loads them. No autograd here: parameters are plain tensors, and
// valueAndGrad is told which of them to watch.

import { GanvasError } from '../errors.js';
import { assign } from '../tensor/ops/optim.js';
import { keep } from '../tensor/scope.js';
import { Tensor } from '../tensor/tensor.js';
import { assertSameState } from './state.js';

const parameterTensors = new WeakSet<Tensor>();
const bufferTensors = new WeakSet<Tensor>();

/** Declares a tensor as trainable: it is kept alive and found by `parameters()` of the module that holds it. */
export function parameter(t: Tensor): Tensor {
  parameterTensors.add(keep(t));
  return t;
}

/** Declares a tensor as state that is saved but not trained, such as running statistics. It is kept alive. */
export function buffer(t: Tensor): Tensor {
  bufferTensors.add(keep(t));
  return t;
}

/** A module of any result type, where only its state matters. */
export type AnyModule = Module<unknown>;

/**
 * A layer or a network. Subclass it, hold parameters, buffers and other modules (or arrays of modules) as properties, and
 * define `forward`.
 *
 *     class Residual extends Module {
 *       readonly inner = new Linear(64, 64, { activation: 'relu' });
 *       forward(x: Tensor): Tensor {
 *         return x.add(this.inner.forward(x));
 *       }
 *     }
 */
export abstract class Module<Out = Tensor> {
  /** Whether dropout drops and batch normalisation uses the statistics of the batch; see train() and eval(). */
  training = true;

  /** The computation. */
  abstract forward(...inputs: Tensor[]): Out;

  /** The modules directly inside this one, by name. */
  children(): [string, AnyModule][] {
    return Object.entries(this).flatMap(([name, value]): [string, AnyModule][] => {
      if (value instanceof Module) return [[name, value]];
      if (!Array.isArray(value)) return [];
      return value.flatMap((item, i): [string, AnyModule][] =>
        item instanceof Module ? [[`${name}.${i}`, item]] : [],
      );
    });
  }

  /** This module and all inside it, each once, outermost first. */
  modules(): AnyModule[] {
    const found = new Set<AnyModule>();
    const visit = (module: AnyModule) => {
      if (found.has(module)) return;
      found.add(module);
      for (const [, child] of module.children()) visit(child);
    };
    visit(this);
    return [...found];
  }

  /** The trainable tensors, each once, in order of definition. */
  parameters(): Tensor[] {
    return [...new Set(this.#named(parameterTensors).map(([, t]) => t))];
  }

  /** The trainable tensors with their names; a shared one appears under each of its names. */
  namedParameters(): [string, Tensor][] {
    return this.#named(parameterTensors);
  }

  /** Tensors that are saved but not trained, with their names. */
  namedBuffers(): [string, Tensor][] {
    return this.#named(bufferTensors);
  }

  #named(kind: WeakSet<Tensor>, prefix = '', above: AnyModule[] = []): [string, Tensor][] {
    const own = Object.entries(this).filter(([, value]) => value instanceof Tensor && kind.has(value));
    const named = own.map(([name, t]): [string, Tensor] => [prefix + name, t as Tensor]);
    for (const [name, child] of this.children()) {
      // A module may point back at one that holds it.
      if (above.includes(child) || child === this) continue;
      named.push(...child.#named(kind, `${prefix}${name}.`, [...above, this]));
    }
    return named;
  }

  /** Parameters and buffers by name: the live tensors, not copies. */
  stateDict(): Record<string, Tensor> {
    return Object.fromEntries([...this.namedParameters(), ...this.namedBuffers()]);
  }

  /**
   * Copies the values of `state` into the parameters and buffers, all or nothing.
   * @throws GanvasError ERR_CHECKPOINT unless every name, shape and dtype fits; the message lists what does not
   */
  loadStateDict(state: Readonly<Record<string, Tensor>>): void {
    const own = this.stateDict();
    assertSameState(own, state, this.constructor.name);
    for (const t of Object.values(state)) t.live();
    // A shared tensor has several names but is written once: under the last.
    const sources = new Map(Object.entries(own).map(([name, t]) => [t, state[name]]));
    for (const [t, source] of sources) if (t === source) sources.delete(t);
    assign([...sources.keys()], [...sources.values()]);
  }

  /** Turns training behaviour on (or off) here and in every module inside. */
  train(on = true): this {
    for (const module of this.modules()) module.training = on;
    return this;
  }

  /** Turns training behaviour off: no dropout, running statistics in batch normalisation. */
  eval(): this {
    return this.train(false);
  }

  /** Frees the parameters and buffers of this module and all inside it. */
  dispose(): void {
    for (const t of Object.values(this.stateDict())) t.dispose();
  }
}

/** Throws ERR_ARGUMENT unless `value` is an integer of at least `least`. */
export function assertCount(value: unknown, what: string, least = 1): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${what} must be an integer of at least ${least}, got ${String(value)}`,
    );
  }
}
