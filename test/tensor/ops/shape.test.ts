// The public functions of the shape and gather families beyond what the op table generates: arguments left out, -1,
// negative axes, what is refused, and the helpers that are made of several ops.

import { describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  broadcastTo,
  concat,
  flatten,
  flip,
  gather,
  mul,
  pad,
  reshape,
  scatterAdd,
  slice,
  split,
  squeeze,
  stack,
  sum,
  tensor,
  transpose,
  unsqueeze,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const iota = (...shape: number[]) => {
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: n }, (_, i) => i),
    shape,
  );
};
const indices = (...values: number[]) => tensor(Int32Array.from(values), [values.length]);
const values = async (t: Tensor) => Array.from(await t.data());

describe('reshape and its relatives', () => {
  scoped('computes -1', async () => {
    expect(reshape(iota(2, 6), [3, -1]).shape).toEqual([3, 4]);
    expect(iota(2, 3, 4).reshape([-1]).shape).toEqual([24]);
    expect(reshape(iota(0, 3), [-1, 3]).shape).toEqual([0, 3]);
    expect(await values(reshape(iota(2, 3), [3, 2]))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  scoped('refuses shapes of other sizes and ambiguous ones', async () => {
    const x = iota(2, 6);
    for (const shape of [[5], [-1, 5], [-1, -1], [-2, -6], [12, 1, 1, 1, 1, 1, 1, 1, 1]]) {
      expect(() => reshape(x, shape)).toThrow(code('ERR_SHAPE'));
    }
    expect(() => reshape(iota(0), [-1, 0])).toThrow(code('ERR_SHAPE'));
    expect(() => reshape(x, [2.5, 4.8])).toThrow(code('ERR_ARGUMENT'));
    expect(() => reshape([1, 2] as unknown as Tensor, [2])).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('flatten, squeeze, unsqueeze', async () => {
    expect(flatten(iota(2, 3, 4)).shape).toEqual([24]);
    expect(flatten(iota(2, 3, 4), 1).shape).toEqual([2, 12]);
    expect(flatten(iota()).shape).toEqual([1]);
    expect(squeeze(iota(1, 3, 1)).shape).toEqual([3]);
    expect(squeeze(iota(1, 3, 1), -1).shape).toEqual([1, 3]);
    expect(() => squeeze(iota(1, 3), 1)).toThrow(code('ERR_SHAPE'));
    expect(unsqueeze(iota(2, 3), -1).shape).toEqual([2, 3, 1]);
    expect(unsqueeze(iota(2, 3), 1).shape).toEqual([2, 1, 3]);
    expect(() => unsqueeze(iota(2), 3)).toThrow(code('ERR_ARGUMENT'));
  });
});

describe('moving elements', () => {
  scoped('transpose reverses by default and counts axes from the end', async () => {
    expect(transpose(iota(2, 3, 4)).shape).toEqual([4, 3, 2]);
    expect(await values(transpose(iota(2, 3)))).toEqual([0, 3, 1, 4, 2, 5]);
    expect(iota(2, 3, 4).transpose([0, -1, 1]).shape).toEqual([2, 4, 3]);
    expect(() => transpose(iota(2, 3), [0, 0])).toThrow(code('ERR_ARGUMENT'));
    expect(() => transpose(iota(2, 3), [0])).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('slice to the end, with strides, backwards', async () => {
    expect(await values(slice(iota(7), [2], [-1]))).toEqual([2, 3, 4, 5, 6]);
    expect(await values(slice(iota(7), [1], [-1], [3]))).toEqual([1, 4]);
    expect(await values(slice(iota(7), [5], [-1], [-2]))).toEqual([5, 3, 1]);
    expect(await values(flip(iota(2, 3), -1))).toEqual([2, 1, 0, 5, 4, 3]);
    expect(() => slice(iota(7), [5], [3])).toThrow(code('ERR_ARGUMENT'));
    expect(() => slice(iota(7), [-1], [1])).toThrow(code('ERR_ARGUMENT'));
    expect(() => slice(iota(7), [0], [3], [0])).toThrow(code('ERR_ARGUMENT'));
    expect(() => slice(iota(7), [0, 0], [3, 1])).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('concat, stack and split', async () => {
    expect(await values(concat([iota(2, 1), iota(2, 2)], -1))).toEqual([0, 0, 1, 1, 2, 3]);
    expect(stack([iota(2, 3), iota(2, 3)]).shape).toEqual([2, 2, 3]);
    expect(stack([iota(2, 3), iota(2, 3)], -1).shape).toEqual([2, 3, 2]);
    expect(split(iota(6), 3).map((t) => t.shape)).toEqual([[2], [2], [2]]);
    expect(await Promise.all(split(iota(5), [1, 4]).map(values))).toEqual([[0], [1, 2, 3, 4]]);
    expect(() => split(iota(5), 2)).toThrow(code('ERR_SHAPE'));
    expect(() => split(iota(5), 0)).toThrow(code('ERR_SHAPE'));
    expect(() => concat([])).toThrow(code('ERR_ARGUMENT'));
    expect(() => concat([iota(2, 3), iota(3, 2)])).toThrow(code('ERR_SHAPE'));
    expect(() => concat([iota(2), indices(1)])).toThrow(code('ERR_DTYPE'));
    expect(() => concat([iota(), iota()])).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('pad and broadcastTo', async () => {
    expect(await values(pad(iota(2), [[1, 1]], -5))).toEqual([-5, 0, 1, -5]);
    expect(() => pad(iota(2), [])).toThrow(code('ERR_ARGUMENT'));
    expect(() => pad(iota(2), [[-1, 0]])).toThrow(code('ERR_ARGUMENT'));
    expect(() => pad(indices(1), [[1, 0]], 0.5)).toThrow(code('ERR_ARGUMENT'));
    expect(await values(broadcastTo(iota(2, 1), [2, 2]))).toEqual([0, 0, 1, 1]);
    expect(() => broadcastTo(iota(3), [2])).toThrow(code('ERR_SHAPE'));
    expect(() => broadcastTo(iota(1), [-1])).toThrow(code('ERR_SHAPE'));
  });

  scoped('gradients reach each part of a concat', async () => {
    const [a, b] = [iota(2), iota(3)];
    const weights = tensor(Float32Array.of(1, 2, 3, 4, 5), [5]);
    const { grads } = valueAndGrad(() => sum(mul(concat([a, b]), weights)), [a, b]);
    expect(await values(grads[0])).toEqual([1, 2]);
    expect(await values(grads[1])).toEqual([3, 4, 5]);
  });
});

describe('gather and scatterAdd', () => {
  scoped('look rows up and add them back', async () => {
    const table = iota(3, 2);
    expect(await values(gather(table, indices(2, 0, 2)))).toEqual([4, 5, 0, 1, 4, 5]);
    expect(gather(table, indices(1), -1).shape).toEqual([3, 1]);
    expect(await values(scatterAdd(indices(2, 0, 2), iota(3, 2), 3))).toEqual([2, 3, 0, 0, 4, 6]);
    expect(scatterAdd(indices(1), iota(3, 1), 4, -1).shape).toEqual([3, 4]);
  });

  scoped('name the index that is out of range', async () => {
    for (const bad of [3, -1]) {
      await expect(gather(iota(3), indices(0, bad)).data()).rejects.toThrow(
        expect.objectContaining({ code: 'ERR_INDEX', message: expect.stringContaining(`index ${bad} `) }),
      );
      await expect(scatterAdd(indices(0, bad), iota(2), 3).data()).rejects.toThrow(code('ERR_INDEX'));
    }
    expect(() => gather(iota(3), iota(3))).toThrow(code('ERR_DTYPE'));
    expect(() => scatterAdd(indices(1), iota(2), 3)).toThrow(code('ERR_SHAPE'));
    expect(() => scatterAdd(indices(1), iota(1), -3)).toThrow(code('ERR_ARGUMENT'));
  });
});
