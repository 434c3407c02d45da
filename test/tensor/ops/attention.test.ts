// What the generated tests and the fixtures do not cover of attention, einsum and linear algebra: memory, errors, NaN,
// independence of the number of threads, and values known in advance.

import { describe, expect, test } from 'vitest';
import { memory, resetPeakMemory, setThreads, sync, threads } from '../../../src/device.js';
import { featureStatistics, frechetDistance } from '../../../src/metrics/frechet.js';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  covariance,
  dot,
  eigh,
  einsum,
  matmul,
  norm,
  normalize,
  randn,
  scaledDotProductAttention,
  sqrtm,
  sum,
  tensor,
  zeros,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';

const shapeError = expect.objectContaining({ code: 'ERR_SHAPE' });
const argumentError = expect.objectContaining({ code: 'ERR_ARGUMENT' });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

describe('scaledDotProductAttention', () => {
  scoped('needs no memory for the map, forward and backward', async () => {
    const n = 4096;
    const [q, k, v] = [8, 8, 16].map((d) => randn([1, n, d]));
    await sync();
    const before = memory().live;
    resetPeakMemory();
    valueAndGrad(() => sum(scaledDotProductAttention(q, k, v)), [q, k, v]);
    await sync();
    expect(memory().peak - before).toBeLessThan((n * n * 4) / 8);
  });

  scoped('gives the same bits on one thread and on several', async () => {
    const [q, k, v] = [24, 24, 40].map((d) => randn([2, 600, d]));
    const run = async () => {
      const { value, grads } = valueAndGrad(
        () => sum(scaledDotProductAttention(q, k, v, { causal: true })),
        [q, k, v],
      );
      return Promise.all([value, ...grads].map((t) => t.data()));
    };
    const before = threads();
    setThreads(2);
    const several = await run();
    setThreads(1);
    const one = await run();
    setThreads(before);
    expect(one).toEqual(several);
  });

  scoped('broadcasts leading dimensions', async () => {
    const [q, k, v] = [randn([2, 1, 3, 4]), randn([3, 5, 4]), randn([1, 3, 5, 2])];
    const y = scaledDotProductAttention(q, k, v);
    expect(y.shape).toEqual([2, 3, 3, 2]);
    const row = scaledDotProductAttention(
      q.slice([1, 0, 0, 0], [1, 1, -1, -1]).reshape([3, 4]),
      k.slice([2, 0, 0], [1, -1, -1]).reshape([5, 4]),
      v.slice([0, 2, 0, 0], [1, 1, -1, -1]).reshape([5, 2]),
    );
    const want = await row.data();
    const got = await y.slice([1, 2, 0, 0], [1, 1, -1, -1]).data();
    got.forEach((value, i) => {
      expect(value).toBeCloseTo(want[i], 5);
    });
  });

  scoped('gives zeros where a query sees no key, and NaN only where there was one', async () => {
    const v = tensor([[1], [2]]);
    const hidden = tensor(Uint8Array.of(0, 0, 1, 1), [2, 2]);
    const y = scaledDotProductAttention(zeros([2, 3]), zeros([2, 3]), v, { mask: hidden });
    expect(Array.from(await y.data())).toEqual([0, 1.5]);
    const minus = tensor(Float32Array.of(-Infinity, -Infinity, 0, -Infinity), [2, 2]);
    const z = scaledDotProductAttention(zeros([2, 3]), zeros([2, 3]), v, { mask: minus });
    expect(Array.from(await z.data())).toEqual([0, 1]);
    const q = tensor([[Number.NaN], [1]]);
    const nan = await scaledDotProductAttention(q, zeros([2, 1]), v).data();
    expect([Number.isNaN(nan[0]), nan[1]]).toEqual([true, 1.5]);
  });

  scoped('takes scores far apart without overflow', async () => {
    const y = scaledDotProductAttention(
      tensor([[1e4]]),
      tensor([[1e4], [-1e4], [1e4]]),
      tensor([[1], [2], [4]]),
    );
    expect((await y.data())[0]).toBe(2.5);
  });

  scoped('refuses what does not fit', async () => {
    const x = zeros([2, 3]);
    expect(() => scaledDotProductAttention(zeros([3]), x, x)).toThrow(shapeError);
    expect(() => scaledDotProductAttention(zeros([2, 4]), x, x)).toThrow(shapeError);
    expect(() => scaledDotProductAttention(x, x, zeros([3, 3]))).toThrow(shapeError);
    expect(() => scaledDotProductAttention(x, x, x, { mask: zeros([3, 2]) })).toThrow(shapeError);
    expect(() => scaledDotProductAttention(x, x, x, { scale: Number.NaN })).toThrow(argumentError);
    expect(() => scaledDotProductAttention(x, x, x, { mask: tensor(Int32Array.of(1), [1]) })).toThrow(
      expect.objectContaining({ code: 'ERR_DTYPE' }),
    );
  });
});

