// The number of threads decides how fast an op is, never what it computes: results and gradients of every op on its
// largest sample, f32 and bf16, and random tensors, are the same bit for bit on 1, 2 and 4 threads.

import { afterEach, describe, expect, test } from 'vitest';
import { setThreads, threads } from '../../src/device.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, type OpSpec, opTable } from '../../src/tensor/define.js';
import {
  add,
  bernoulli,
  cast,
  gumbel,
  mul,
  multinomial,
  rand,
  randint,
  randn,
  randperm,
  square,
  sum,
  truncatedNormal,
} from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { size } from '../reference/nd.js';
import { type Case, narrowed, prepare } from './cases.js';
import { bits } from './same-bits.js';

const before = threads();
afterEach(() => setThreads(before));

async function sameOnAnyNumber(compute: () => Tensor[]): Promise<void> {
  const on = async (count: number) => {
    setThreads(count);
    return scope(async () => Promise.all(compute().map(bits)));
  };
  const one = await on(1);
  expect(one.length).toBeGreaterThan(0);
  expect(await on(2), 'on 2 threads').toEqual(one);
  expect(await on(4), 'on 4 threads').toEqual(one);
}

/** The position of the sample with the most elements. */
function largest(spec: OpSpec<never>): number {
  const sizes = spec.samples().map(({ inputs }) => inputs.reduce((n, x) => n + size(x.shape), 0));
  return sizes.indexOf(Math.max(...sizes));
}

/** All results of the op and the gradients of their squares by its float inputs. */
function resultsAndGradients({ spec, sample, tensors, floats }: Case): Tensor[] {
  const outputs = applyAll(spec, tensors, sample.attrs);
  if (!spec.vjp || floats.length === 0 || outputs[0].dtype === 'i32') return outputs;
  const watched = floats.map((k) => tensors[k]);
  const { grads } = valueAndGrad(() => {
    const [y] = applyAll(spec, tensors, sample.attrs);
    return sum(square(cast(y, 'f32')));
  }, watched);
  return [...outputs, ...grads];
}

describe('every op, on its largest sample', () => {
  for (const [name, spec] of opTable) {
    const number = largest(spec);
    const sample = spec.samples()[number];
    test(`${name} ${sample.inputs.map((x) => `[${x.shape}]`).join(' ')}`, async () => {
      await sameOnAnyNumber(() => resultsAndGradients(prepare(spec, sample, number)));
    });
    if (!scope(() => narrowed(spec, sample, number))) continue;
    test(`${name} in bf16`, async () => {
      await sameOnAnyNumber(() => resultsAndGradients(narrowed(spec, sample, number)!));
    });
  }
});

describe('random tensors', () => {
  const shape = [67, 1031];
  const draws: Record<string, () => Tensor> = {
    rand: () => rand(shape),
    randn: () => randn(shape),
    bernoulli: () => bernoulli(shape, 0.3),
    gumbel: () => gumbel(shape),
    truncatedNormal: () => truncatedNormal(shape),
    randint: () => randint(shape, -5, 1000),
    randperm: () => randperm(70_001),
    'multinomial with replacement': () => multinomial(rand([31, 57]), 400, { replacement: true }),
    'multinomial without': () => multinomial(rand([31, 57]), 40),
  };
  for (const [name, draw] of Object.entries(draws)) {
    test(name, async () => {
      await sameOnAnyNumber(() => {
        manualSeed(9);
        return [draw()];
      });
    });
  }
});

test('a long sum and a product with a long depth, which are split into parts', async () => {
  manualSeed(2);
  const x = randn([300_007]);
  const tall = randn([33, 20_011]);
  await sameOnAnyNumber(() => [
    sum(x),
    sum(mul(tall, tall), 1),
    sum(tall, 0),
    add(tall.matmul(tall.transpose()), 1),
  ]);
  for (const t of [x, tall]) t.dispose();
});
