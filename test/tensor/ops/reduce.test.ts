// The public reductions and softmax beyond what the op table generates: axes in every form, means and variances, ties,
// NaN, accuracy of long sums, independence of the number of threads, and what is refused.

import { describe, expect, test } from 'vitest';
import { addon } from '../../../src/native.js';
import { grad } from '../../../src/tensor/autograd.js';
import {
  argmax,
  argmin,
  full,
  logSoftmax,
  max,
  mean,
  min,
  mul,
  rand,
  softmax,
  std,
  sum,
  tensor,
  variance,
  zeros,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const f32 = (...x: number[]) => tensor(Float32Array.from(x), [x.length]);
const values = async (t: Tensor) => Array.from(await t.data());
const table = () => tensor([0, 1, 2, 3, 4, 5], [2, 3]);
const nan = Number.NaN;

describe('axes', () => {
  scoped('none, one, negative, several', async () => {
    const x = table();
    expect([await values(x.sum()), x.sum().shape]).toEqual([[15], []]);
    expect([await values(x.sum(0)), x.sum(0).shape]).toEqual([[3, 5, 7], [3]]);
    expect([await values(x.sum(-1, true)), x.sum(-1, true).shape]).toEqual([
      [3, 12],
      [2, 1],
    ]);
    expect([await values(x.sum([-1, 0])), x.sum([0, 1], true).shape]).toEqual([[15], [1, 1]]);
    expect([await values(x.sum([])), x.sum([]).shape]).toEqual([
      [0, 1, 2, 3, 4, 5],
      [2, 3],
    ]);
    expect([await values(x.max(1)), await values(x.min(0))]).toEqual([
      [2, 5],
      [0, 1, 2],
    ]);
  });

  test('what is refused', () => {
    expect(() => sum(table(), 2)).toThrow(code('ERR_ARGUMENT'));
    expect(() => sum(table(), [0, -2])).toThrow(code('ERR_ARGUMENT'));
    expect(() => sum(table(), 0.5)).toThrow(code('ERR_ARGUMENT'));
    expect(() => max(zeros([0, 3]), 0)).toThrow(code('ERR_SHAPE'));
    expect(() => argmin(zeros([0]))).toThrow(code('ERR_SHAPE'));
    expect(() => softmax(table(), 2)).toThrow(code('ERR_ARGUMENT'));
    expect(() => mean(3 as never)).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('mean, variance, std', () => {
  scoped('values', async () => {
    const x = table();
    expect(await values(mean(x))).toEqual([2.5]);
    expect(await values(mean(x, 0))).toEqual([1.5, 2.5, 3.5]);
    expect(await values(variance(x, 1))).toEqual([1, 1]);
    expect((await values(variance(x, -1, true, 0))).map((v) => v.toFixed(5))).toEqual(['0.66667', '0.66667']);
    expect(await values(std(x, 1))).toEqual([1, 1]);
    expect(await values(mean(zeros([0])))).toEqual([nan]);
    const bytes = full([4, 1 << 10], 255, 'u8');
    expect([mean(bytes).dtype, await values(mean(bytes))]).toEqual(['f32', [255]]);
  });

  scoped('the gradient of the variance is 2 (x - mean) / (n - 1)', async () => {
    expect(await values(grad((x: Tensor) => variance(x))(f32(1, 2, 6)))).toEqual([-2, -1, 3]);
  });
});

describe('extremes', () => {
  scoped('NaN wins, ties share the gradient', async () => {
    expect(await values(max(f32(1, nan, 3)))).toEqual([nan]);
    expect(await values(min(f32(1, nan, 3)))).toEqual([nan]);
    expect(await values(grad((x: Tensor) => max(x))(f32(3, 1, 3, 3)).mul(3))).toEqual([1, 0, 1, 1]);
  });

  scoped('argmax and argmin take the first of equals, with or without an axis', async () => {
    const x = tensor([1, 5, 5, 0, 7, 0], [2, 3]);
    expect([await values(argmax(x, 1)), await values(argmin(x, -1, true))]).toEqual([
      [1, 1],
      [0, 0],
    ]);
    expect([argmax(x).shape, await values(argmax(x)), argmax(x, undefined, true).shape]).toEqual([
      [],
      [4],
      [1, 1],
    ]);
    expect(await values(argmax(f32(1, nan, nan, 3)))).toEqual([1]);
    expect(await values(argmin(x, 0))).toEqual([1, 0, 1]);
  });
});

describe('sums are accurate and reproducible', () => {
  scoped('ten million tenths', async () => {
    const total = (await values(sum(full([10_000_000], 0.1))))[0];
    expect(Math.abs(total / 1e6 - 1)).toBeLessThan(1e-6);
  });

  scoped('any number of threads gives the same bits', async () => {
    const x = rand([3000, 70]);
    const all = async () => [await values(sum(x)), await values(sum(x, 0)), await values(sum(x, 1))];
    const threads = addon().threads();
    try {
      addon().setThreads(1);
      const one = await all();
      addon().setThreads(3);
      expect(await all()).toEqual(one);
    } finally {
      addon().setThreads(threads);
    }
  });
});

describe('softmax', () => {
  scoped('large values, any axis, integers', async () => {
    expect(await values(softmax(f32(1000, 1000, -1000)))).toEqual([0.5, 0.5, 0]);
    expect(await values(logSoftmax(f32(0, -2000)))).toEqual([0, -2000]);
    const x = rand([3, 4, 2]);
    const rows = await values(sum(softmax(x, 1), 1));
    for (const row of rows) expect(row).toBeCloseTo(1, 6);
    expect(await values(softmax(x, 0))).toEqual(
      await values(softmax(x.transpose([2, 1, 0])).transpose([2, 1, 0])),
    );
    expect(await values(softmax(tensor([1, 1], [2], 'i32')))).toEqual([0.5, 0.5]);
    expect(await values(softmax(f32(nan, 1)))).toEqual([nan, nan]);
  });

  scoped('the gradient passes through a moved axis', async () => {
    const w = rand([2, 3]);
    const along0 = await values(grad((x: Tensor) => sum(mul(softmax(x, 0), w)))(table()));
    const along1 = grad((x: Tensor) => sum(mul(softmax(x, 1), w.transpose())))(table().transpose());
    const want = await values(along1.transpose());
    for (const [i, v] of along0.entries()) expect(v).toBeCloseTo(want[i], 6);
  });
});
