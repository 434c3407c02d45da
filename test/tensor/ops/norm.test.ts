// Batch, instance and layer norm and biasAct beyond what the op table generates: large means, one row, statistics,
// inference, results that do not depend on the number of threads, and what is refused.

import { afterEach, describe, expect, test } from 'vitest';
import { addon } from '../../../src/native.js';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  type Activation,
  batchNorm,
  batchNormInference,
  batchNormStats,
  biasAct,
  instanceNorm,
  layerNorm,
  mul,
  sum,
  tensor,
} from '../../../src/tensor/ops/index.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';
import { mismatch, randomFrom } from '../numeric.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const code = (c: string) => expect.objectContaining({ code: c });
const filled = (value: number, ...shape: number[]) =>
  tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);

function random(name: string, shape: number[], mean = 0): Tensor {
  const next = randomFrom(name);
  const n = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({ length: n }, () => mean + 4 * next() - 2),
    shape,
  );
}

/** Per column of x [rows, columns]: [mean, biased variance]. */
function moments(x: ArrayLike<number>, columns: number): { mean: number[]; variance: number[] } {
  const rows = x.length / columns;
  const mean = new Array<number>(columns).fill(0);
  const variance = new Array<number>(columns).fill(0);
  for (let i = 0; i < x.length; i++) mean[i % columns] += x[i] / rows;
  for (let i = 0; i < x.length; i++) variance[i % columns] += (x[i] - mean[i % columns]) ** 2 / rows;
  return { mean, variance };
}

const threads = addon().threads();
afterEach(() => addon().setThreads(threads));

describe('accuracy', () => {
  scoped('a mean ten thousand times the deviation', async () => {
    for (const [rows, columns] of [
      [3000, 3],
      [500, 64],
      [100, 1100],
    ]) {
      const x = random('large mean', [rows, columns], 1e4);
      const { mean, variance } = moments(await x.data(), columns);
      const y = batchNorm(x, filled(1, columns), filled(0, columns));
      const want = Array.from(
        await x.data(),
        (v, i) => (v - mean[i % columns]) / Math.sqrt(variance[i % columns]),
      );
      expect(mismatch(await y.data(), want, 2e-5, 1)).toBeUndefined();
    }
  });

  scoped('a row of a layer norm with a large mean', async () => {
    const x = random('large mean', [5000], 1e4);
    const { mean, variance } = moments(await x.data(), 1);
    const want = Array.from(await x.data(), (v) => (v - mean[0]) / Math.sqrt(variance[0]));
    const y = layerNorm(x, filled(1, 5000), filled(0, 5000));
    expect(mismatch(await y.data(), want, 2e-5, 1)).toBeUndefined();
  });

  scoped('one row gives act(beta)', async () => {
    const beta = tensor(Float32Array.of(-1, 0.5, 2), [3]);
    const y = batchNorm(random('one', [1, 3]), filled(2, 3), beta, { activation: 'leakyRelu', slope: 0.5 });
    expect(Array.from(await y.data())).toEqual([-0.5, 0.5, 2]);
  });

  scoped('a constant channel gives beta', async () => {
    const y = batchNorm(filled(0.1, 1000, 1), filled(1, 1), filled(3, 1));
    expect(mismatch(await y.data(), new Float64Array(1000).fill(3), 1e-6, 0)).toBeUndefined();
  });
});

