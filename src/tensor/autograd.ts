// Reverse-mode gradients, functional as in JAX: only the tensors asked about are watched, and every rule is written in
// ops that are recorded themselves, so gradients nest to any order. Nothing here knows a particular op.
//
// While a gradient is taken, each op on a watched tensor adds a Node to a graph that points from results to inputs.
// Numbers grow with time, so descending order is a reverse topological order. The outermost gradient owns every tensor
// made inside it: what no rule will read is freed when the forward pass ends, the rest as the backward pass goes.

import { GanvasError } from '../errors.js';
import { view } from './define.js';
import { Node, tape, withRecording } from './graph.js';
import { add } from './ops/binary.js';
import { onesLike, zerosLike } from './ops/create.js';
import { sumTo } from './ops/reduce.js';
import { cast } from './ops/unary.js';
import { inFloat32, withPrecision, withWeightCopies } from './precision.js';
import { currentScope, forEachTensor, type Scope, scope, withScope } from './scope.js';
import { Tensor } from './tensor.js';

let depth = 0; // gradients being taken right now, one inside the other

/** Runs fn without recording: its results are constants to any gradient being taken. */
export function noGrad<T>(fn: () => T): T {
  return withRecording(false, fn);
}

/** The nodes on a path from root to a leaf, newest first. A node older than every leaf cannot be on one. */
function activeNodes(root: Node | undefined, leaves: Node[]): Node[] {
  const leafSet = new Set(leaves);
  const oldest = Math.min(...leaves.map((n) => n.id));
  const reachable = new Set<Node>();
  const stack = root ? [root] : [];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (reachable.has(node) || node.id < oldest) continue;
    reachable.add(node);
    if (leafSet.has(node)) continue;
    for (const parent of node.parents) if (parent) stack.push(parent);
  }
  const active = new Set<Node>();
  for (const node of [...reachable].sort((a, b) => a.id - b.id)) {
    if (leafSet.has(node) || node.parents.some((p) => p && active.has(p))) active.add(node);
  }
  return [...active].reverse();
}

/**
 * Gradients of a composite in place of a fused rule, so that they can be differentiated again. Fused kernels round
 * bf16 once, at the end, so the composite runs in f32.
 */
function fallbackVjp(node: Node, gy: Tensor, needs: boolean[]): (Tensor | undefined)[] {
  const { spec, inputs, attrs } = node;
  const watched = inputs.filter((_, i) => needs[i]);
  return watch(watched, (leaves) => {
    const y = spec!.fallback!(inputs.map(inFloat32), attrs);
    const grads = backward(y, inFloat32(gy), leaves, () => {});
    let next = 0;
    return needs.map((need) => (need ? grads[next++] : undefined));
  });
}

/**
 * Cotangents of the leaves. `release(node)` is called when a node's saved tensors have been read for the last time.
 * Temporaries are freed op by op unless the backward pass is being recorded itself.
 */
function backward(
  root: Tensor,
  seed: Tensor,
  leaves: Node[],
  release: (node: Node) => void,
): (Tensor | undefined)[] {
  const active = activeNodes(root.node, leaves);
  const inGraph = new Set(active);
  const cotangents = new Map<Node, Tensor>();
  // One tensor may be the cotangent of several nodes (add passes its own on), so uses are counted.
  const uses = new Map<Tensor, number>();
  const hold = (t: Tensor) => uses.set(t, (uses.get(t) ?? 0) + 1);
  const drop = (t: Tensor) => {
    const left = (uses.get(t) ?? 1) - 1;
    uses.set(t, left);
    if (left === 0 && t !== seed && !tape.recording) t.dispose();
  };
  if (active.length > 0) {
    cotangents.set(root.node!, seed);
    hold(seed);
  }
  const isLeaf = new Set(leaves);
  for (const node of active) {
    const gy = cotangents.get(node);
    if (!gy || isLeaf.has(node)) continue;
    cotangents.delete(node);
    const needs = node.parents.map((p) => p !== undefined && inGraph.has(p));
    for (const [i, g] of scope(() => cotangentsOf(node, gy, needs)).entries()) {
      if (!g) continue;
      const parent = node.parents[i]!;
      const before = cotangents.get(parent);
      if (before) {
        const total = add(before, g);
        cotangents.set(parent, total);
        hold(total);
        drop(before);
        if (!uses.get(g) && !tape.recording && g !== seed) g.dispose();
      } else {
        cotangents.set(parent, g);
        hold(g);
      }
    }
    drop(gy);
    release(node);
  }
  return leaves.map((leaf) => cotangents.get(leaf));
}

