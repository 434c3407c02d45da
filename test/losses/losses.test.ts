// The losses against their textbook formulas in plain numbers, and where those would overflow.

import { describe, expect, test } from 'vitest';
import * as losses from '../../src/losses/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { matmul, randn, tensor, zeros } from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const f32 = (data: number[], shape: number[] = [data.length, 1]) => tensor(Float32Array.from(data), shape);
const average = (x: number[]) => x.reduce((a, b) => a + b, 0) / x.length;
const sigma = (x: number) => 1 / (1 + Math.exp(-x));

const real = [0.5, -1.5, 2];
const fake = [-0.25, 1, -3];
const log = Math.log;

async function expectValue(t: Tensor, wanted: number): Promise<void> {
  expect(await t.item()).toBeCloseTo(wanted, 5);
}

describe('adversarial losses', () => {
  const crossEntropy =
    average(real.map((x) => -log(sigma(x)))) + average(fake.map((x) => -log(1 - sigma(x))));

  scoped('minimax', async () => {
    await expectValue(losses.minimax.discriminator(f32(real), f32(fake)), crossEntropy);
    await expectValue(losses.minimax.generator(f32(fake)), average(fake.map((x) => log(1 - sigma(x)))));
  });

  scoped('non-saturating', async () => {
    await expectValue(losses.nonSaturating.discriminator(f32(real), f32(fake)), crossEntropy);
    await expectValue(losses.nonSaturating.generator(f32(fake)), average(fake.map((x) => -log(sigma(x)))));
  });

  scoped('one-sided label smoothing moves the target of the real samples only', async () => {
    const smoothed = average(real.map((x) => -0.9 * log(sigma(x)) - 0.1 * log(1 - sigma(x))));
    const wanted = smoothed + average(fake.map((x) => -log(1 - sigma(x))));
    await expectValue(losses.nonSaturating.discriminator(f32(real), f32(fake), { smoothing: 0.1 }), wanted);
    expect(() => losses.minimax.discriminator(f32(real), f32(fake), { smoothing: 1 })).toThrow(
      code('ERR_ARGUMENT'),
    );
  });

  scoped('least squares, with the default targets and others', async () => {
    const half = (d: number[]) => average(d.map((x) => x * x)) / 2;
    await expectValue(
      losses.leastSquares.discriminator(f32(real), f32(fake)),
      half(real.map((x) => x - 1)) + half(fake),
    );
    await expectValue(losses.leastSquares.generator(f32(fake)), half(fake.map((x) => x - 1)));
    await expectValue(
      losses.leastSquares.discriminator(f32(real), f32(fake), { a: -1, b: 1 }),
      half(real.map((x) => x - 1)) + half(fake.map((x) => x + 1)),
    );
    await expectValue(losses.leastSquares.generator(f32(fake), { c: 0 }), half(fake));
  });

  scoped('Wasserstein', async () => {
    await expectValue(losses.wasserstein.discriminator(f32(real), f32(fake)), average(fake) - average(real));
    await expectValue(losses.wasserstein.generator(f32(fake)), -average(fake));
  });

  scoped('hinge', async () => {
    const wanted =
      average(real.map((x) => Math.max(0, 1 - x))) + average(fake.map((x) => Math.max(0, 1 + x)));
    await expectValue(losses.hinge.discriminator(f32(real), f32(fake)), wanted);
    await expectValue(losses.hinge.generator(f32(fake)), -average(fake));
  });

  scoped('stay finite, with finite gradients, at logits of a thousand', async () => {
    for (const loss of [losses.minimax, losses.nonSaturating]) {
      const [r, f] = [f32([-1000, 1000]), f32([1000, -1000])];
      const d = valueAndGrad((x, y) => loss.discriminator(x, y), [r, f]);
      expect(await d.value.item()).toBeCloseTo(1000, 2);
      expect(Array.from(await d.grads[0].data())).toEqual([-0.5, -0]);
      const g = valueAndGrad((x) => loss.generator(x), [f]);
      expect(Number.isFinite(await g.value.item())).toBe(true);
      for (const v of await g.grads[0].data()) expect(Number.isFinite(v)).toBe(true);
    }
  });
});