describe('statistics and inference', () => {
  scoped('batchNormStats returns the mean and the biased variance', async () => {
    const x = random('stats', [4, 5, 5, 3], 2);
    const [y, mean, variance] = batchNormStats(x, filled(1, 3), filled(0, 3));
    const want = moments(await x.data(), 3);
    expect([mean.shape, variance.shape]).toEqual([[3], [3]]);
    expect(mismatch(await mean.data(), want.mean, 1e-6, 1)).toBeUndefined();
    expect(mismatch(await variance.data(), want.variance, 1e-6, 1)).toBeUndefined();
    expect(await y.data()).toEqual(await batchNorm(x, filled(1, 3), filled(0, 3)).data());
  });

  scoped('batchNormStats reports no negative variance', async () => {
    const [, , variance] = batchNormStats(filled(0.3, 50, 2), filled(1, 2), filled(0, 2));
    for (const v of await variance.data()) expect(v).toBeGreaterThanOrEqual(0);
  });

  scoped('gradients flow through the result of batchNormStats', async () => {
    const [x, gamma, beta, w] = [random('x', [6, 2]), filled(1.5, 2), filled(0.5, 2), random('w', [6, 2])];
    const stats = valueAndGrad(() => sum(mul(batchNormStats(x, gamma, beta)[0], w)), [x, gamma, beta]);
    const plain = valueAndGrad(() => sum(mul(batchNorm(x, gamma, beta), w)), [x, gamma, beta]);
    for (const i of [0, 1, 2]) expect(await stats.grads[i].data()).toEqual(await plain.grads[i].data());
  });

  scoped('inference with the batch statistics is the training result', async () => {
    const x = random('same', [3, 4, 4, 5]);
    const [gamma, beta] = [random('gamma', [5]), random('beta', [5])];
    for (const activation of ['none', 'relu', 'tanh'] as const) {
      const [y, mean, variance] = batchNormStats(x, gamma, beta, { activation, eps: 1e-3 });
      const z = batchNormInference(x, gamma, beta, mean, variance, { activation, eps: 1e-3 });
      expect(mismatch(await z.data(), await y.data(), 1e-5, 1)).toBeUndefined();
    }
  });

  scoped('instanceNorm of one image is its batchNorm', async () => {
    const x = random('image', [1, 6, 5, 3]);
    const [gamma, beta] = [filled(1.5, 3), filled(-0.5, 3)];
    const want = await batchNorm(x, gamma, beta, { activation: 'relu' }).data();
    expect(await x.instanceNorm(gamma, beta, { activation: 'relu' }).data()).toEqual(want);
  });
});

scoped('results do not depend on the number of threads', async () => {
  const shape = [8, 40, 40, 20];
  const [x, w] = [random('threads x', shape), random('threads w', shape)];
  const [gamma, beta] = [random('gamma', [20]), random('beta', [20])];
  const all = async () => {
    const results: ArrayLike<number>[] = [];
    for (const norm of [batchNorm, instanceNorm, layerNorm]) {
      const loss = () => sum(mul(norm(x, gamma, beta, { activation: 'leakyRelu' }), w));
      const { value, grads } = valueAndGrad(loss, [x, gamma, beta]);
      for (const t of [value, ...grads]) results.push(await t.data());
    }
    const { grads } = valueAndGrad(() => sum(mul(biasAct(x, beta, { activation: 'tanh' }), w)), [x, beta]);
    for (const t of grads) results.push(await t.data());
    return results;
  };
  addon().setThreads(1);
  const one = await all();
  addon().setThreads(3);
  expect(await all()).toEqual(one);
});

describe('refusals', () => {
  scoped('parameters that do not fit', async () => {
    const x = filled(1, 2, 3);
    for (const norm of [batchNorm, instanceNorm, layerNorm]) {
      expect(() => norm(x, filled(1, 2), filled(0, 3))).toThrow(code('ERR_SHAPE'));
      expect(() => norm(x, filled(1, 3), filled(0, 2))).toThrow(code('ERR_SHAPE'));
      expect(() => norm(tensor(new Int32Array(6), [2, 3]), filled(1, 3), filled(0, 3))).toThrow(
        code('ERR_DTYPE'),
      );
    }
    expect(() => instanceNorm(filled(1, 3), filled(1, 3), filled(0, 3))).toThrow(code('ERR_SHAPE'));
    expect(() => batchNorm(filled(1), filled(1), filled(0))).toThrow(code('ERR_SHAPE'));
    expect(() => biasAct(x, filled(1, 2))).toThrow(code('ERR_SHAPE'));
  });

  scoped('options out of range', async () => {
    const [x, one] = [filled(1, 2, 3), filled(1, 3)];
    expect(() => batchNorm(x, one, one, { eps: Number.NaN })).toThrow(code('ERR_ARGUMENT'));
    expect(() => batchNorm(x, one, one, { eps: -1 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => biasAct(x, one, { slope: -0.1 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => biasAct(x, one, { activation: 'swish' as Activation })).toThrow(code('ERR_ARGUMENT'));
  });
});
