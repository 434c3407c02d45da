// What each layer computes, against values worked out by hand or by the definition; and its behaviour in training and in
// evaluation. Gradients are the ops' business.

import { describe, expect, test } from 'vitest';
import * as nn from '../../src/nn/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import {
  conv2d,
  convTranspose2d,
  eye,
  leakyRelu,
  matmul,
  mul,
  randn,
  tensor,
  zeros,
} from '../../src/tensor/ops/index.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const f32 = (data: number[], shape: number[]) => tensor(Float32Array.from(data), shape);

async function expectClose(actual: Tensor, expected: Tensor | number[], digits = 5): Promise<void> {
  const wanted = Array.isArray(expected) ? expected : await values(expected);
  const got = await values(actual);
  expect(got).toHaveLength(wanted.length);
  got.forEach((x, i) => {
    expect(x).toBeCloseTo(wanted[i], digits);
  });
}

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

describe('layers', () => {
  scoped('Linear multiplies by the transposed weight and adds the bias', async () => {
    const layer = new nn.Linear(2, 3);
    layer.loadStateDict({ weight: f32([1, 2, 3, 4, 5, 6], [3, 2]), bias: f32([10, 20, 30], [3]) });
    expect(await values(layer.forward(f32([1, 1, 0, 2], [2, 2])))).toEqual([13, 27, 41, 14, 28, 42]);
    expect(layer.forward(zeros([2, 5, 2])).shape).toEqual([2, 5, 3]);
  });

  scoped('an activation is the same fused with a bias and without one', async () => {
    const x = f32([1, -1], [1, 2]);
    const weight = f32([1, 1, 1, 2], [2, 2]);
    const fused = new nn.Linear(2, 2, { activation: 'leakyRelu', slope: 0.5 });
    fused.loadStateDict({ weight, bias: zeros([2]) });
    const plain = new nn.Linear(2, 2, { bias: false, activation: 'leakyRelu', slope: 0.5 });
    plain.loadStateDict({ weight });
    expect(await values(fused.forward(x))).toEqual([0, -0.5]);
    expect(await values(plain.forward(x))).toEqual([0, -0.5]);
  });

  scoped('Conv2d and ConvTranspose2d are their ops with bias and activation', async () => {
    const options = { stride: 2, padding: 1, activation: 'leakyRelu', slope: 0.2 } as const;
    const down = new nn.Conv2d(3, 4, 4, options);
    const x = randn([2, 6, 8, 3]);
    const plain = conv2d(x, down.weight, { stride: 2, padding: 1 }).add(down.bias!);
    expect(down.weight.shape).toEqual([4, 4, 4, 3]);
    await expectClose(down.forward(x), leakyRelu(plain, 0.2));
    const up = new nn.ConvTranspose2d(4, 3, [4, 2], { stride: 2, padding: [1, 0], groups: 1 });
    expect(up.weight.shape).toEqual([4, 4, 2, 3]);
    const y = randn([2, 3, 4, 4]);
    await expectClose(
      up.forward(y),
      convTranspose2d(y, up.weight, { stride: 2, padding: [1, 0] }).add(up.bias!),
    );
    expect(up.forward(y).shape).toEqual([2, 6, 8, 3]);
  });

  test('grouped convolutions have smaller weights and refuse counts that do not divide', () => {
    expect(new nn.Conv2d(4, 6, 3, { groups: 2 }).weight.shape).toEqual([6, 3, 3, 2]);
    expect(() => new nn.Conv2d(4, 6, 3, { groups: 4 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.Conv2d(0, 6, 3)).toThrow(code('ERR_ARGUMENT'));
    expect(() => new nn.Linear(2, 1.5)).toThrow(code('ERR_ARGUMENT'));
  });

  scoped(
    'BatchNorm2d normalises by the batch in training and keeps running statistics as PyTorch does',
    async () => {
      const layer = new nn.BatchNorm2d(1);
      const x = f32([1, 2, 3, 6], [1, 2, 2, 1]);
      const rstd = 1 / Math.sqrt(3.5 + 1e-5);
      await expectClose(layer.forward(x), [-2 * rstd, -rstd, 0, 3 * rstd]);
      await expectClose(layer.runningMean, [0.3]);
      await expectClose(layer.runningVar, [0.9 + 0.1 * (14 / 3)]);
      const [mean, variance] = [0.3, 0.9 + 0.1 * (14 / 3)];
      layer.eval();
      await expectClose(
        layer.forward(x),
        [1, 2, 3, 6].map((v) => (v - mean) / Math.sqrt(variance + 1e-5)),
      );
      await expectClose(layer.runningMean, [0.3]);
    },
  );

  scoped('BatchNorm keeps its statistics up to date inside valueAndGrad', async () => {
    const layer = new nn.BatchNorm1d(2, { activation: 'relu' });
    valueAndGrad(() => layer.forward(f32([1, 10, 3, 30], [2, 2])).sum(), layer.parameters());
    await expectClose(layer.runningMean, [0.2, 2]);
    await expectClose(layer.runningVar, [0.9 + 0.1 * 2, 0.9 + 0.1 * 200], 4);
  });

  scoped('BatchNorm of a single value does not divide by zero', async () => {
    const layer = new nn.BatchNorm1d(1);
    await expectClose(layer.forward(f32([5], [1, 1])), [0]);
    await expectClose(layer.runningVar, [0.9]);
  });

  test('normalisation layers name the shape they expect', () => {
    expect(() => new nn.BatchNorm2d(3).forward(zeros([2, 3]))).toThrow(
      /expected x of shape \[N, H, W, features\]/,
    );
    expect(() => new nn.InstanceNorm2d(3).forward(zeros([2, 3]))).toThrow(code('ERR_SHAPE'));
    expect(() => new nn.BatchNorm1d(3, { eps: 0 })).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('LayerNorm normalises each sample, InstanceNorm2d each sample and channel', async () => {
    const layer = new nn.LayerNorm(2);
    await expectClose(layer.forward(f32([1, 3, -4, 4], [2, 2])), [-1, 1, -1, 1], 4);
    const instance = new nn.InstanceNorm2d(2);
    await expectClose(instance.forward(f32([1, 10, 3, 30], [1, 1, 2, 2])), [-1, -1, 1, 1], 4);
  });

  scoped(
    'Dropout scales what it keeps, draws from its generator, and is the identity in evaluation',
    async () => {
      const x = zeros([1000]).add(1);
      const layer = new nn.Dropout(0.25, { generator: new Generator(1) });
      const y = await values(layer.forward(x));
      expect(new Set(y.map((v) => v.toFixed(4)))).toEqual(new Set(['0.0000', '1.3333']));
      expect(y.filter((v) => v === 0).length).toBeGreaterThan(180);
      expect(y.filter((v) => v === 0).length).toBeLessThan(320);
      const again = new nn.Dropout(0.25, { generator: new Generator(1) });
      expect(await values(again.forward(x))).toEqual(y);
      expect(layer.eval().forward(x)).toBe(x);
      expect(() => new nn.Dropout(1)).toThrow(code('ERR_ARGUMENT'));
    },
  );

  scoped('Embedding looks up rows', async () => {
    const layer = new nn.Embedding(3, 2);
    layer.loadStateDict({ weight: f32([0, 1, 10, 11, 20, 21], [3, 2]) });
    const y = layer.forward(tensor(Int32Array.of(2, 0), [2]));
    expect(await values(y)).toEqual([20, 21, 0, 1]);
  });

  scoped('Flatten, Reshape and the activations in a Sequential', async () => {
    const net = new nn.Sequential(
      new nn.Flatten(),
      new nn.ReLU(),
      new nn.LeakyReLU(),
      new nn.Tanh(),
      new nn.Sigmoid(),
      new nn.Softplus(),
      new nn.Reshape([2, 1]),
    );
    const y = net.forward(f32([0, 1, -1, 2], [2, 1, 2]));
    expect(y.shape).toEqual([2, 2, 1]);
    const f = (v: number) => Math.log1p(Math.exp(1 / (1 + Math.exp(-Math.tanh(Math.max(v, 0))))));
    await expectClose(y, [0, 1, -1, 2].map(f));
    await expectClose(new nn.LeakyReLU().forward(f32([-1, 1], [2])), [-0.2, 1]);
  });
});

describe('initialisers', () => {
  scoped('are reproducible from the seed', async () => {
    manualSeed(3);
    const a = await values(new nn.Linear(4, 4).weight);
    const b = await values(new nn.Linear(4, 4).weight);
    manualSeed(3);
    expect(await values(new nn.Linear(4, 4).weight)).toEqual(a);
    expect(b).not.toEqual(a);
  });

  scoped('have the spread of their formulas', async () => {
    const spread = async (init: nn.init.Initializer) => {
      const x = await values(init([128, 3, 3, 64], new Generator(7)));
      return {
        std: Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length),
        most: Math.max(...x.map(Math.abs)),
      };
    };
    const fanIn = 9 * 64;
    const fanOut = 9 * 128;
    expect((await spread(nn.init.normal(0, 0.02))).std).toBeCloseTo(0.02, 3);
    const uniform = await spread(nn.init.kaimingUniform());
    expect(uniform.std).toBeCloseTo(1 / Math.sqrt(3 * fanIn), 3);
    expect(uniform.most).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
    expect((await spread(nn.init.kaimingNormal())).std).toBeCloseTo(Math.sqrt(2 / fanIn), 3);
    expect((await spread(nn.init.xavierUniform())).std).toBeCloseTo(Math.sqrt(2 / (fanIn + fanOut)), 3);
    expect((await spread(nn.init.xavierNormal())).std).toBeCloseTo(Math.sqrt(2 / (fanIn + fanOut)), 3);
    expect(await values(nn.init.ones([3]))).toEqual([1, 1, 1]);
    expect(await values(nn.init.zeros([3]))).toEqual([0, 0, 0]);
  });

  scoped('orthogonal gives orthonormal rows, or columns where there are fewer, times the gain', async () => {
    for (const [shape, rows, columns] of [
      [[5, 3, 3, 2], 5, 18],
      [[12, 5], 12, 5],
      [[4, 4], 4, 4],
      [[1], 1, 1],
    ] as const) {
      const q = nn.init.orthogonal(2)(shape, new Generator(5)).reshape([rows, columns]);
      expect(q.size).toBe(rows * columns);
      const wide = rows <= columns;
      const gram = matmul(q, q, wide ? { transB: true } : { transA: true });
      await expectClose(gram, mul(eye(Math.min(rows, columns)), 4));
    }
    const one = await values(nn.init.orthogonal()([3, 4], new Generator(5)));
    expect(await values(nn.init.orthogonal()([3, 4], new Generator(5)))).toEqual(one);
    expect(await values(nn.init.orthogonal()([3, 4], new Generator(6)))).not.toEqual(one);
    expect(await values(nn.init.orthogonal()([0, 4]))).toEqual([]);
  });
});
