// How an op is defined and applied. An op is an entry of the table: a name, a native call, a rule for its gradient
// written in public ops, and sample inputs from which its tests are generated. Nothing here knows any particular op.

import { GanvasError } from '../errors.js';
import { addon, callNative, dtypes } from '../native.js';
import { Node, recordingFor } from './graph.js';
import { type Attribute, host } from './live.js';
import { type DType, type Shape, Tensor } from './tensor.js';

/** One tensor of a sample call: values are drawn from [lo, hi], at least `gap` away from each of `avoid` (kinks). */
export interface SampleInput {
  shape: Shape;
  dtype?: DType;
  lo?: number;
  hi?: number;
  avoid?: number[];
  /** Exact values instead of random ones. */
  values?: number[];
}

/** One call of an op for the generated tests. */
export interface Sample<A> {
  inputs: SampleInput[];
  attrs: A;
  /** false: only the values are checked, not the gradients (kinks, ties, large sizes). */
  gradient?: boolean;
}

/** What a gradient rule sees: the tensors of the forward call. Only those that `saves` names are alive. */
export interface VjpContext<A> {
  inputs: Tensor[];
  outputs: Tensor[];
  attrs: A;
  /** Which inputs' gradients are wanted; a rule may return undefined for the others. */
  needs: boolean[];
}

export interface OpSpec<A> {
  name: string;
  /** The forward computation through `native`. Output 0 is the differentiable one; the others are by-products. */
  run(inputs: Tensor[], attrs: A): Tensor[];
  /**
   * Cotangents of the inputs from the cotangent of output 0, in public differentiable ops. A cotangent may have the
   * shape of the output where the input was broadcast: the engine sums it down. Absent: not differentiable.
   */
  vjp?(context: VjpContext<A>, gy: Tensor): (Tensor | undefined)[];
  /** Which tensors vjp reads, so that the others are freed early. Default: all inputs, no outputs. */
  saves?: { inputs?: number[]; outputs?: number[] };
  /** The same function in public ops; used in place of vjp when the gradient itself must be differentiable. */
  fallback?(inputs: Tensor[], attrs: A): Tensor;
  samples(): Sample<A>[];
}

/** The op table: every op by name, in order of definition. */
export const opTable = new Map<string, OpSpec<never>>();

function register<A>(spec: OpSpec<A>): OpSpec<A> {
  if (opTable.has(spec.name)) throw new GanvasError('ERR_INTERNAL', `op ${spec.name} is defined twice`);
  opTable.set(spec.name, spec as unknown as OpSpec<never>);
  return spec;
}

/** Defines an op whose gradient rule is differentiable itself (or that has none). */
export function defineOp<A>(spec: Omit<OpSpec<A>, 'fallback'>): OpSpec<A> {
  return register(spec);
}

/** Defines an op with a fused first-order gradient; higher orders differentiate `fallback`. */
export function defineFused<A>(spec: OpSpec<A> & Required<Pick<OpSpec<A>, 'fallback' | 'vjp'>>): OpSpec<A> {
  return register(spec);
}

/**
 * Applies an op and returns all its outputs, recording it if a gradient is being taken of an input. Whole numbers
 * (comparisons, argmax, casts) are constants to a gradient; any other op without a rule throws ERR_NOT_DIFFERENTIABLE.
 */
export function applyAll<A>(spec: OpSpec<A>, inputs: Tensor[], attrs: A): Tensor[] {
  const outputs = spec.run(inputs, attrs);
  const [y] = outputs;
  if (!y || y.dtype === 'i32' || y.dtype === 'u8' || !recordingFor(inputs)) return outputs;
  if (!spec.vjp) {
    throw new GanvasError(
      'ERR_NOT_DIFFERENTIABLE',
      `${spec.name} has no gradient; use noGrad() for a constant`,
    );
  }
  y.node = new Node(spec as unknown as OpSpec<never>, inputs, attrs as never, outputs);
  return outputs;
}

/** Applies an op with one result. */
export function apply<A>(spec: OpSpec<A>, inputs: Tensor[], attrs: A): Tensor {
  return applyAll(spec, inputs, attrs)[0];
}

let opNumbers: Map<string, number> | undefined;

/**
 * Calls a native op: only shape rules run now, the kernel is queued, or recorded for a program's runs (which will ask
 * live attributes for their values again). Throws the rule's GanvasError.
 */
export function native(name: string, inputs: Tensor[], attrs: readonly Attribute[] = []): Tensor[] {
  const { args, ops, run } = addon();
  opNumbers ??= new Map(ops.map((op, i) => [op, i]));
  const number = opNumbers.get(name);
  if (number === undefined) throw new GanvasError('ERR_INTERNAL', `the addon has no op named ${name}`);
  let at = inputs.length;
  for (const attribute of attrs) at += typeof attribute === 'number' ? 1 : attribute.width;
  if (at > args.length) throw new GanvasError('ERR_ARGUMENT', `${name}: too many inputs (${inputs.length})`);
  for (let i = 0; i < inputs.length; i++) args[i] = inputs[i].live().slot;
  at = inputs.length;
  for (const attribute of attrs) {
    if (typeof attribute === 'number') args[at++] = attribute;
    else {
      if (host.recording && attribute.save) host.recording.undo.push(attribute.save());
      for (const value of attribute.values()) args[at++] = value;
    }
  }
  const given = at - inputs.length;
  // Copied, because the call leaves its outputs in the same buffer.
  const values = host.recording && Array.from(args.subarray(inputs.length, at));
  const outputs = callNative(() => run(number, inputs.length, given));
  if (values) noteLive(attrs, values);
  const result: Tensor[] = new Array(outputs);
  for (let i = 0, at = 0; i < outputs; i++) {
    const rank = args[at + 2];
    result[i] = new Tensor(
      args[at],
      Array.from(args.subarray(at + 3, at + 3 + rank)),
      dtypes[args[at + 1]],
      inputs[0]?.device,
    );
    at += 3 + rank;
  }
  return result;
}

/** Tells the recording of the live attributes of the call just made. */
function noteLive(attrs: readonly Attribute[], values: readonly number[]): void {
  let at = 0;
  for (const attribute of attrs) {
    if (typeof attribute === 'number') {
      at += 1;
      continue;
    }
    addon().live(at, attribute.width);
    host.recording!.actions.push(attribute);
    host.recording!.values.push(...values.slice(at, at + attribute.width));
    at += attribute.width;
  }
}

/** A tensor with another shape on the same storage (the sizes must agree; the caller has checked). */
export function view(x: Tensor, shape: Shape): Tensor {
  const { args } = addon();
  for (let i = 0; i < shape.length; i++) args[i] = shape[i];
  const slot = callNative(() => addon().view(x.live().slot, shape.length));
  return new Tensor(slot, [...shape], x.dtype, x.device);
}

/** Uploads values. The typed array is copied at once, so the caller may reuse it. */
export function upload(data: ArrayBufferView, shape: Shape, dtype: DType): Tensor {
  const { args } = addon();
  for (let i = 0; i < shape.length; i++) args[i] = shape[i];
  const slot = callNative(() => addon().fromData(dtypes.indexOf(dtype), shape.length, data));
  return new Tensor(slot, [...shape], dtype);
}
