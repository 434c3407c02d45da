// Activations, indexing, sorting and scans as a user calls them: what they refuse, special values, and methods. Values and
// derivatives are in ops.test.ts and against PyTorch in test/reference/indexing.test.ts.

import { describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  argsort,
  celu,
  cumprod,
  cumsum,
  elu,
  erf,
  gelu,
  glu,
  prelu,
  scatterAddAlongAxis,
  scatterAlongAxis,
  silu,
  sort,
  sum,
  takeAlongAxis,
  tensor,
  topK,
  zeros,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const f32 = (data: number[], shape: number[] = [data.length]) => tensor(Float32Array.from(data), shape);
const i32 = (data: number[], shape: number[] = [data.length]) => tensor(Int32Array.from(data), shape);
const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

describe('activations', () => {
  scoped('at infinities, NaN and in the tails', async () => {
    const x = f32([-infinity, -40, -6, 0, 6, 40, infinity, nan]);
    expect(await values(erf(x))).toEqual([-1, -1, -1, 0, 1, 1, 1, nan]);
    const g = await values(gelu(x));
    expect([g[1], g[3], g[4], g[5], g[6], g[7]]).toEqual([-0, 0, 6, 40, infinity, nan]);
    // -6 Φ(-6), to relative precision: the tail keeps its digits.
    expect(g[2] / (-6 * 9.865876450376946e-10)).toBeCloseTo(1, 5);
    expect((await values(silu(x))).slice(1)).toEqual([
      expect.closeTo(0, 15),
      expect.closeTo(-0.014835737, 8),
      0,
      expect.closeTo(5.985164, 5),
      40,
      infinity,
      nan,
    ]);
    expect(await values(elu(x, 2))).toEqual([-2, -2, expect.closeTo(-1.9950425, 6), 0, 6, 40, infinity, nan]);
    for (const f of [gelu, silu, elu, (t: Tensor) => gelu(t, { approximate: 'tanh' })]) {
      const slopes = await values(valueAndGrad((t) => sum(f(t)), [x.slice([1], [5])]).grads[0]);
      for (const s of slopes) expect(Number.isFinite(s)).toBe(true);
      expect(slopes[4]).toBe(1);
      expect(slopes[0]).toBeCloseTo(0, 6);
    }
  });

  test('refuse what they cannot take', () => {
    const x = zeros([2, 3]);
    expect(() => gelu(zeros([2], 'i32'))).toThrow(code('ERR_DTYPE'));
    expect(() => gelu(x, { approximate: 'sigmoid' as never })).toThrow(code('ERR_ARGUMENT'));
    expect(() => elu(x, nan)).toThrow(code('ERR_ARGUMENT'));
    expect(() => celu(x, 0)).toThrow(code('ERR_ARGUMENT'));
    expect(() => prelu(x, zeros([2]))).toThrow(code('ERR_SHAPE'));
    expect(() => prelu(x, zeros([3], 'i32'))).toThrow(code('ERR_DTYPE'));
    expect(() => glu(x)).toThrow(code('ERR_SHAPE'));
    expect(() => glu(x, 2)).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('of bf16 stay bf16', async () => {
    const x = f32([-1, 0.5, 2, 3]).cast('bf16');
    for (const y of [gelu(x), silu(x), elu(x), x.mish(), x.logSigmoid(), glu(x), prelu(x, f32([0.25]))])
      expect(y.dtype).toBe('bf16');
  });
});

describe('indices', () => {
  scoped('outside the axis are reported by the next read', async () => {
    const x = f32([1, 2, 3, 4, 5, 6], [2, 3]);
    for (const bad of [3, -1]) {
      const indices = i32([0, bad], [2, 1]);
      await expect(takeAlongAxis(x, indices, 1).data()).rejects.toThrow(code('ERR_INDEX'));
      await expect(scatterAlongAxis(x, indices, zeros([2, 1]), 1).data()).rejects.toThrow(code('ERR_INDEX'));
      await expect(scatterAddAlongAxis(indices, zeros([2, 1]), [2, 3], 1).data()).rejects.toThrow(
        code('ERR_INDEX'),
      );
    }
    await expect(takeAlongAxis(zeros([0]), i32([0]), 0).data()).rejects.toThrow(code('ERR_INDEX'));
  });

  test('must fit', () => {
    const x = zeros([2, 3]);
    expect(() => takeAlongAxis(x, i32([0]), 0)).toThrow(code('ERR_SHAPE'));
    expect(() => takeAlongAxis(x, i32([0, 0, 0], [3, 1]), 1)).toThrow(code('ERR_SHAPE'));
    expect(() => takeAlongAxis(x, zeros([2, 1]), 1)).toThrow(code('ERR_DTYPE'));
    expect(() => takeAlongAxis(x, i32([0, 0], [2, 1]), 2)).toThrow(code('ERR_ARGUMENT'));
    expect(() => scatterAlongAxis(x, i32([0, 0], [2, 1]), zeros([1, 2]), 1)).toThrow(code('ERR_SHAPE'));
    expect(() => scatterAlongAxis(x, i32([0], [1, 1]), i32([0], [1, 1]), 1)).toThrow(code('ERR_DTYPE'));
    expect(() => scatterAddAlongAxis(i32([0], [1, 1]), zeros([1, 1], 'u8'), [2, 3], 1)).toThrow(
      code('ERR_DTYPE'),
    );
  });

  scoped('that repeat: the last update stays', async () => {
    const y = scatterAlongAxis(f32([9, 9, 9]), i32([1, 1, 0]), f32([1, 2, 3]), 0);
    expect(await values(y)).toEqual([3, 2, 9]);
  });
});

describe('sorting', () => {
  scoped('puts NaN last, keeps equal elements in order, in either direction', async () => {
    const x = f32([2, nan, 0, -0, 2, -infinity, nan]);
    const up = sort(x);
    expect(await values(up.values)).toEqual([-infinity, 0, -0, 2, 2, nan, nan]);
    expect(await values(up.indices)).toEqual([5, 2, 3, 0, 4, 1, 6]);
    expect(await values(argsort(x, 0, true))).toEqual([0, 4, 2, 3, 5, 1, 6]);
    expect(await values(topK(x, 2).values)).toEqual([2, 2]);
    expect(await values(topK(x, 2, { largest: false }).indices)).toEqual([5, 2]);
    expect(await values(x.topK(0).values)).toEqual([]);
  });

  scoped('a long row, by every axis', async () => {
    const n = 20_000;
    const data = Float32Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * i)));
    const want = Array.from(data).sort((a, b) => a - b);
    expect(await values(sort(tensor(data, [n])).values)).toEqual(want);
    expect(await values(sort(tensor(data, [n, 1]), 0).values)).toEqual(want);
    expect(await values(topK(tensor(data, [n]), 5000, { largest: false }).values)).toEqual(
      want.slice(0, 5000),
    );
  });

  test('refuses impossible arguments', () => {
    expect(() => sort(zeros([]))).toThrow(code('ERR_ARGUMENT'));
    expect(() => topK(zeros([3]), 4)).toThrow(code('ERR_ARGUMENT'));
    expect(() => topK(zeros([3]), 1.5)).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('indices are constants to a gradient', async () => {
    const x = f32([3, 1, 2]);
    const { grads } = valueAndGrad((t) => sum(t.mul(argsort(t).cast('f32'))), [x]);
    expect(await values(grads[0])).toEqual([1, 2, 0]);
  });
});

describe('scans', () => {
  scoped('of whole numbers', async () => {
    const u8 = tensor(Uint8Array.of(200, 100, 3), [3]);
    expect([cumsum(u8, 0).dtype, await values(cumsum(u8, 0))]).toEqual(['i32', [200, 300, 303]]);
    expect(await values(cumsum(i32([2 ** 31 - 1, 1]), 0))).toEqual([2 ** 31 - 1, -(2 ** 31)]);
    expect([cumprod(u8, 0).dtype, await values(cumprod(u8, 0))]).toEqual(['f32', [200, 20000, 60000]]);
  });

  scoped('of f32 are summed in f64', async () => {
    const x = f32([1, ...new Array(1000).fill(2 ** -24)]);
    expect((await values(cumsum(x, 0)))[1000]).toBe(Math.fround(1 + 1000 * 2 ** -24));
  });

  scoped('of nothing, with NaN and with a first infinity', async () => {
    expect(await values(cumprod(zeros([2, 0]), 1))).toEqual([]);
    expect(await values(cumprod(f32([infinity, 2, nan, 1]), 0))).toEqual([infinity, infinity, nan, nan]);
    expect(() => cumsum(zeros([2]), 1)).toThrow(code('ERR_ARGUMENT'));
  });
});