describe('einsum', () => {
  scoped('refuses equations that make no sense', async () => {
    const x = zeros([2, 3]);
    for (const equation of ['ij->k', 'ij->ii', 'i1->i', 'ij->i->j', 'ij,jk', '.ij']) {
      expect(() => einsum(equation, x), equation).toThrow(argumentError);
    }
    expect(() => einsum('ijk->i', x)).toThrow(shapeError);
    expect(() => einsum('ii->i', x)).toThrow(shapeError);
    expect(() => einsum('ij,jk->ik', x, zeros([2, 3]))).toThrow(shapeError);
  });

  scoped('takes empty tensors', async () => {
    expect(Array.from(await einsum('ij,jk->ik', zeros([2, 0]), zeros([0, 1])).data())).toEqual([0, 0]);
  });
});

describe('norms', () => {
  scoped('have gradient 0 at 0 and refuse p = NaN', async () => {
    const x = zeros([3]);
    for (const p of [1, 2, 3]) {
      const { grads } = valueAndGrad(() => norm(x, p), [x]);
      expect(Array.from(await grads[0].data()), `p = ${p}`).toEqual([0, 0, 0]);
    }
    expect(Array.from(await normalize(x).data())).toEqual([0, 0, 0]);
    expect(await norm(tensor([3, 0, -4]), 0).item()).toBe(2);
    expect(() => norm(x, Number.NaN)).toThrow(argumentError);
    expect(() => dot(x, zeros([2]))).toThrow(shapeError);
  });
});

describe('linear algebra', () => {
  scoped('eigh gives vectors that diagonalise', async () => {
    const a = randn([40, 40]);
    const x = matmul(a, a, { transB: true });
    const { values, vectors } = eigh(x);
    const back = matmul(vectors.mul(values), vectors, { transB: true });
    const largest = await x.abs().max().item();
    expect((await back.sub(x).abs().max().item()) / largest).toBeLessThan(1e-5);
    const order = await values.data();
    expect(Array.from(order)).toEqual(Array.from(order).sort((p, q) => p - q));
  });

  scoped('sqrtm squares to its argument, also when that is singular', async () => {
    const a = randn([9, 4]);
    const x = matmul(a, a, { transB: true });
    const root = sqrtm(x);
    const error = await matmul(root, root).sub(x).abs().max().item();
    expect(error / (await x.abs().max().item())).toBeLessThan(1e-5);
  });

  scoped('answers NaN with NaN and has no gradient', async () => {
    const x = tensor([
      [1, Number.NaN],
      [0, 1],
    ]);
    expect(Array.from(await eigh(x.transpose()).values.data())).toEqual([Number.NaN, Number.NaN]);
    const y = randn([3, 3]);
    const refused = expect.objectContaining({ code: 'ERR_NOT_DIFFERENTIABLE' });
    for (const f of [() => sum(eigh(y).values), () => sum(sqrtm(y)), () => sum(covariance(y))]) {
      expect(() => valueAndGrad(f, [y])).toThrow(refused);
    }
    expect(() => eigh(zeros([2, 3]))).toThrow(shapeError);
  });

  scoped('keeps f64 where f32 would lose the covariance, and measures known distances', async () => {
    const features = tensor(Float32Array.of(10000, 10001, 10002, 10003), [4, 1]);
    const { mean, covariance: c } = await featureStatistics(features);
    expect([mean[0], c[0]]).toEqual([10001.5, 5 / 3]);
    const [one, four] = [Float64Array.of(1, 0, 0, 1), Float64Array.of(4, 0, 0, 9)];
    const distance = await frechetDistance(Float64Array.of(0, 0), one, Float64Array.of(3, 4), four);
    expect(distance).toBeCloseTo(25 + (2 - 1) ** 2 + (3 - 1) ** 2, 12);
    await expect(frechetDistance(mean, c, mean, four)).rejects.toEqual(shapeError);
    await expect(featureStatistics(zeros([1, 3]))).rejects.toEqual(shapeError);
    expect(await frechetDistance(mean, Float64Array.of(Number.NaN), mean, c)).toBeNaN();
  });
});
