// How a property of an op is tested: random calls, run with a fixed seed, against the naive reference or the composite
// fallback. A failure reports the seed and the smallest counterexample that fast-check found.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { GanvasError } from '../../src/errors.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { apply, type OpSpec, opTable } from '../../src/tensor/define.js';
import { mul, sum } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import { make, type Nd, size } from '../reference/nd.js';
import { Operand, operands } from './arbitrary.js';
import { fromTyped, largest, mismatch, randomFrom, rounded } from './numeric.js';

const seed = 20261122;

/** A call of an op of the table. */
export interface Case {
  op: string;
  inputs: Operand[];
  attrs: object;
}

function specOf(op: string): OpSpec<object> {
  const spec = opTable.get(op);
  if (!spec) throw new Error(`there is no op ${op}`);
  return spec as unknown as OpSpec<object>;
}

/** The engine's first output against the reference's, relative to the largest element. */
export async function agrees({ op, inputs, attrs }: Case): Promise<void> {
  const y = specOf(op).run(
    inputs.map((x) => x.tensor()),
    attrs,
  )[0];
  await expectReference({ op, inputs, attrs }, y, 1e-5);
}

async function expectReference({ op, inputs, attrs }: Case, y: Tensor, relative: number): Promise<void> {
  const want = references[op](
    inputs.map((x) => x.nd),
    attrs as never,
  );
  expect(y.shape, `shape of ${op}`).toEqual(want.shape);
  const got = fromTyped(await y.data(), y.dtype);
  const exact = y.dtype === 'i32' || y.dtype === 'u8';
  const scale = Math.max(1, largest(want.data));
  expect(mismatch(got, want.data, exact ? 0 : relative, scale), op).toBeUndefined();
}

/** The same with as many inputs in bf16 as the op takes, from the first on: parameters, which come last, may be f32. */
async function agreesInBf16({ op, inputs, attrs }: Case): Promise<void> {
  const floats = inputs.flatMap((x, k) => (x.dtype === 'f32' ? [k] : []));
  for (let count = floats.length; count > 0; count--) {
    const narrow = floats.slice(0, count);
    const mixed = inputs.map((x, k) => (narrow.includes(k) ? inBf16(x) : x));
    const tensors = mixed.map((x) => x.tensor());
    try {
      await expectReference({ op, inputs: mixed, attrs }, specOf(op).run(tensors, attrs)[0], 1e-2);
      return;
    } catch (error) {
      if (!(error instanceof GanvasError) || error.code !== 'ERR_DTYPE' || count === 1) throw error;
    }
  }
}

const inBf16 = ({ nd, layout }: Operand): Operand =>
  new Operand(
    make(
      nd.shape,
      nd.data.map((v) => rounded(v, 'bf16')),
    ),
    'bf16',
    layout,
  );

/** The fused first-order gradient against the gradient of the composite. */
export async function gradientsAgree({ op, inputs, attrs }: Case): Promise<void> {
  const spec = specOf(op);
  const tensors = inputs.map((x) => x.tensor());
  const floats = tensors.filter((x) => x.dtype === 'f32');
  const shape = references[op](
    inputs.map((x) => x.nd),
    attrs as never,
  ).shape;
  const random = randomFrom(op);
  const weights = make(
    shape,
    Array.from({ length: size(shape) }, () => random() - 0.5),
  );
  const weight = new Operand(weights, 'f32', 'dense').tensor();
  const fused = valueAndGrad(() => sum(mul(apply(spec, tensors, attrs), weight)), floats).grads;
  const composite = valueAndGrad(() => sum(mul(spec.fallback!(tensors, attrs), weight)), floats).grads;
  for (const [i, g] of fused.entries()) {
    const want = await composite[i].data();
    expect(g.shape).toEqual(composite[i].shape);
    const scale = Math.max(1, largest(want));
    expect(mismatch(await g.data(), want, 5e-5, scale), `${op}, gradient by input ${i}`).toBeUndefined();
  }
}

interface PropertyOptions {
  runs?: number;
  check?: (c: Case) => Promise<void>;
  /** Whether the op also takes bf16, which is then tested as well in a third of the cases. Default true. */
  bf16?: boolean;
}

/** A test that the op agrees with its reference (or passes another check) in all cases. */
export function property(name: string, cases: fc.Arbitrary<Case>, options: PropertyOptions = {}): void {
  const { runs = 120, check = agrees, bf16 = true } = options;
  const inAll = (what: string, holds: (c: Case) => Promise<void>, numRuns: number) =>
    test(what, () =>
      fc.assert(
        fc.asyncProperty(cases, (c) => scope(() => holds(c))),
        { seed, numRuns },
      ),
    );
  inAll(name, check, runs);
  if (check === agrees && bf16) inAll(`${name} in bf16`, agreesInBf16, Math.ceil(runs / 3));
}

/** A call of a public function: the shapes of its inputs, and what it is by definition. */
export interface FunctionCase {
  shapes: readonly (readonly number[])[];
  run: (inputs: Tensor[]) => Tensor;
  want: (inputs: Nd[]) => Nd;
}

/** A test that a public function agrees with its definition in all cases, relative to the largest element. */
export function functionProperty(
  name: string,
  cases: fc.Arbitrary<FunctionCase>,
  { runs = 80 }: { runs?: number } = {},
): void {
  const drawn = cases.chain((c) => operands(c.shapes).map((inputs) => ({ ...c, inputs })));
  test(name, () =>
    fc.assert(
      fc.asyncProperty(drawn, ({ inputs, run, want: defined }) =>
        scope(async () => {
          const want = defined(inputs.map((x) => x.nd));
          const y = run(inputs.map((x) => x.tensor()));
          expect(y.shape, `shape of ${name}`).toEqual(want.shape);
          const scale = Math.max(1, largest(want.data));
          expect(mismatch(await y.data(), want.data, 1e-5, scale), name).toBeUndefined();
        }),
      ),
      { seed, numRuns: runs },
    ),
  );
}

/** A call with operands of the given shapes. */
export const call = (op: string, shapes: readonly (readonly number[])[], attrs: object): fc.Arbitrary<Case> =>
  fc.record({ op: fc.constant(op), inputs: operands(shapes), attrs: fc.constant(attrs) });
