// Tests generated from the op table: every op, on every one of its samples, against its naive float64 reference. The
// values, then the gradient against finite differences of the reference, then the gradient of the gradient. An op
// without a reference or with fewer than three samples fails. Behaviour of the public functions is tested elsewhere.

import { afterAll, describe, expect, test } from 'vitest';
import { type Addon, addon } from '../../src/native.js';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, type OpSpec, opTable, type Sample, upload } from '../../src/tensor/define.js';
import { add, mul, sum } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import { make, type Nd, size } from '../reference/nd.js';
import {
  draw,
  fromTyped,
  type Loss,
  largest,
  mismatch,
  partial,
  randomFrom,
  secondPartial,
  shuffled,
  toTyped,
} from './numeric.js';

const allCoordinates = 40; // samples with more elements are differentiated at a few random coordinates
const fewCoordinates = 10;

// Native ops that no entry of the op table calls: they have no result to differentiate, and tests of their own.
const testedElsewhere = [
  'fill',
  'arange',
  'uniform',
  'normal',
  'assign',
  'lerp',
  'clampInPlace',
  'sgd',
  'adam',
  'rmsprop',
];

import { noGrad } from '../../src/tensor/autograd.js';
{
  const m = (name: string, f: (old: any) => any) => { const s = opTable.get(name) as any; s.vjp = f(s.vjp); };
  m('softmax', (old) => (c: any, gy: any) => old(c, gy).map((g: any) => g && mul(g, 1.0005)));
  m('square', (old) => (c: any, gy: any) => noGrad(() => old(c, gy)));
  m('matmul', (old) => (c: any, gy: any) => noGrad(() => old(c, gy)));
  m('slice', (old) => (c: any, gy: any) => noGrad(() => old(c, gy)));
  m('channelNorm', (old) => (c: any, gy: any) => { const r = old(c, gy); return [r[0], r[1], undefined]; });
  (opTable.get('tanh') as any).saves = { inputs: [] , outputs: [] };
  (opTable.get('conv2d') as any).saves = { inputs: [0] };
}
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

interface Case {
  spec: OpSpec<never>;
  sample: Sample<never>;
  inputs: Nd[];
  tensors: Tensor[];
  /** Positions of the inputs that have gradients. */
  floats: number[];
  random: () => number;
}

function prepare(spec: OpSpec<never>, sample: Sample<never>, number: number): Case {
  const random = randomFrom(`${spec.name} ${number}`);
  const inputs = sample.inputs.map((input, k) => draw(input, k, random));
  const dtypes = sample.inputs.map((input) => input.dtype ?? 'f32');
  const tensors = inputs.map((x, k) => upload(toTyped(x.data, dtypes[k]), x.shape, dtypes[k]));
  const floats = dtypes.flatMap((dtype, k) => (dtype === 'f32' ? [k] : []));
  return { spec, sample, inputs, tensors, floats, random };
}

function uniformLike(shape: readonly number[], random: () => number): Nd {
  return make(
    shape,
    Array.from({ length: size(shape) }, () => Math.fround(2 * random() - 1)),
  );
}

const asTensor = (x: Nd): Tensor => upload(toTyped(x.data, 'f32'), x.shape, 'f32');

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

/** The loss sum(y * u) in both worlds; u comes last in the list of inputs and is differentiated by as well. */
function lossOf(c: Case): {
  reference: Loss;
  engine: (...xs: Tensor[]) => Tensor;
  list: Nd[];
  watched: Tensor[];
} {
  const { spec, sample, inputs, tensors, floats, random } = c;
  const u = uniformLike(references[spec.name](inputs, sample.attrs).shape, random);
  const one = upload(Float32Array.of(1), [], 'f32');
  return {
    list: [...inputs, u],
    watched: [...floats.map((k) => tensors[k]), asTensor(u)],
    reference: (list) => {
      const weights = list[list.length - 1].data;
      const y = references[spec.name](list.slice(0, -1), sample.attrs).data;
      return y.reduce((total, value, i) => total + value * weights[i], 0);
    },
    engine: (...xs) => {
      const args = [...tensors];
      // The op's inputs are intermediates here, freed as early as its `saves` allows.
      floats.forEach((k, m) => {
        args[k] = mul(xs[m], one);
      });
      return sum(mul(applyAll(spec, args, sample.attrs)[0], xs[xs.length - 1]));
    },
  };
}

function coordinates(x: Nd, total: number, random: () => number): number[] {
  const order = shuffled(x.data.length, random);
  return total <= allCoordinates ? order : order.slice(0, fewCoordinates);
}

async function compare(
  c: Case,
  list: Nd[],
  grads: Tensor[],
  derivative: (k: number, i: number) => number,
  relative: number,
): Promise<void> {
  const positions = [...c.floats, list.length - 1];
  const total = positions.reduce((n, k) => n + list[k].data.length, 0);
  for (const [m, k] of positions.entries()) {
    expect(grads[m].shape, `shape of gradient ${k}`).toEqual(list[k].shape);
    const values = await grads[m].data();
    const some = coordinates(list[k], total, c.random);
    const smooth = some
      .map((i) => ({ got: values[i], want: derivative(k, i) }))
      .filter(({ want }) => !Number.isNaN(want));
    expect(smooth.length, 'coordinates away from kinks').toBeGreaterThanOrEqual(some.length / 2);
    const want = smooth.map((s) => s.want);
    const got = smooth.map((s) => s.got);
    expect(
      mismatch(got, want, relative, Math.max(1, largest(want))),
      `by input ${k}, at ${some}`,
    ).toBeUndefined();
  }
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

function title(sample: Sample<never>): string {
  const inputs = sample.inputs.map((i) => `${i.dtype ?? ''}[${i.shape}]`).join(' ');
  const attrs = JSON.stringify(sample.attrs ?? {});
  return `${inputs} ${attrs === '{}' ? '' : attrs}`.trim();
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
