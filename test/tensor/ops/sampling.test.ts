// Draws: number for number what the references make of the same Philox words, their statistics, and what they refuse.

import { describe, expect, test } from 'vitest';
import { noGrad, valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  bernoulli,
  categorical,
  gumbel,
  gumbelSoftmax,
  multinomial,
  randint,
  randn,
  randperm,
  sum,
  tensor,
  truncatedNormal,
  zeros,
} from '../../../src/tensor/ops/index.js';
import { Generator } from '../../../src/tensor/random-state.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import type { State } from '../../reference/naive/random.js';
import * as reference from '../../reference/naive/sampling.js';
import { mismatch } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const average = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;

// The counter crosses 2^32 soon.
const state: State = [7, 0xdeadbeef, 2, 0xfffffffa];
function at(): { generator: Generator } {
  const generator = new Generator();
  generator.restore({ key: [state[0], state[1]], counter: [state[2], state[3]] });
  return { generator };
}

describe('whole numbers', () => {
  for (const [shape, low, high] of [
    [[7], 0, 10],
    [[3, 5], -4, 3],
    [[], 5, 6],
    [[0, 2], 0, 2],
    [[2, 33], -(2 ** 31), 2 ** 31],
  ] as const) {
    scoped(`randint [${shape}] in [${low}, ${high})`, async () => {
      const got = randint(shape, low, high, at());
      expect(got.dtype).toBe('i32');
      expect(got.shape).toEqual(shape);
      expect(await values(got)).toEqual(reference.randint(state, got.size, low, high));
    });
  }

  scoped('randint is uniform', async () => {
    const counts = new Array(7).fill(0);
    for (const v of await values(randint([70_000], 0, 7, at()))) counts[v]++;
    for (const c of counts) expect(Math.abs(c - 10_000)).toBeLessThan(450);
  });

  for (const n of [0, 1, 2, 9, 100]) {
    scoped(`randperm of ${n}`, async () => {
      const got = await values(randperm(n, at()));
      expect(got).toEqual(reference.randperm(state, n));
      expect(got.sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    });
  }

  test('refuse impossible arguments', () => {
    for (const draw of [
      () => randint([2], 3, 3),
      () => randint([2], 0.5, 3),
      () => randint([2], 0, 2 ** 31 + 1),
      () => randperm(-1),
      () => randperm(1.5),
    ])
      expect(draw).toThrow(code('ERR_ARGUMENT'));
    expect(() => randint([-1], 0, 2)).toThrow(code('ERR_SHAPE'));
  });
});

describe('truncated normal', () => {
  for (const [low, high] of [
    [-2, 2],
    [-0.5, 3],
    [-4, -3],
    [3, 4],
  ]) {
    scoped(`between ${low} and ${high}`, async () => {
      const got = await values(truncatedNormal([41], { mean: 1, std: 2, low, high, ...at() }));
      // On the right the kernel draws the mirror image.
      const want = got.map((_, i) =>
        low > 0 ? -reference.truncated(state, i, -high, -low) : reference.truncated(state, i, low, high),
      );
      expect(
        mismatch(
          got,
          want.map((z) => 1 + 2 * z),
          1e-6,
          1,
        ),
      ).toBeUndefined();
    });
  }

  scoped('far in the tail and without bounds', async () => {
    for (const v of await values(truncatedNormal([1000], { low: 9, high: 10, ...at() }))) {
      expect(v).toBeGreaterThanOrEqual(9);
      expect(v).toBeLessThanOrEqual(10);
    }
    const free = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
    const z = await values(truncatedNormal([100_000], { ...free, ...at() }));
    expect(average(z)).toBeCloseTo(0, 1);
    expect(average(z.map((v) => v * v))).toBeCloseTo(1, 1);
    expect(() => truncatedNormal([2], { low: 2, high: 1 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => truncatedNormal([2], { std: -1 })).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('multinomial', () => {
  const weights = [
    [1, 0, 3, 0.5, 2],
    [0, 0, 1e-3, 0, 2e-3],
    [1, 1, 1, 1, 1],
  ];
  const table = () => tensor(Float32Array.from(weights.flat()), [3, 5]);
  // 1e-3 and 2e-3 as f32, which is what the kernel is given.
  const rounded = weights.map((row) => row.map(Math.fround));

  scoped('with replacement', async () => {
    const got = multinomial(table(), 40, { replacement: true, ...at() });
    expect([got.dtype, got.shape]).toEqual(['i32', [3, 40]]);
    expect(await values(got)).toEqual(
      rounded.flatMap((row, r) => reference.multinomial(state, row, r, 40, true)),
    );
  });

  scoped('without', async () => {
    expect(await values(multinomial(table(), 2, at()))).toEqual(
      rounded.flatMap((row, r) => reference.multinomial(state, row, r, 2, false)),
    );
  });

  scoped('from logits, bf16 and a single row', async () => {
    const logits = [0.5, Number.NEGATIVE_INFINITY, -1.5, 2];
    const options = { replacement: true, from: 'logits' as const, ...at() };
    const want = reference.multinomial(state, logits.map(Math.exp), 0, 30, true);
    expect(
      await values(multinomial(tensor(Float32Array.from(logits), [4]).cast('bf16'), 30, options)),
    ).toEqual(want);
  });

  scoped('has the right frequencies either way', async () => {
    const p = [0.1, 0.2, 0.7];
    const row = tensor(Float32Array.from(p), [3]);
    const counts = [0, 0, 0];
    for (const v of await values(multinomial(row, 50_000, { replacement: true, ...at() }))) counts[v]++;
    counts.forEach((c, i) => {
      expect(c / 50_000).toBeCloseTo(p[i], 2);
    });
    // P(the pair starts with 2, then 0) = 0.7 · 0.1 / 0.3.
    const pairs = await values(multinomial(row.reshape([1, 3]).broadcastTo([40_000, 3]), 2, at()));
    const hits = pairs.filter((v, i) => i % 2 === 0 && v === 2 && pairs[i + 1] === 0).length;
    expect(hits / 40_000).toBeCloseTo((0.7 * 0.1) / 0.3, 2);
  });

  scoped('reports what is no distribution', async () => {
    const bad = (row: number[], n = 1, replacement = true) =>
      multinomial(tensor(Float32Array.from(row), [row.length]), n, { replacement }).data();
    await expect(bad([1, -1])).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(bad([1, Number.NaN])).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(bad([1, Number.POSITIVE_INFINITY])).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(bad([0, 0])).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(bad([0, 1], 2, false)).rejects.toThrow(code('ERR_ARGUMENT'));
    await expect(
      categorical(tensor(Float32Array.of(Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY), [2])).data(),
    ).rejects.toThrow(code('ERR_ARGUMENT'));
    expect(() => multinomial(zeros([3]), 4)).toThrow(code('ERR_ARGUMENT'));
    expect(() => multinomial(zeros([3]), -1, { replacement: true })).toThrow(code('ERR_ARGUMENT'));
    expect(() => multinomial(zeros([]), 1)).toThrow(code('ERR_SHAPE'));
    expect(() => multinomial(zeros([3], 'i32'), 1)).toThrow(code('ERR_DTYPE'));
    expect(multinomial(zeros([0, 3]), 2).shape).toEqual([0, 2]);
  });

  scoped('says that it has no gradient', async () => {
    const w = tensor(Float32Array.of(1, 2), [2]);
    for (const draw of [() => multinomial(w, 1), () => categorical(w)])
      expect(() => valueAndGrad(() => sum(draw().cast('f32')), [w])).toThrow(code('ERR_NOT_DIFFERENTIABLE'));
    valueAndGrad((x) => sum(x.mul(noGrad(() => multinomial(x, 1).cast('f32')))), [w]);
  });
});

describe('Gumbel', () => {
  scoped('noise is location - scale log(-log u)', async () => {
    const got = await values(gumbel([37], { location: 1, scale: 2, ...at() }));
    const want = got.map((_, i) => {
      const v = Math.fround((reference.word(state, i) >>> 8) / 2 ** 24 + 2 ** -25); // 1 - u
      return 1 - 2 * Math.log(-Math.log1p(-v));
    });
    expect(mismatch(got, want, 3e-6, 1)).toBeUndefined();
    const noise = await values(gumbel([100_000], at()));
    expect(average(noise)).toBeCloseTo(0.5772, 1);
    expect(noise.every(Number.isFinite)).toBe(true);
  });

  scoped('softmax: rows add up to one, hard ones are one-hot with the soft gradient', async () => {
    const logits = randn([4, 5]);
    const weight = randn([4, 5]);
    for (const axis of [1, 0]) {
      const of = (hard: boolean) => gumbelSoftmax(logits, { hard, axis, temperature: 0.7, ...at() });
      for (const v of await values(of(false).sum(axis))) expect(v).toBeCloseTo(1, 5);
      for (const v of await values(of(true).sum(axis))) expect(v).toBeCloseTo(1, 5);
      for (const v of await values(of(true)))
        expect(Math.min(Math.abs(v), Math.abs(v - 1))).toBeLessThan(1e-6);
      const [soft, hard] = [false, true].map(
        (h) => valueAndGrad(() => sum(of(h).mul(weight)), [logits]).grads[0],
      );
      expect(await values(hard)).toEqual(await values(soft));
    }
    expect(() => gumbelSoftmax(logits, { temperature: 0 })).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('the greatest of logits + noise is a draw from softmax(logits)', async () => {
    const logits = tensor(Float32Array.of(0, 1, 2), [3])
      .reshape([1, 3])
      .broadcastTo([50_000, 3]);
    const counts = [0, 0, 0];
    for (const v of await values(gumbelSoftmax(logits, at()).argmax(1))) counts[v]++;
    const total = 1 + Math.E + Math.E ** 2;
    counts.forEach((c, i) => {
      expect(c / 50_000).toBeCloseTo(Math.E ** i / total, 2);
    });
  });
});

scoped('bernoulli takes a value for its successes', async () => {
  const plain = await values(bernoulli([1000], 0.3, at()));
  expect(await values(bernoulli([1000], 0.3, { value: 2, ...at() }))).toEqual(plain.map((v) => 2 * v));
  expect(average(plain)).toBeCloseTo(0.3, 1);
});
