// Every op of the op table on the CUDA device against the CPU: each sample's results and first gradients, in f32, in bf16,
// and for what multiplies matrices or convolves also with TF32. Whether the CPU is right is ops.test.ts's business, as
// are second derivatives.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allowTF32, device } from '../../src/device.js';
import { type Addon, addon } from '../../src/native.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, type OpSpec, opTable, type Sample } from '../../src/tensor/define.js';
import { setConvPrecision } from '../../src/tensor/ops/conv.js';
import * as ops from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { size } from '../reference/nd.js';
import { asTensor, narrowed, prepare, title, uniformLike } from '../tensor/cases.js';
import { fromTyped, largest, randomFrom } from '../tensor/numeric.js';
import { available, describeOnCuda, on } from './on-cuda.js';

type Mode = 'f32' | 'TF32' | 'bf16';

/** How far a result may be from the CPU's, relative to the largest number of the result. */
const tolerances: Record<Mode, number> = { f32: 1e-4, TF32: 2e-3, bf16: 2e-2 };

// A result whose numbers cancel to next to nothing carries the rounding of what cancelled.
const smallest = 1e-2;

interface Values {
  what: string;
  dtype: string;
  shape: readonly number[];
  values: ArrayLike<number>;
}

const read = async (what: string, t: Tensor): Promise<Values> => {
  const { dtype, shape } = t;
  return { what, dtype, shape, values: fromTyped(await t.data(), dtype) };
};

/** The outputs of an op on a sample, and the gradients of a weighted sum of the first by the float inputs. */
async function play(spec: OpSpec<never>, sample: Sample<never>, number: number, mode: Mode) {
  const c = mode === 'bf16' ? narrowed(spec, sample, number) : prepare(spec, sample, number);
  if (!c) return undefined;
  const outputs = applyAll(spec, c.tensors, sample.attrs);
  const seen: Values[] = [];
  for (const [k, y] of outputs.entries()) seen.push(await read(`output ${k}`, y));
  const [y] = outputs;
  const smooth = y.dtype === 'f32' || y.dtype === 'bf16';
  if (!spec.vjp || !smooth || c.floats.length === 0 || sample.gradient === false) return seen;
  const weights = asTensor(uniformLike(y.shape, randomFrom(`${spec.name} ${number} weights`)));
  const watched = c.floats.map((k) => c.tensors[k]);
  const { grads } = valueAndGrad((...xs: Tensor[]) => {
    const args = [...c.tensors];
    for (const [m, k] of c.floats.entries()) args[k] = xs[m];
    return ops.sum(ops.mul(ops.cast(applyAll(spec, args, sample.attrs)[0], 'f32'), weights));
  }, watched);
  for (const [m, g] of grads.entries()) seen.push(await read(`gradient by input ${c.floats[m]}`, g));
  return seen;
}

/** The first thing that is too far from what the CPU gave, in words. */
function difference(got: Values, want: Values, tolerance: number): string | undefined {
  if (got.dtype !== want.dtype || `${got.shape}` !== `${want.shape}`)
    return `${got.what} is ${got.dtype} [${got.shape}], not ${want.dtype} [${want.shape}]`;
  const exact = want.dtype === 'i32' || want.dtype === 'u8';
  const allowed = exact ? 0 : tolerance * Math.max(largest(want.values), smallest);
  for (let i = 0; i < want.values.length; i++) {
    const [a, b] = [got.values[i], want.values[i]];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (!(Math.abs(a - b) <= allowed)) return `${want.what}, element ${i}: got ${a}, want ${b} ± ${allowed}`;
  }
  return undefined;
}

async function compare(spec: OpSpec<never>, sample: Sample<never>, number: number, mode: Mode) {
  const results = [];
  for (const name of ['cpu', 'cuda'] as const) {
    results.push(await on(name, () => scope(() => play(spec, sample, number, mode))));
  }
  const [want, got] = results;
  expect(got?.map(({ what }) => what)).toEqual(want?.map(({ what }) => what));
  const differences = want?.map((values, i) => difference(got![i], values, tolerances[mode]));
  expect(differences?.filter(Boolean) ?? []).toEqual([]);
}