describe('supervised losses', () => {
  scoped('binary cross-entropy', async () => {
    const targets = [1, 0, 0.3];
    const wanted = average(
      real.map((x, i) => -targets[i] * log(sigma(x)) - (1 - targets[i]) * log(1 - sigma(x))),
    );
    await expectValue(losses.bceWithLogits(f32(real), f32(targets)), wanted);
    await expectValue(losses.bceWithLogits(f32(real), 1), average(real.map((x) => -log(sigma(x)))));
    expect(() => losses.bceWithLogits(f32(real), zeros([3]))).toThrow(code('ERR_SHAPE'));
  });

  scoped('cross-entropy of classes and its gradient', async () => {
    const x = f32([1, 2, 3, 0, 0, 0], [2, 3]);
    const labels = tensor(Int32Array.of(2, 0), [2]);
    const { value, grads } = valueAndGrad(() => losses.crossEntropy(x, labels), [x]);
    const z = Math.exp(1) + Math.exp(2) + Math.exp(3);
    await expectValue(value, average([log(z) - 3, log(3)]));
    const wanted = [Math.exp(1) / z, Math.exp(2) / z, Math.exp(3) / z - 1, 1 / 3 - 1, 1 / 3, 1 / 3].map(
      (v) => v / 2,
    );
    (await grads[0].data()).forEach((v, i) => {
      expect(v).toBeCloseTo(wanted[i], 5);
    });
  });

  scoped('a label outside the classes is an error, not another row', async () => {
    const loss = losses.crossEntropy(zeros([2, 3]), tensor(Int32Array.of(3, 0), [2]));
    await expect(loss.item()).rejects.toThrow(code('ERR_INDEX'));
    expect(() => losses.crossEntropy(zeros([2, 3]), tensor(Int32Array.of(1), [1]))).toThrow(
      code('ERR_SHAPE'),
    );
  });

  scoped('mse and l1', async () => {
    await expectValue(losses.mse(f32([1, 2]), f32([3, -1])), (4 + 9) / 2);
    await expectValue(losses.l1(f32([1, 2]), f32([3, -1])), (2 + 3) / 2);
    expect(() => losses.mse(f32([1]), zeros([1]))).toThrow(code('ERR_SHAPE'));
  });
});

