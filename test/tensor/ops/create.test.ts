// Tensors made from shapes and numbers: against the naive references, and what is refused.

import { describe, expect, test } from 'vitest';
import {
  arange,
  eye,
  full,
  linspace,
  oneHot,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { references } from '../../reference/naive/create.js';
import { make, type Nd } from '../../reference/nd.js';
import { mismatch } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());

async function expectReference(got: Tensor, name: string, attrs: object, inputs: Nd[] = []): Promise<void> {
  const want = references[name](inputs, attrs as never);
  expect(got.shape).toEqual(want.shape);
  expect(mismatch(await got.data(), want.data, 1e-6, 0)).toBeUndefined();
}

describe('full, zeros, ones', () => {
  scoped('every shape and dtype', async () => {
    for (const shape of [[], [1], [0, 3], [3, 37], [2, 1, 3, 1, 2], [70000]]) {
      await expectReference(full(shape, -2.5), 'full', { shape, value: -2.5 });
    }
    expect(await values(full([2], -7, 'i32'))).toEqual([-7, -7]);
    expect(await values(full([2], 255, 'u8'))).toEqual([255, 255]);
    expect(await values(full([1], 1, 'bf16'))).toEqual([0x3f80]);
    expect(await values(full([1], Number.NaN))).toEqual([Number.NaN]);
    expect(await values(zeros([2]))).toEqual([0, 0]);
    expect(await values(ones([2], 'u8'))).toEqual([1, 1]);
    const x = tensor([[1, 2, 3]], [1, 3], 'i32');
    expect([zerosLike(x).dtype, onesLike(x).shape]).toEqual(['i32', [1, 3]]);
  });

  test('what cannot be held is refused', () => {
    expect(() => full([2], 1.5, 'i32')).toThrow(code('ERR_ARGUMENT'));
    expect(() => full([2], 256, 'u8')).toThrow(/u8 holds whole numbers from 0 to 255, got 256/);
    expect(() => full([2, -1], 0)).toThrow(code('ERR_SHAPE'));
    expect(() => full([1.5], 0)).toThrow(code('ERR_SHAPE'));
    expect(() => full(3 as never, 0)).toThrow(code('ERR_SHAPE'));
    expect(() => full([2], '0' as never)).toThrow(code('ERR_ARGUMENT'));
    expect(() => zeros([2], 'f64' as never)).toThrow(code('ERR_DTYPE'));
    expect(() => zeros([1e6, 1e6, 1e6])).toThrow(/2\^40/);
    expect(() => zeros(Array(9).fill(1))).toThrow(code('ERR_SHAPE'));
  });
});

describe('arange, linspace, eye, oneHot', () => {
  scoped('arange counts like Python, in i32 where everything is whole', async () => {
    for (const [start, stop, step] of [
      [0, 5, 1],
      [2, 11, 3],
      [5, -3, -2],
      [5, 5, 1],
      [5, 2, 1],
      [0, 1, 0.25],
      [-1.5, 2.2, 0.5],
    ]) {
      await expectReference(arange(start, stop, step), 'arange', { start, stop, step });
    }
    expect(await values(arange(4))).toEqual([0, 1, 2, 3]);
    expect([arange(4).dtype, arange(0, 1, 0.5).dtype, arange(0, 3, 1, 'u8').dtype]).toEqual([
      'i32',
      'f32',
      'u8',
    ]);
    expect(() => arange(0, 1, 0)).toThrow(code('ERR_ARGUMENT'));
    expect(() => arange(0, Number.POSITIVE_INFINITY)).toThrow(code('ERR_ARGUMENT'));
    expect(() => arange(0, 300, 1, 'u8')).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('linspace has both ends', async () => {
    for (const n of [0, 1, 2, 7])
      await expectReference(linspace(-1, 2, n), 'linspace', { start: -1, stop: 2, n });
    expect(() => linspace(0, 1, 2.5)).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('eye and oneHot', async () => {
    await expectReference(eye(3), 'eye', { n: 3, m: 3 });
    await expectReference(eye(2, 5), 'eye', { n: 2, m: 5 });
    await expectReference(eye(0), 'eye', { n: 0, m: 0 });
    const labels = [2, 0, 5, 1, -1, 3];
    const want = [make([2, 3], labels)];
    await expectReference(oneHot(tensor(labels, [2, 3], 'i32'), 4), 'oneHot', { depth: 4 }, want);
    await expectReference(tensor([1], [], 'u8').oneHot(2), 'oneHot', { depth: 2 }, [make([], [1])]);
    expect(() => oneHot(tensor([0.5]), 3)).toThrow(code('ERR_DTYPE'));
  });
});