function cotangentsOf(node: Node, gy: Tensor, needs: boolean[]): (Tensor | undefined)[] {
  const { spec, inputs, outputs, attrs } = node;
  if (!spec) return [gy]; // the leaf of an inner gradient: the identity
  const grads =
    spec.fallback && tape.recording
      ? fallbackVjp(node, gy, needs)
      : spec.vjp!({ inputs, outputs, attrs, needs }, gy);
  return needs.map((need, i) => {
    const g = need ? grads[i] : undefined;
    return g && cotangentFor(inputs[i], g);
  });
}

/** g summed over what was broadcast, in x's dtype: summed in f32 before it is rounded, or to stay so. */
function cotangentFor(x: Tensor, g: Tensor): Tensor {
  const summed = sumTo(g, x.shape, x.dtype === 'f32');
  return summed.dtype === x.dtype || x.dtype === 'i32' || x.dtype === 'u8' ? summed : cast(summed, x.dtype);
}

/** Runs fn with fresh leaves in place of the tensors' nodes, and puts the old ones back. */
function watch<T>(tensors: Tensor[], fn: (leaves: Node[]) => T): T {
  const before = new Map<Tensor, Node | undefined>();
  for (const t of tensors) {
    if (before.has(t)) continue;
    before.set(t, t.node);
    // An enclosing gradient still sees through the leaf: its parent is the tensor's own history.
    t.node = new Node(undefined, t.node ? [t] : [], undefined as never, []);
  }
  const leaves = tensors.map((t) => t.node!);
  try {
    return withRecording(true, () => fn(leaves));
  } finally {
    for (const [t, node] of before) if (!t.disposed) t.node = node;
  }
}

/** Frees what the outermost gradient made as soon as nothing will read it. */
class Releaser {
  readonly #owned: Scope;
  readonly #kept = new Set<Tensor>();
  readonly #readers = new Map<Tensor, number>();

  constructor(owned: Scope, result: unknown, active: Node[]) {
    this.#owned = owned;
    forEachTensor(result, (t) => this.#kept.add(t));
    for (const node of active) {
      for (const t of node.saved()) this.#readers.set(t, (this.#readers.get(t) ?? 0) + 1);
    }
    for (const t of [...owned]) if (!this.#readers.has(t)) this.#dispose(t);
  }

  release(node: Node): void {
    for (const t of node.saved()) {
      const left = this.#readers.get(t)! - 1;
      this.#readers.set(t, left);
      if (left === 0) this.#dispose(t);
    }
  }

  #dispose(t: Tensor): void {
    if (this.#owned.has(t) && !this.#kept.has(t)) t.dispose();
  }
}

/** Gives each gradient a handle of its own: a + b passes one cotangent to both, and either may be disposed first. */
function distinct(grads: Tensor[]): Tensor[] {
  const seen = new Set<Tensor>();
  return grads.map((g) => {
    if (!seen.has(g)) {
      seen.add(g);
      return g;
    }
    const copy = view(g, g.shape);
    copy.node = g.node;
    return copy;
  });
}

/** What a loss function may return: the loss, or an object with it under `loss` beside other results to keep. */
export type LossResult = Tensor | { loss: Tensor };

export interface ValueAndGrad<R extends LossResult> {
  value: R;
  grads: Tensor[];
}

function lossOf(result: LossResult, what: string): Tensor {
  const loss = result instanceof Tensor ? result : result?.loss;
  if (!(loss instanceof Tensor)) {
    const promise = (result as unknown) instanceof Promise;
    // Its own rejection, over tensors that are gone by then, would end the process.
    if (promise) (result as unknown as Promise<unknown>).catch(() => {});
    const hint = promise ? ' (the function must not be async)' : '';
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${what}: the function must return a Tensor, or an object with one as \`loss\`${hint}`,
    );
  }
  if (loss.size !== 1) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${what}: the loss must have one element, got shape [${loss.shape}]; reduce it with mean() or sum()`,
    );
  }
  if (loss.dtype !== 'f32')
    throw new GanvasError(
      'ERR_DTYPE',
      `${what}: the loss must be f32, got ${loss.dtype}; compute it in f32: cast(logits, 'f32')`,
    );
  return loss;
}

function checkWatched(tensors: readonly unknown[], what: string): asserts tensors is Tensor[] {
  tensors.forEach((t, i) => {
    if (!(t instanceof Tensor)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${what}: expected tensors to differentiate by, got ${typeof t} at ${i}`,
      );
    }
    t.live();
    if (t.dtype !== 'f32' && t.dtype !== 'bf16') {
      throw new GanvasError(
        'ERR_DTYPE',
        `${what}: only f32 and bf16 tensors have gradients, number ${i} is ${t.dtype}`,
      );
    }
  });
}

