// capture(): a function of tensors becomes a program, which runs its operations again with one native call and no
// JavaScript per op. The recording, the memory plan and the fusing of elementwise chains are native (engine/program.h);
// here are the function's inputs and results, and what JavaScript must do for each run (live.ts).

import { GanvasError } from '../errors.js';
import { addon, callNative, dtypes } from '../native.js';
import { recordingFor, withRecording } from './graph.js';
import { type HostRecording, host } from './live.js';
import { type Scope, withScope } from './scope.js';
import { assertTensor, type DType, type Shape, Tensor } from './tensor.js';

/** What a captured function may return: tensors, in arrays and plain objects however nested, beside plain values. */
export type Captured =
  | Tensor
  | number
  | string
  | boolean
  | null
  | undefined
  | readonly Captured[]
  | { readonly [key: string]: Captured };

/** The shape of an input. */
interface InputType {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** The result of a run as a function of its tensors, and where the tensors are in it: `loss`, `parts.0`. */
interface Structure {
  readonly paths: readonly string[];
  build(tensors: readonly Tensor[]): Captured;
}

/** A function once recorded. */
interface Recorded {
  readonly id: number;
  readonly inputs: readonly InputType[];
  readonly actions: HostRecording['actions'];
  readonly structure: Structure;
  /** For each tensor of the result: made anew by each run, an input, or a tensor from outside. */
  readonly results: readonly (InputType | { input: number } | { outside: Tensor })[];
}

const outside = 2;

/** Replaces the tensors of a result by their numbers, in order of first appearance. */
function structureOf(value: unknown, tensors: Tensor[], paths: string[], path = ''): Structure['build'] {
  if (value instanceof Tensor) {
    let k = tensors.indexOf(value);
    if (k < 0) k = tensors.push(value) - 1;
    paths.push(`${path}=${k}`);
    return (made) => made[k];
  }
  if (Array.isArray(value)) {
    const items = value.map((item, i) => structureOf(item, tensors, paths, `${path}.${i}`));
    return (made) => items.map((build) => build(made));
  }
  if (typeof value === 'object' && value !== null) {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      const items = Object.entries(value).map(
        ([key, item]) => [key, structureOf(item, tensors, paths, `${path}.${key}`)] as const,
      );
      return (made) => Object.fromEntries(items.map(([key, build]) => [key, build(made)]));
    }
  }
  if (typeof value === 'object' ? value !== null : typeof value === 'function') {
    const what = value instanceof Promise ? 'a promise (it must not be async)' : String(value);
    throw new GanvasError(
      'ERR_CAPTURE',
      `capture: the function must return tensors, in arrays or plain objects; got ${what}`,
    );
  }
  return () => value as Captured;
}

function placeholder({ shape, dtype }: InputType): Tensor {
  const { args } = addon();
  for (let i = 0; i < shape.length; i++) args[i] = shape[i];
  return new Tensor(
    callNative(() => addon().placeholder(dtypes.indexOf(dtype), shape.length)),
    [...shape],
    dtype,
  );
}

function describe({ shape, dtype }: InputType): string {
  return `${dtype} [${shape}]`;
}

// A program that is never disposed gives its memory back when it is collected, as tensors do.
const backstop = new FinalizationRegistry<number>((id) => addon().freeProgram(id));

/** A captured function; see capture(). */
export class Program<I extends readonly Tensor[] = readonly Tensor[], R extends Captured = Captured> {
  readonly #fn: (...inputs: Tensor[]) => unknown;
  #recorded: Recorded | undefined;
  #disposed = false;

  /** @internal Made by capture(). */
  constructor(fn: (...inputs: I) => R) {
    this.#fn = fn as unknown as (...inputs: Tensor[]) => unknown;
  }

