// Random tensors: bit for bit the numbers of Philox, the moments, and how a generator's counter moves.

import { describe, expect, test } from 'vitest';
import { bernoulli, rand, randn, uniform } from '../../../src/tensor/ops/index.js';
import { Generator, manualSeed } from '../../../src/tensor/random-state.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { philox, references } from '../../reference/naive/random.js';
import { mismatch } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const average = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;

test("the reference is Philox4x32-10: Random123's known answers", () => {
  expect(philox(0n, 0n)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

describe('against the reference', () => {
  // The last one crosses 2^32 in the counter.
  for (const shape of [[], [1], [7], [3, 5], [0, 4], [2, 1, 67], [1001]]) {
    scoped(`shape [${shape}]`, async () => {
      const state = [3, 0xdeadbeef, 1, 0xfffffff0] as [number, number, number, number];
      const at = () => {
        const generator = new Generator();
        generator.restore({ key: [state[0], state[1]], counter: [state[2], state[3]] });
        return { generator };
      };
      const u = references.uniform([], { state, shape, a: -1, b: 3 } as never);
      expect(
        mismatch(await uniform(shape, { low: -1, high: 3, ...at() }).data(), u.data, 1e-6, 1),
      ).toBeUndefined();
      const z = references.normal([], { state, shape, a: 0.5, b: 2 } as never);
      expect(
        mismatch(await randn(shape, { mean: 0.5, std: 2, ...at() }).data(), z.data, 3e-6, 1),
      ).toBeUndefined();
      const exact = references.uniform([], { state, shape, a: 0, b: 1 } as never);
      expect(await values(rand(shape, at()))).toEqual(Array.from(exact.data));
    });
  }
});

scoped('the moments are right', async () => {
  manualSeed(7);
  const z = await values(randn([200_000]));
  expect(average(z)).toBeCloseTo(0, 2);
  expect(average(z.map((v) => v * v))).toBeCloseTo(1, 2);
  expect(average(z.map((v) => v ** 4))).toBeCloseTo(3, 1);
  const u = await values(uniform([200_000], { low: 0.5, high: 1 }));
  expect(Math.min(...u.slice(0, 50_000))).toBeGreaterThanOrEqual(0.5);
  expect(u.every((v) => v < 1)).toBe(true);
  expect(average(u)).toBeCloseTo(0.75, 2);
  const b = await values(bernoulli([100_000], 0.3));
  expect(new Set(b)).toEqual(new Set([0, 1]));
  expect(average(b)).toBeCloseTo(0.3, 2);
});

scoped(
  'draws continue: the same seed gives the same sequence, and draws differ from one another',
  async () => {
    const draws = async () => {
      const generator = new Generator(11);
      return [await values(rand([5], { generator })), await values(randn([3], { generator }))];
    };
    const first = await draws();
    expect(await draws()).toEqual(first);
    const generator = new Generator(11);
    await values(rand([8], { generator }));
    expect(await values(randn([3], { generator }))).toEqual(first[1]);
    manualSeed(5);
    expect(await values(rand([4]))).not.toEqual(await values(rand([4])));
  },
);

test('what is refused', () => {
  expect(() => uniform([2], { low: 1, high: 0 })).toThrow(code('ERR_ARGUMENT'));
  expect(() => uniform([2], { high: Number.NaN })).toThrow(code('ERR_ARGUMENT'));
  expect(() => randn([2], { std: -1 })).toThrow(code('ERR_ARGUMENT'));
  expect(() => randn([-2])).toThrow(code('ERR_SHAPE'));
  expect(() => bernoulli([2], 1.5)).toThrow(code('ERR_ARGUMENT'));
});