/** The ops that multiply matrices or convolve, forward or backward. */
async function products(): Promise<Set<string>> {
  const found = new Set<string>();
  const natives: { run: Addon['run']; ops: readonly string[] } = addon();
  const { run } = natives;
  for (const [name, spec] of opTable) {
    natives.run = (op, inputs, attributes) => {
      if (/matmul|conv|attention|gru|lstm|covariance/i.test(natives.ops[op])) found.add(name);
      return run(op, inputs, attributes);
    };
    const sample = spec.samples().find(({ gradient }) => gradient !== false) ?? spec.samples()[0];
    await scope(() => play(spec, sample, 0, 'f32'));
  }
  natives.run = run;
  return found;
}

const isFloat = (sample: Sample<never>) => sample.inputs.some(({ dtype = 'f32' }) => dtype === 'f32');
const multiplying = available ? await on('cpu', products) : [];

describeOnCuda('on CUDA as on the CPU', () => {
  beforeAll(() => setConvPrecision('accurate'));
  for (const [name, spec] of opTable) {
    describe(name, () => {
      for (const [i, sample] of spec.samples().entries()) {
        test(`f32 #${i} ${title(sample)}`, () => compare(spec, sample, i, 'f32'));
        if (isFloat(sample)) test(`bf16 #${i} ${title(sample)}`, () => compare(spec, sample, i, 'bf16'));
      }
    });
  }

  describe('with TF32', () => {
    beforeAll(() => {
      allowTF32(true);
      setConvPrecision('fast');
    });
    afterAll(() => {
      allowTF32(false);
      setConvPrecision('accurate');
    });
    for (const name of multiplying) {
      const spec = opTable.get(name)!;
      describe(name, () => {
        for (const [i, sample] of spec.samples().entries()) {
          if (isFloat(sample)) test(`TF32 #${i} ${title(sample)}`, () => compare(spec, sample, i, 'TF32'));
        }
      });
    }
  });
});

describeOnCuda('random numbers are the same on both devices', () => {
  const draws: [string, (generator: Generator) => Tensor][] = [
    ['rand', (generator) => ops.rand([257, 3], { generator })],
    ['randn', (generator) => ops.randn([1001], { generator })],
    ['uniform', (generator) => ops.uniform([77], { low: -3, high: 5, generator })],
    ['bernoulli', (generator) => ops.bernoulli([513], 0.3, { generator })],
    ['randint', (generator) => ops.randint([513], -7, 1000, { generator })],
    ['randperm', (generator) => ops.randperm(333, { generator })],
    ['gumbel', (generator) => ops.gumbel([65], { generator })],
    ['truncatedNormal', (generator) => ops.truncatedNormal([65], { generator })],
    [
      'multinomial',
      (generator) => ops.multinomial(ops.tensor([0.1, 0.2, 0.7]), 99, { replacement: true, generator }),
    ],
  ];
  test.each(draws)('%s', async (what, draw) => {
    const results = [];
    for (const name of ['cpu', 'cuda'] as const) {
      results.push(
        await on(name, () =>
          scope(async () => {
            const generator = new Generator(9);
            return [await read(what, draw(generator)), await read(`${what} again`, draw(generator))];
          }),
        ),
      );
    }
    const [want, got] = results;
    expect(size(want[0].shape)).toBeGreaterThan(0);
    expect(want.map((values, i) => difference(got[i], values, 2e-6)).filter(Boolean)).toEqual([]);
  });

  test('the device is the one selected', () => {
    expect(device()).toBe('cuda');
    expect(scope(() => ops.zeros([1]).device)).toBe('cuda');
  });
});