describe('reductions, special values and refusals', () => {
  const [x, t] = [f32([1, -2, 3]), f32([0, 1, 3])];

  scoped('none and sum', async () => {
    expect(Array.from(await losses.mse(x, t, { reduction: 'none' }).data())).toEqual([1, 9, 0]);
    await expectValue(losses.l1(x, t, { reduction: 'sum' }), 4);
    expect(() => losses.mse(x, t, { reduction: 'average' as never })).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('bce takes the logarithm of 0 as -100 and stays finite', async () => {
    const p = f32([0, 1, 0.5]);
    const loss = valueAndGrad((v) => losses.bce(v, 1, { reduction: 'sum' }), [p]);
    await expectValue(loss.value, 100 + Math.log(2));
    for (const v of await loss.grads[0].data()) expect(Number.isFinite(v)).toBe(true);
  });

  scoped('klDiv is 0 where the target is, and between equals', async () => {
    const target = f32([0, 1, 0.5, 0.5], [2, 2]);
    const { value, grads } = valueAndGrad(
      (v) => losses.klDiv(v, target),
      [f32([-9, 0, log(0.5), log(0.5)], [2, 2])],
    );
    await expectValue(value, 0);
    expect(Array.from(await grads[0].data())).toEqual([-0, -0.5, -0.25, -0.25]);
  });

  scoped('feature matching leaves the real features alone', async () => {
    const [real, fake] = [f32([1, 2], [2, 1]), f32([2, 5], [2, 1])];
    for (const [loss, want] of [
      [losses.featureMatching, 2],
      [losses.meanFeatureMatching, 4],
    ] as const) {
      const { value, grads } = valueAndGrad((r, f) => loss([r, r], [f, f]), [real, fake]);
      await expectValue(value, loss === losses.featureMatching ? want : 2 * want);
      expect(Array.from(await grads[0].data())).toEqual([0, 0]);
      expect(() => loss([real], [fake, fake])).toThrow(code('ERR_ARGUMENT'));
      expect(() => loss(real, zeros([2, 3]))).toThrow(code('ERR_SHAPE'));
    }
  });

  scoped('of bf16 are computed in f32', async () => {
    const many = zeros([4096]).add(1.0078125).cast('bf16');
    const loss = losses.mse(many, zeros([4096]).cast('bf16'), { reduction: 'sum' });
    expect(loss.dtype).toBe('f32');
    await expectValue(loss.div(4096), 1.0078125 ** 2);
    expect(losses.crossEntropy(zeros([2, 3]).cast('bf16'), tensor(Int32Array.of(1, 2), [2])).dtype).toBe(
      'f32',
    );
  });

  test('refuse parameters out of range', () => {
    expect(() => losses.huber(x, t, { delta: 0 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => losses.smoothL1(x, t, { beta: -1 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => losses.crossEntropy(zeros([2, 3]), zeros([2, 3]), { labelSmoothing: 2 })).toThrow(
      code('ERR_ARGUMENT'),
    );
    expect(() => losses.crossEntropy(zeros([2, 3]), zeros([2]))).toThrow(code('ERR_SHAPE'));
    expect(() => losses.cosineEmbedding(x, t, zeros([4]))).toThrow(code('ERR_SHAPE'));
    expect(() => losses.gaussianKL(x, zeros([2]))).toThrow(code('ERR_SHAPE'));
  });
});

describe('gradient penalty', () => {
  scoped('of a linear critic depends on its weight alone', async () => {
    const w = f32([3, 4], [2, 1]);
    const [a, b] = [randn([5, 2]), randn([5, 2])];
    const critic = (x: Tensor) => matmul(x, w);
    await expectValue(losses.gradientPenalty(critic, a, b), 10 * 16);
    await expectValue(losses.gradientPenalty(critic, a, b, { lambda: 1, target: 0 }), 25);
  });

  scoped('has the gradient of its formula by the weight', async () => {
    // λ (‖w‖ - 1)² has the gradient 2 λ (‖w‖ - 1) w / ‖w‖.
    const w = f32([3, 4], [2, 1]);
    const [a, b] = [randn([5, 2]), randn([5, 2])];
    const { grads } = valueAndGrad(() => losses.gradientPenalty((x) => matmul(x, w), a, b), [w]);
    const got = await grads[0].data();
    expect(got[0]).toBeCloseTo((2 * 10 * 4 * 3) / 5, 3);
    expect(got[1]).toBeCloseTo((2 * 10 * 4 * 4) / 5, 3);
  });

  scoped('looks at points between each pair, one weight per sample', async () => {
    // For D(x) = Σ x² / 2 the gradient is x itself: the penalty with target 0 shows where it was taken.
    const [a, b] = [zeros([4, 2, 2, 1]), zeros([4, 2, 2, 1]).add(1)];
    let between: Tensor | undefined;
    const critic = (x: Tensor) => {
      between = x;
      return x.square().mul(0.5).sum([1, 2, 3]);
    };
    const options = { lambda: 1, target: 0, generator: new Generator(5) };
    const penalty = await losses.gradientPenalty(critic, a, b, options).item();
    const points = Array.from(await between!.data());
    const perSample = [0, 1, 2, 3].map((i) => points.slice(4 * i, 4 * i + 4));
    for (const point of perSample) {
      expect(new Set(point).size).toBe(1);
      expect(point[0]).toBeGreaterThan(0);
      expect(point[0]).toBeLessThan(1);
    }
    expect(new Set(perSample.map(([v]) => v)).size).toBe(4);
    expect(penalty).toBeCloseTo(average(perSample.map(([v]) => 4 * v * v)), 5);
  });

  scoped('stays finite where the critic is flat', async () => {
    const w = zeros([2, 1]);
    const { value, grads } = valueAndGrad(
      () => losses.gradientPenalty((x) => matmul(x, w), randn([3, 2]), randn([3, 2])),
      [w],
    );
    expect(await value.item()).toBeCloseTo(10, 3);
    for (const v of await grads[0].data()) expect(Number.isFinite(v)).toBe(true);
  });

  test('refuses two shapes', () => {
    expect(() => losses.gradientPenalty((x) => x, zeros([2, 3]), zeros([3, 2]))).toThrow(code('ERR_SHAPE'));
  });
});
