// The graph that a gradient records: one Node per op on a watched tensor, pointing from results to inputs. Only the
// record and the switch that turns it on; autograd.ts walks it. Kept apart so that ops and scopes need not load autograd.

import type { OpSpec } from './define.js';
import type { Tensor } from './tensor.js';

/** @internal Whether ops are being recorded. */
export const tape = { recording: false };

let nextId = 0;

/** One op in the graph, or a leaf: a tensor being differentiated by (then `spec` is undefined). */
export class Node {
  /** Grows with time, so descending order is a reverse topological order. */
  readonly id = nextId++;
  readonly parents: (Node | undefined)[];

  constructor(
    readonly spec: OpSpec<never> | undefined,
    readonly inputs: Tensor[],
    readonly attrs: never,
    readonly outputs: Tensor[],
  ) {
    this.parents = inputs.map((t) => t.node);
  }

  /** The tensors the gradient rule will read. */
  saved(): Tensor[] {
    const { spec } = this;
    if (!spec) return [];
    if (!spec.saves) return this.inputs;
    const { inputs = [], outputs = [] } = spec.saves;
    // An op may have optional inputs at the end.
    return [...inputs.flatMap((i) => this.inputs[i] ?? []), ...outputs.map((i) => this.outputs[i])];
  }
}

/** @internal Whether an op on these inputs belongs in the graph. */
export function recordingFor(inputs: Tensor[]): boolean {
  if (!tape.recording) return false;
  for (const t of inputs) if (t.node) return true;
  return false;
}

/** @internal Runs fn with recording on or off, and puts back what was. */
export function withRecording<T>(on: boolean, fn: () => T): T {
  const before = tape.recording;
  tape.recording = on;
  try {
    return fn();
  } finally {
    tape.recording = before;
  }
}
