// Tests generated from the op table: every op, on every one of its samples, against its naive float64 reference. The
// values, then the gradient against finite differences of the reference, then the gradient of the gradient. An op
// without a reference or with fewer than three samples fails. Behaviour of the public functions is tested elsewhere.

import { afterAll, describe, expect, test } from 'vitest';
import { type Addon, addon } from '../../src/native.js';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, opTable } from '../../src/tensor/define.js';
import { add, mul, sum } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import { asTensor, type Case, compare, lossOf, prepare, title, uniformLike } from './cases.js';
import { fromTyped, largest, mismatch, partial, secondPartial } from './numeric.js';

// Native ops that no entry of the op table calls: they have no result to differentiate, and tests of their own.
const testedElsewhere = [
  'moments',
  'traceSqrtProduct',
  'fill',
  'arange',
  'uniform',
  'normal',
  'bernoulli',
  'gumbel',
  'randint',
  'randperm',
  'truncatedNormal',
  'multinomial',
  'assign',
  'lerp',
  'clampInPlace',
  'sgd',
  'adam',
  'rmsprop',
];

const called = new Set<string>();
const natives: { run: Addon['run']; ops: readonly string[] } = addon();
const { run } = natives;
natives.run = (op, inputs, attributes) => {
  called.add(natives.ops[op]);
  return run(op, inputs, attributes);
};
afterAll(() => {
  natives.run = run;
});

async function checkValues({ spec, sample, inputs, tensors }: Case): Promise<void> {
  const want = references[spec.name](inputs, sample.attrs);
  const [y] = applyAll(spec, tensors, sample.attrs);
  expect(y.shape, 'shape').toEqual(want.shape);
  const got = fromTyped(await y.data(), y.dtype);
  if (y.dtype === 'i32' || y.dtype === 'u8') {
    expect(mismatch(got, want.data, 0, 0)).toBeUndefined();
    return;
  }
  const scale = 0.1 * Math.max(largest(want.data), ...inputs.map((x) => Math.min(largest(x.data), 1)));
  expect(mismatch(got, want.data, y.dtype === 'bf16' ? 4e-3 : 1e-5, scale)).toBeUndefined();
}

async function checkGradient(c: Case): Promise<void> {
  const { reference, engine, list, watched } = lossOf(c);
  const { grads } = valueAndGrad(engine, watched);
  await compare(c, list, grads, (k, i) => partial(reference, list, k, i), 3e-5);
  // Asked for one input at a time, the rule must give the same.
  for (const [m, x] of watched.entries()) {
    const alone = valueAndGrad(() => engine(...watched), [x]).grads[0];
    const want = await grads[m].data();
    expect(mismatch(await alone.data(), want, 1e-5, largest(want)), `gradient ${m} alone`).toBeUndefined();
  }
}

async function checkSecond(c: Case): Promise<void> {
  const { reference, engine, list, watched } = lossOf(c);
  const v = list.map((x, k) => (c.floats.includes(k) ? uniformLike(x.shape, c.random) : undefined));
  const directions = c.floats.map((k) => asTensor(v[k]!));
  const inner = grad(
    engine,
    c.floats.map((_, m) => m),
  );
  const along = (...xs: Tensor[]) =>
    inner(...xs)
      .map((g, m) => sum(mul(g, directions[m])))
      .reduce(add);
  const { grads } = valueAndGrad(along, watched);
  await compare(c, list, grads, (k, i) => secondPartial(reference, list, v, k, i), 1e-4);
}

for (const [name, spec] of opTable) {
  const samples = spec.samples();
  describe(name, () => {
    test('has a reference and at least three samples', () => {
      expect(references[name], `a reference for ${name} in test/reference/naive`).toBeTypeOf('function');
      expect(samples.length).toBeGreaterThanOrEqual(3);
    });
    if (!references[name]) return;
    for (const [i, sample] of samples.entries()) {
      test(`#${i} ${title(sample)}`, async () => {
        await scope(async () => {
          const c = prepare(spec, sample, i);
          await checkValues(c);
          if (!spec.vjp || c.floats.length === 0 || sample.gradient === false) return;
          await checkGradient(c);
          await checkSecond(c);
        });
      });
    }
    const differentiated = samples.find((s) => s.inputs.some((i) => (i.dtype ?? 'f32') === 'f32'));
    if (spec.vjp) {
      test('has a sample whose gradient is checked', () => {
        expect(
          samples.some((s) => s.gradient !== false && s.inputs.some((i) => (i.dtype ?? 'f32') === 'f32')),
        ).toBe(true);
      });
    } else if (differentiated) {
      test('has no gradient: integers are constants, floats are refused', async () => {
        await scope(async () => {
          const { tensors, floats, sample } = prepare(spec, differentiated, 0);
          const x = tensors[floats[0]];
          const loss = () => {
            const [y] = applyAll(spec, tensors, sample.attrs);
            return y.dtype === 'f32' || y.dtype === 'bf16' ? sum(y) : sum(mul(sum(y), sum(x)));
          };
          const [y] = applyAll(spec, tensors, sample.attrs);
          if (y.dtype === 'f32' || y.dtype === 'bf16') {
            const message = expect.stringContaining(name);
            expect(() => valueAndGrad(loss, [x])).toThrow(
              expect.objectContaining({ code: 'ERR_NOT_DIFFERENTIABLE', message }),
            );
          } else {
            const constant = fromTyped(await sum(y).data(), 'f32')[0];
            const got = await valueAndGrad(loss, [x]).grads[0].data();
            expect(Array.from(got)).toEqual(Array.from(got, () => constant));
          }
        });
      });
    }
  });
}

test('every native op is reached from the op table or tested elsewhere', () => {
  const reached = new Set([...called, ...testedElsewhere]);
  expect(natives.ops.filter((op) => !reached.has(op))).toEqual([]);
});

test('the generated tests leave no tensors behind', () => {
  expect(addon().memory().tensors).toBe(0);
});
