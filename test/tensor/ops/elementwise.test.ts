// The public elementwise functions beyond what the op table generates: dtypes, numbers on either side, special values,
// derivatives at kinks, and what is refused.

import { describe, expect, test } from 'vitest';
import { grad } from '../../../src/tensor/autograd.js';
import {
  abs,
  add,
  cast,
  clamp,
  div,
  equal,
  exp,
  greater,
  leakyRelu,
  log,
  maximum,
  minimum,
  mul,
  neg,
  pow,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  tensor,
  where,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const f32 = (...x: number[]) => tensor(Float32Array.from(x), [x.length]);
const i32 = (...x: number[]) => tensor(Int32Array.from(x), [x.length]);
const u8 = (...x: number[]) => tensor(Uint8Array.from(x), [x.length]);
const values = async (t: Tensor) => Array.from(await t.data());
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe('dtypes', () => {
  test('promotion: f32 wins over i32 over u8; a number changes nothing that can hold it', () => {
    expect(add(f32(1), i32(1)).dtype).toBe('f32');
    expect(mul(i32(1), u8(1)).dtype).toBe('i32');
    expect(sub(u8(1), u8(1)).dtype).toBe('u8');
    expect(div(i32(1), i32(2)).dtype).toBe('f32');
    expect(add(i32(1), 2).dtype).toBe('i32');
    expect(add(i32(1), 2.5).dtype).toBe('f32');
    expect(add(u8(1), 255).dtype).toBe('u8');
    expect(add(u8(1), 256).dtype).toBe('f32');
    expect(greater(f32(1), 0).dtype).toBe('u8');
    expect(where(u8(1), i32(3), 0).dtype).toBe('i32');
    expect(where(u8(1), u8(3), 0).dtype).toBe('u8');
    expect(where(u8(1), i32(3), 0.5).dtype).toBe('f32');
    expect(exp(i32(1)).dtype).toBe('f32');
    expect(relu(i32(1)).dtype).toBe('i32');
  });

  scoped('integers wrap around', async () => {
    expect(await values(add(u8(250, 3), 10))).toEqual([4, 13]);
    expect(await values(neg(u8(1, 0)))).toEqual([255, 0]);
    expect(await values(mul(i32(2 ** 30), 4))).toEqual([0]);
    expect(await values(square(i32(-7)))).toEqual([49]);
    expect(await values(pow(i32(-3, 2, 0, 1, -1), i32(3, -1, -1, -5, -3)))).toEqual([-27, 0, 0, 1, -1]);
  });

  scoped('cast truncates and saturates', async () => {
    const x = f32(nan, inf, -inf, 2147483648, -1.9, 255.9, 300, -3);
    expect(await values(cast(x, 'i32'))).toEqual([0, 2147483647, -2147483648, 2147483647, -1, 255, 300, -3]);
    expect(await values(x.cast('u8'))).toEqual([0, 255, 0, 255, 0, 255, 255, 0]);
    const tie = f32(1 + 2 ** -8, 1 + 3 * 2 ** -8, nan);
    expect(await values(cast(cast(tie, 'bf16'), 'f32'))).toEqual([1, 1 + 4 * 2 ** -8, nan]);
  });

  test('a dtype that does not exist is refused', () => {
    expect(() => cast(f32(1), 'f16' as never)).toThrow(code('ERR_DTYPE'));
  });
});

describe('values', () => {
  scoped('numbers stand on either side', async () => {
    expect(await values(sub(3, f32(1, 5)))).toEqual([2, -2]);
    expect(await values(div(1, f32(4)))).toEqual([0.25]);
    expect(await values(pow(2, f32(3, -1)))).toEqual([8, 0.5]);
    expect(await values(greater(2, f32(1, 2, 3)))).toEqual([1, 0, 0]);
    expect(await values(f32(1, 2).add(1).mul(f32(2, 3)).sub(1))).toEqual([3, 8]);
  });

  scoped('NaN and infinities', async () => {
    expect(await values(maximum(f32(nan, 1, 2), f32(1, nan, 1)))).toEqual([nan, nan, 2]);
    expect(await values(minimum(f32(nan, 1, 2), 1.5))).toEqual([nan, 1, 1.5]);
    expect(await values(relu(f32(nan, -1, inf)))).toEqual([nan, 0, inf]);
    expect(await values(clamp(f32(nan, -5, 5), -1, 2))).toEqual([nan, -1, 2]);
    expect(await values(exp(f32(-inf, inf, nan, -200, 200)))).toEqual([0, inf, nan, 0, inf]);
    expect(await values(log(f32(0, -1, inf, nan)))).toEqual([-inf, nan, inf, nan]);
    expect(await values(tanh(f32(-inf, inf, -40, 40, nan)))).toEqual([-1, 1, -1, 1, nan]);
    expect(await values(softplus(f32(1000, -1000, inf, -inf, nan)))).toEqual([1000, 0, inf, 0, nan]);
    const s = await values(sigmoid(f32(-100, 100, -inf, inf)));
    expect(s[0]).toBeGreaterThan(0);
    expect(s.slice(1)).toEqual([1, 0, 1]);
    expect(await values(equal(f32(nan), nan))).toEqual([0]);
    expect(await values(sign(f32(nan, -3, 0)))).toEqual([nan, -1, 0]);
    expect((await values(sin(f32(1e6, inf)))).map((v) => v.toFixed(5))).toEqual(['-0.34999', 'NaN']);
    expect(await values(round(f32(0.5, 1.5, 2.5, -0.5)))).toEqual([0, 2, 2, -0]);
  });

  scoped("pow is C's pow", async () => {
    for (const e of [0, 1, 2, 3, 4, -1, -2, 0.5, -0.5, 5, 2.5]) {
      const x = [0, 1, -2, 3, 0.25, -0.5, inf, nan];
      const want = x.map((v) => Math.fround(e === 0 ? 1 : v ** e));
      for (const [i, got] of (await values(pow(f32(...x), e))).entries()) {
        if (Number.isFinite(want[i])) expect(got / (want[i] || 1)).toBeCloseTo(want[i] === 0 ? 0 : 1, 6);
        else expect(got).toBe(want[i]);
      }
    }
  });

  scoped('tensors of many elements agree with tensors of few', async () => {
    const big = Float32Array.from({ length: 50_001 }, (_, i) => (i % 997) / 100 - 5);
    const y = await tensor(big, [50_001]).mul(0.5).tanh().data();
    const part = await tensor(big.slice(40_000, 40_003), [3]).mul(0.5).tanh().data();
    expect(Array.from(y.slice(40_000, 40_003))).toEqual(Array.from(part));
  });
});

describe('derivatives at kinks are those of PyTorch', () => {
  const at = async (f: (x: Tensor) => Tensor, ...x: number[]) =>
    values(grad((t: Tensor) => sum(f(t)))(f32(...x)));

  scoped('one input', async () => {
    expect(await at(abs, -2, 0, 3)).toEqual([-1, 0, 1]);
    expect(await at(relu, -2, 0, 3)).toEqual([0, 0, 1]);
    expect(await at((x) => leakyRelu(x, 0.25), -2, 0, 3)).toEqual([0.25, 0.25, 1]);
    expect(await at((x) => clamp(x, -1, 2), -2, -1, 0, 2, 3)).toEqual([0, 1, 1, 1, 0]);
    expect(await at((x) => maximum(x, 1), 0, 1, 2)).toEqual([0, 0.5, 1]);
    expect(await at((x) => minimum(1, x), 0, 1, 2)).toEqual([1, 0.5, 0]);
    expect(await at((x) => pow(x, 0), 0, 2)).toEqual([0, 0]);
    expect(await at((x) => pow(x, 1), 0, -2)).toEqual([1, 1]);
    expect(await at((x) => pow(x, 2), 0, -2)).toEqual([0, -4]);
    expect(await at(sqrt, 0, 4)).toEqual([inf, 0.25]);
    expect(await at((x) => pow(0, x), 0, 2)).toEqual([0, 0]);
  });

  scoped('two inputs', async () => {
    const both = grad((a: Tensor, b: Tensor) => sum(maximum(a, b)), [0, 1]);
    const [ga, gb] = both(f32(1, 2, 3), f32(1, 3, 2));
    expect(await values(ga)).toEqual([0.5, 0, 1]);
    expect(await values(gb)).toEqual([0.5, 1, 0]);
    const powers = grad((a: Tensor, b: Tensor) => sum(pow(a, b)), [0, 1]);
    const [pa, pb] = powers(f32(0, 0, 2), f32(0, 2, 0));
    expect(await values(pa)).toEqual([0, 0, 0]);
    expect((await values(pb)).map((v) => v.toFixed(4))).toEqual(['0.0000', '0.0000', '0.6931']);
  });
});

test('what is refused', () => {
  expect(() => add(f32(1, 2), f32(1, 2, 3))).toThrow(/add: shapes \[2\] and \[3\] cannot be broadcast/);
  expect(() => add(1, 2)).toThrow(code('ERR_ARGUMENT'));
  expect(() => mul(f32(1), [1] as never)).toThrow(code('ERR_ARGUMENT'));
  expect(() => exp(3 as never)).toThrow(code('ERR_ARGUMENT'));
  expect(() => clamp(f32(1), 2, 1)).toThrow(code('ERR_ARGUMENT'));
  expect(() => clamp(f32(1), nan, 1)).toThrow(code('ERR_ARGUMENT'));
  expect(() => leakyRelu(f32(1), -0.1)).toThrow(code('ERR_ARGUMENT'));
  expect(() => where(f32(1), f32(1, 2), f32(1, 2, 3))).toThrow(code('ERR_SHAPE'));
});
