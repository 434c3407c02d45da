// Deterministic freeing: tensors made inside `scope(fn)` are disposed when fn ends, except those it returns or that
// were kept. Works for async functions too, because the scope travels with the asynchronous context. Autograd uses
// the same mechanism. JavaScript's collector is only the backstop (see tensor.ts).

import { AsyncLocalStorage } from 'node:async_hooks';
import { tape } from './graph.js';
import { Tensor } from './tensor.js';

/** The tensors made since a scope began that nobody disposed or kept. */
export type Scope = Set<Tensor>;

const storage = new AsyncLocalStorage<Scope | undefined>();

/** @internal The innermost scope of the running code. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/** @internal Runs fn with `scope` as the place new tensors are noted in (undefined: in none). */
export function withScope<T>(scope: Scope | undefined, fn: () => T): T {
  return storage.run(scope, fn);
}

/** @internal Calls `visit` for every tensor in arrays, plain objects, Maps and Sets, however nested. */
export function forEachTensor(value: unknown, visit: (t: Tensor) => void, seen = new Set<object>()): void {
  if (value instanceof Tensor) {
    visit(value);
  } else if (typeof value === 'object' && value !== null && !seen.has(value)) {
    seen.add(value);
    const prototype = Object.getPrototypeOf(value);
    if (Array.isArray(value) || value instanceof Set || value instanceof Map) {
      for (const item of value) forEachTensor(item, visit, seen);
    } else if (prototype === Object.prototype || prototype === null) {
      for (const item of Object.values(value)) forEachTensor(item, visit, seen);
    }
  }
}

/**
 * Runs `fn` and disposes every tensor made inside it, except those in its result (a tensor, or arrays, plain objects,
 * Maps and Sets of them) and those given to `keep`. For an async fn the promise's result counts and disposal waits.
 *
 * Inside valueAndGrad or grad it frees nothing by itself: the gradient still reads the intermediates, and frees them.
 *
 *     const y = scope(() => x.mul(2).add(1));   // x.mul(2) is freed, y lives
 */
export function scope<T>(fn: () => T): T {
  if (tape.recording) return fn();
  const outer = currentScope();
  const made: Scope = new Set();
  const close = (result: unknown): void => {
    forEachTensor(result, (t) => {
      if (!made.delete(t)) return;
      t.scope = outer;
      outer?.add(t);
    });
    for (const t of made) t.dispose();
  };
  let result: T;
  try {
    result = withScope(made, fn);
  } catch (error) {
    close(undefined);
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value) => {
        close(value);
        return value;
      },
      (error) => {
        close(undefined);
        throw error;
      },
    ) as T;
  }
  close(result);
  return result;
}

/** Takes a tensor out of the scope it was made in: it lives until `dispose()`. Returns it. */
export function keep<T extends Tensor>(t: T): T {
  t.scope?.delete(t);
  t.scope = undefined;
  return t;
}