function differentiate<R extends LossResult>(fn: () => R, params: Tensor[], what: string): ValueAndGrad<R> {
  const outermost = depth === 0;
  const owned: Scope = new Set();
  const outer = currentScope();
  depth++;
  try {
    const inside = () =>
      watch(params, (leaves) => {
        const value = fn();
        const loss = lossOf(value, what);
        // Unrecorded, the backward pass may free as it goes; recorded, the enclosing gradient will.
        return withRecording(!outermost, () => {
          let release: (node: Node) => void = () => {};
          if (outermost) {
            const releaser = new Releaser(owned, value, activeNodes(loss.node, leaves));
            release = (node) => releaser.release(node);
          }
          // The types of the forward pass decide, not the precision set while the gradient is taken.
          const found = withPrecision('f32', () => backward(loss, onesLike(loss), leaves, release));
          return { value, grads: distinct(params.map((p, i) => found[i] ?? zerosLike(p))) };
        });
      });
    const result = outermost ? withScope(owned, () => withWeightCopies(inside)) : inside();
    if (outermost) {
      forEachTensor(result, (t) => {
        t.node = undefined;
        if (!owned.delete(t)) return;
        t.scope = outer;
        outer?.add(t);
      });
    }
    return result;
  } finally {
    depth--;
    if (outermost) for (const t of [...owned]) t.dispose();
  }
}

/**
 * Calls `fn(...params)` and differentiates its result by each of `params`. Returns `{ value, grads }`: what fn
 * returned, and one gradient per parameter, of its shape (zeros where the loss does not depend on it).
 *
 * `fn` must be synchronous and return a one-element tensor, or an object holding one under `loss` (its other tensors
 * survive as well). It may use the parameters through its arguments or through a closure. Every other tensor made
 * inside is freed, at the latest when the call returns. Calls nest to any order.
 *
 *     const { value, grads } = valueAndGrad(() => model.forward(x).sub(y).square().mean(), model.parameters());
 *
 * Throws ERR_SHAPE if the loss is not a scalar, ERR_DTYPE if it is not f32 or a parameter neither f32 nor bf16,
 * ERR_NOT_DIFFERENTIABLE where an op without a gradient is met.
 */
export function valueAndGrad<R extends LossResult>(
  fn: (...params: Tensor[]) => R,
  params: readonly Tensor[],
): ValueAndGrad<R> {
  const list = [...params];
  checkWatched(list, 'valueAndGrad');
  return differentiate(() => fn(...list), list, 'valueAndGrad');
}

/**
 * The gradient of a scalar function: `grad(fn)` takes fn's arguments and returns the derivative of its result by the
 * first one (by a list of positions: a list of derivatives). May be used inside valueAndGrad or another grad.
 *
 *     const penalty = grad((x: Tensor) => critic.forward(x).sum())(images).square().sum(1).sqrt().sub(1).square();
 */
export function grad<A extends unknown[]>(
  fn: (...args: A) => Tensor,
  argument?: number,
): (...args: A) => Tensor;
export function grad<A extends unknown[]>(
  fn: (...args: A) => Tensor,
  argument: readonly number[],
): (...args: A) => Tensor[];
export function grad<A extends unknown[]>(
  fn: (...args: A) => Tensor,
  argument: number | readonly number[] = 0,
): (...args: A) => Tensor | Tensor[] {
  const positions = typeof argument === 'number' ? [argument] : [...argument];
  return (...args) => {
    const by = positions.map((i) => args[i]);
    checkWatched(by, 'grad');
    const { value, grads } = differentiate(() => fn(...args), by, 'grad');
    if (depth === 0 && !args.includes(value)) value.dispose();
    return typeof argument === 'number' ? grads[0] : grads;
  };
}