  /**
   * How many operations were recorded, and in how many steps they run: fewer where chains were fused. And how many
   * graphs of the device they have become (a GPU's, from the second run on). 0 before the first run.
   */
  get size(): { operations: number; steps: number; graphs: number } {
    if (!this.#recorded) return { operations: 0, steps: 0, graphs: 0 };
    const { calls, steps, graphs } = addon().programInfo(this.#recorded.id);
    return { operations: calls, steps, graphs };
  }

  /**
   * Runs the function on these inputs: like calling it, in structure and in every bit. The first call records it. The
   * tensors of the result are new in each run, except inputs and tensors from outside that the function returns as they are.
   * @throws GanvasError ERR_ARGUMENT for another number of inputs than the first time, ERR_SHAPE or ERR_DTYPE for other
   * shapes or dtypes, ERR_DISPOSED, ERR_CAPTURE when the function cannot be recorded or a recording is in progress, and
   * on the first call whatever the function throws
   */
  run(inputs: I): R {
    this.#check(inputs);
    if (!this.#recorded) {
      const { recorded, values } = record(this.#fn, inputs);
      this.#adopt(recorded);
      return runRecorded(recorded, inputs, values) as R;
    }
    checkTypes(this.#recorded.inputs, inputs);
    return runRecorded(this.#recorded, inputs) as R;
  }

  /**
   * @internal Runs as run() does, but records the function once more to see whether it still does the same. If not, this
   * run is the new recording's, and `difference` says what changed; the program itself stays as it is.
   */
  rerun(inputs: I): { result: R; difference: string | undefined } {
    this.#check(inputs);
    const earlier = this.#recorded;
    if (!earlier) return { result: this.run(inputs), difference: undefined };
    const { recorded, values } = record(this.#fn, inputs);
    try {
      let difference = addon().programDifference(earlier.id, recorded.id);
      const paths = [earlier, recorded].map(({ structure }) => structure.paths.join(' '));
      if (!difference && paths[0] !== paths[1]) difference = 'the structure of the result changed';
      const result = runRecorded(difference ? recorded : earlier, inputs, values) as R;
      return { result, difference: difference || undefined };
    } finally {
      addon().freeProgram(recorded.id);
    }
  }

  /** Frees the program's memory once the runs under way are done. Results stay. Harmless when repeated. */
  dispose(): void {
    this.#disposed = true;
    if (!this.#recorded) return;
    addon().freeProgram(this.#recorded.id);
    backstop.unregister(this);
    this.#recorded = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #adopt(recorded: Recorded): void {
    this.#recorded = recorded;
    backstop.register(this, recorded.id, this);
  }

  #check(inputs: I): void {
    if (this.#disposed) throw new GanvasError('ERR_DISPOSED', 'program: it has been disposed');
    if (host.recording)
      throw new GanvasError('ERR_CAPTURE', 'program: it cannot run while a program is being recorded');
    if (!Array.isArray(inputs))
      throw new GanvasError('ERR_ARGUMENT', 'program: run() takes a list of tensors');
    for (const [i, t] of inputs.entries()) {
      assertTensor(t, `program: input ${i}`);
      t.live();
    }
    if (recordingFor(inputs as unknown as Tensor[])) {
      throw new GanvasError(
        'ERR_NOT_DIFFERENTIABLE',
        'program: a run has no gradient; take the gradient inside the captured function, or use noGrad()',
      );
    }
  }
}

function checkTypes(expected: readonly InputType[], inputs: readonly Tensor[]): void {
  if (inputs.length !== expected.length) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `program: it was recorded with ${expected.length} inputs, got ${inputs.length}`,
    );
  }
  for (const [i, want] of expected.entries()) {
    const got = inputs[i];
    const sameShape = got.rank === want.shape.length && got.shape.every((d, k) => d === want.shape[k]);
    if (sameShape && got.dtype === want.dtype) continue;
    throw new GanvasError(
      sameShape ? 'ERR_DTYPE' : 'ERR_SHAPE',
      `program: input ${i} must be ${describe(want)}, as when it was recorded; got ${describe(got)}`,
    );
  }
}

/** Calls fn on placeholders with recording on. `values`: the live values of this call, for the run that follows. */
function record(
  fn: (...inputs: Tensor[]) => unknown,
  inputs: readonly Tensor[],
): { recorded: Recorded; values: number[] } {
  const recording: HostRecording = { actions: [], values: [], undo: [] };
  const made: Scope = new Set();
  const tensors: Tensor[] = [];
  const paths: string[] = [];
  callNative(() => addon().beginCapture());
  try {
    host.recording = recording;
    const placeholders: Tensor[] = [];
    const build = withScope(made, () =>
      withRecording(false, () => {
        placeholders.push(...inputs.map(placeholder));
        return structureOf(fn(...placeholders), tensors, paths);
      }),
    );
    host.recording = undefined;
    const returned = new Set(tensors);
    for (const t of [...made]) if (!returned.has(t)) t.dispose();
    const { args } = addon();
    for (const [i, t] of tensors.entries()) args[i] = t.live().slot;
    const id = callNative(() => addon().endCapture(tensors.length));
    const results = tensors.map((t, i) => {
      const input = placeholders.indexOf(t);
      if (input >= 0) return { input };
      const { shape, dtype } = t;
      return args[i] === outside && !made.has(t) ? { outside: t } : { shape, dtype };
    });
    const types = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    const recorded = { id, inputs: types, actions: recording.actions, structure: { paths, build }, results };
    return { recorded, values: recording.values };
  } catch (error) {
    for (const undo of recording.undo.reverse()) undo();
    throw error;
  } finally {
    host.recording = undefined;
    addon().cancelCapture();
    for (const t of [...made]) t.dispose();
  }
}

/** One run, with the live values given or asked for now. */
function runRecorded(recorded: Recorded, inputs: readonly Tensor[], values?: readonly number[]): Captured {
  const { id, actions, structure, results } = recorded;
  const { args } = addon();
  let at = inputs.length;
  const put = (list: readonly number[]) => {
    for (const value of list) args[at++] = value;
  };
  if (values) {
    put(values);
  } else {
    for (const action of actions) {
      if (typeof action === 'function') action();
      else put(action.values());
    }
  }
  for (const [i, t] of inputs.entries()) args[i] = t.live().slot;
  const count = callNative(() => addon().runProgram(id, inputs.length, at - inputs.length));
  const slots = Array.from(args.subarray(0, count));
  return structure.build(
    results.map((from, i) => {
      if ('shape' in from) return new Tensor(slots[i], from.shape, from.dtype);
      addon().free(slots[i]);
      return 'outside' in from ? from.outside : inputs[from.input];
    }),
  );
}

/**
 * Turns a function of tensors into a program: the first run records the operations it makes, and later runs repeat them
 * without calling it, on other inputs of the same shapes. Gradients and optimiser steps may be part of it.
 *
 *     const step = capture((x: Tensor) => {
 *       const { value, grads } = valueAndGrad(() => model.forward(x).square().mean(), model.parameters());
 *       adam.step(grads);
 *       return value;
 *     });
 *     for (const x of batches) losses.push(step.run([x]));
 *
 * A run gives what calling the function would give, bit for bit: random numbers go on, learning rates and step counts
 * are those of the moment, parameters and running statistics are updated in place. Anything else that JavaScript decides
 * is fixed by the recording: branches, numbers computed in JavaScript, which tensors are used, tensor() values.
 *
 * `fn` must be synchronous, must not read values (data(), item()), and must not keep tensors it makes other than by
 * returning them. Memory: the program holds its largest need for intermediates until dispose(); see Program.
 */
export function capture<I extends readonly Tensor[], R extends Captured>(
  fn: (...inputs: I) => R,
): Program<I, R> {
  if (typeof fn !== 'function') {
    throw new GanvasError('ERR_ARGUMENT', `capture: expected a function, got ${typeof fn}`);
  }
  return new Program(fn);
}
