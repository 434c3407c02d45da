// The layers of StyleGAN, SNGAN and BigGAN: spectral, equalised and modulated weights, norms with a scale per sample, what
// they save, and what they refuse. Numbers of the ops themselves are compared with PyTorch in test/reference/blocks.test.ts.

import { describe, expect, test } from 'vitest';
import { memory, resetPeakMemory, sync } from '../../src/device.js';
import * as losses from '../../src/losses/index.js';
import { addon } from '../../src/native.js';
import * as nn from '../../src/nn/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import {
  batchNorm,
  convResample2d,
  minibatchSimilarity,
  minibatchStddev,
  modulatedConv2d,
  mul,
  powerIteration,
  randn,
  scaleAct,
  square,
  sum,
  tensor,
  zeros,
} from '../../src/tensor/ops/index.js';
import { type Precision, withPrecision } from '../../src/tensor/precision.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { mismatch } from '../tensor/numeric.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

async function expectClose(got: Tensor, want: Tensor | number[], relative = 1e-5): Promise<void> {
  const wanted = Array.isArray(want) ? want : await values(want);
  expect(mismatch(await got.data(), wanted, relative, 1)).toBeUndefined();
}

describe('spectral normalisation', () => {
  scoped('a trained weight has a largest singular value near one, and sigma has a gradient', async () => {
    manualSeed(1);
    const layer = new nn.Linear(6, 4, { bias: false, spectralNorm: true });
    for (let i = 0; i < 30; i++) layer.weight.dispose();
    layer.eval();
    // For a unit vector x the product cannot be longer than the largest singular value, and v attains it.
    const v = layer.stateDict()['spectral.v'];
    const y = layer.forward(v.reshape([1, 6]));
    await expectClose(sum(square(y)), [1], 1e-4);
    // Scaling the weight changes nothing, so the gradient is orthogonal to it.
    const [w] = layer.parameters();
    const x = randn([3, 6]);
    const { grads } = valueAndGrad(() => sum(square(layer.forward(x))), [w]);
    expect(Math.abs((await sum(mul(grads[0], w)).data())[0])).toBeLessThan(1e-4);
    expect(Math.max(...(await values(grads[0])).map(Math.abs))).toBeGreaterThan(1e-2);
    layer.dispose();
  });

  scoped('one call iterates all weights of a network, which then leaves it to its user', async () => {
    manualSeed(2);
    const network = new nn.Sequential(
      new nn.Conv2d(2, 3, 3, { spectralNorm: true }),
      new nn.ConvTranspose2d(3, 4, 2, { spectralNorm: true }),
    );
    const before = network.stateDict();
    const want = powerIteration(
      [0, 1].map((i) => ({
        weight: before[`${i}.spectral.weight`],
        u: before[`${i}.spectral.u`],
        v: before[`${i}.spectral.v`],
        transposed: i === 1,
      })),
      { iterations: 2 },
    );
    let calls = 0;
    const natives = addon();
    const { run } = natives;
    const mutable = natives as { run: typeof run };
    mutable.run = (op, inputs, attributes) => {
      if (natives.ops[op] === 'powerIteration') calls++;
      return run(op, inputs, attributes);
    };
    try {
      nn.spectralStep(network, 2);
      network.forward(randn([1, 4, 4, 2]));
    } finally {
      mutable.run = run;
    }
    expect(calls).toBe(1);
    const after = Object.entries(network.stateDict()).filter(([name]) => /\.[uv]$/.test(name));
    expect(after).toHaveLength(4);
    for (const [i, [, t]] of after.entries()) await expectClose(t, await values(want.flat()[i]));
    network.dispose();
  });

  scoped('two passes in one gradient each see their own vectors', async () => {
    manualSeed(3);
    const options = () => ({ bias: false, spectralNorm: true, generator: new Generator(5) });
    const [joint, apart] = [new nn.Linear(3, 2, options()), new nn.Linear(3, 2, options())];
    const [a, b] = [randn([2, 3]), randn([2, 3])];
    const loss = (layer: nn.Linear, x: Tensor) => sum(square(layer.forward(x)));
    const both = valueAndGrad(() => loss(joint, a).add(loss(joint, b)), joint.parameters()).grads[0];
    const first = valueAndGrad(() => loss(apart, a), apart.parameters()).grads[0];
    const second = valueAndGrad(() => loss(apart, b), apart.parameters()).grads[0];
    await expectClose(both, first.add(second));
    joint.dispose();
    apart.dispose();
  });

  scoped('is refused for layers without a weight matrix, and twice', async () => {
    const norm = new nn.BatchNorm2d(3);
    expect(() => nn.spectralNorm(norm)).toThrow(code('ERR_ARGUMENT'));
    const layer = nn.spectralNorm(new nn.Conv1d(2, 3, 3));
    expect(() => nn.spectralNorm(layer)).toThrow(code('ERR_ARGUMENT'));
    const w = randn([2, 3]);
    expect(() => powerIteration([{ weight: w, u: zeros([3]), v: zeros([2]), transposed: false }])).toThrow(
      code('ERR_SHAPE'),
    );
    norm.dispose();
    layer.dispose();
  });
});

describe('norms', () => {
  scoped('conditional batch norm looks up scale and shift by label, and remembers statistics', async () => {
    manualSeed(4);
    const layer = new nn.ConditionalBatchNorm2d(3, {
      classes: 4,
      gammaInit: (s, g) => randn(s, { generator: g }),
    });
    const plain = new nn.BatchNorm2d(3);
    const x = randn([2, 3, 3, 3]);
    const labels = tensor(Int32Array.of(2, 0), [2]);
    const gamma = layer.weight!.gather(labels).reshape([2, 1, 1, 3]);
    await expectClose(layer.forward(x, labels), mul(plain.forward(x), gamma));
    await expectClose(layer.runningVar, plain.runningVar);
    layer.eval();
    plain.eval();
    await expectClose(layer.forward(x, labels), mul(plain.forward(x), gamma));
    expect(() => new nn.ConditionalBatchNorm2d(3, {})).toThrow(code('ERR_ARGUMENT'));
    expect(() => layer.forward(randn([2, 3]), labels)).toThrow(code('ERR_SHAPE'));
    layer.dispose();
    plain.dispose();
  });

  scoped('conditional batch norm by vectors begins near a plain one', async () => {
    manualSeed(5);
    const layer = new nn.ConditionalBatchNorm2d(3, { conditionSize: 5, spectralNorm: true });
    const x = randn([4, 2, 2, 3]);
    const none = zeros([4, 5]);
    const ones = tensor(Float32Array.of(1, 1, 1), [3]);
    await expectClose(layer.forward(x, none), batchNorm(x, ones, zeros([3])));
    expect(Object.keys(layer.stateDict())).toContain('gain.spectral.weight');
    layer.dispose();
  });

  scoped('standing statistics are the average over the passes', async () => {
    manualSeed(6);
    const layer = new nn.BatchNorm2d(2).eval();
    const batches = [1, 2, 3].map((k) => randn([4, 3, 3, 2], { mean: k }));
    nn.standingStatistics(layer, 3, (pass) => layer.forward(batches[pass]));
    const means = batches.map((b) => b.mean([0, 1, 2]));
    await expectClose(layer.runningMean, means[0].add(means[1]).add(means[2]).div(3));
    expect([layer.momentum, layer.training]).toEqual([0.1, false]);
    layer.dispose();
  });

  scoped('virtual batch norm: samples do not influence one another, the reference does', async () => {
    manualSeed(7);
    const layer = new nn.VirtualBatchNorm(2);
    const reference = randn([3, 2, 2, 2], { mean: 1 });
    nn.setReference(layer, () => layer.forward(reference));
    const [a, b] = [randn([1, 2, 2, 2]), randn([1, 2, 2, 2])];
    const together = layer.forward(tensor([...(await values(a)), ...(await values(b))], [2, 2, 2, 2]));
    await expectClose(together, [...(await values(layer.forward(a))), ...(await values(layer.forward(b)))]);
    // By the formula, for the first sample and channel.
    const pick = async (t: Tensor) => (await values(t)).filter((_, i) => i % 2 === 0);
    const mean = (list: number[]) => list.reduce((s, v) => s + v, 0) / list.length;
    const [own, known] = [await pick(a), await pick(reference)];
    const m = (3 * mean(known) + mean(own)) / 4;
    const s = (3 * mean(known.map((v) => v * v)) + mean(own.map((v) => v * v))) / 4;
    const want = own.map((v) => (v - m) / Math.sqrt(s - m * m + 1e-5));
    expect(mismatch(await pick(layer.forward(a)), want, 1e-5, 1)).toBeUndefined();
    expect(() => layer.forward(randn([2, 3]))).toThrow(code('ERR_SHAPE'));
    layer.dispose();
  });

  scoped('group, pixel and adaptive norms have their shapes and state', async () => {
    const group = new nn.GroupNorm(2, 4);
    const style = new nn.AdaIN(3, 5);
    expect(group.forward(randn([2, 3, 3, 4])).shape).toEqual([2, 3, 3, 4]);
    expect(Object.keys(style.stateDict())).toEqual(['affine.weight', 'affine.bias']);
    expect(style.forward(randn([2, 3, 3, 3]), randn([2, 5])).shape).toEqual([2, 3, 3, 3]);
    await expectClose(new nn.PixelNorm().forward(tensor([3, 4], [1, 2])), [
      3 / Math.sqrt(12.5),
      4 / Math.sqrt(12.5),
    ]);
    expect(() => new nn.GroupNorm(3, 4)).toThrow(code('ERR_ARGUMENT'));
    group.dispose();
    style.dispose();
  });
});

describe('StyleGAN layers', () => {
  scoped('equalised layers scale their weights by fan-in and learning rate', async () => {
    manualSeed(8);
    const linear = new nn.EqualizedLinear(16, 3, { lrMultiplier: 0.01, biasInit: 2 });
    const x = randn([2, 16]);
    const want = x.matmul(linear.weight.mul(0.01 / 4), { transB: true }).add(2);
    await expectClose(linear.forward(x), want);
    const conv = new nn.EqualizedConv2d(2, 3, 3, { activation: 'leakyRelu', down: 2 });
    const image = randn([1, 6, 6, 2]);
    const plain = convResample2d(image, conv.weight.mul(1 / Math.sqrt(18)), { down: 2 });
    await expectClose(conv.forward(image), plain.leakyRelu(0.2).mul(Math.SQRT2));
    expect(conv.forward(image).shape).toEqual([1, 3, 3, 3]);
    expect(() => new nn.EqualizedLinear(2, 2, { lrMultiplier: 0 })).toThrow(code('ERR_ARGUMENT'));
    linear.dispose();
    conv.dispose();
  });

  scoped('a modulated layer draws noise of the size of its result, and takes it from outside', async () => {
    manualSeed(9);
    for (const [up, down, side] of [
      [1, 1, 6],
      [2, 1, 12],
      [1, 2, 3],
    ]) {
      const layer = new nn.ModulatedConv2d(2, 3, 3, 4, { up, down, noise: true, activation: 'leakyRelu' });
      layer.loadStateDict({ ...layer.stateDict(), noiseStrength: tensor(0.5) });
      const [x, style] = [randn([2, 6, 6, 2]), randn([2, 4])];
      expect(layer.forward(x, style).shape).toEqual([2, side, side, 3]);
      const noise = randn([1, side, side]);
      const want = modulatedConv2d(x, layer.weight, layer.affine.forward(style), {
        up,
        down,
        noise: noise.mul(0.5),
        bias: layer.bias,
        activation: 'leakyRelu',
        gain: Math.SQRT2,
      });
      await expectClose(layer.forward(x, style, noise), want);
      layer.dispose();
    }
  });

  scoped('noise injection begins without effect', async () => {
    const layer = new nn.NoiseInjection();
    const x = randn([2, 3, 3, 2]);
    await expectClose(layer.forward(x), x);
    layer.dispose();
  });

  scoped('impossible arguments are refused', async () => {
    const [x, w] = [randn([2, 4, 4, 3]), randn([2, 3, 3, 3])];
    expect(() => modulatedConv2d(x, w, randn([2, 2]))).toThrow(code('ERR_SHAPE'));
    expect(() => modulatedConv2d(x, randn([2, 3, 3, 4]), randn([2, 3]))).toThrow(code('ERR_SHAPE'));
    expect(() => modulatedConv2d(x, w, randn([2, 3]), { up: 1.5 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => scaleAct(x, randn([2, 3]), { noise: randn([2, 3, 3]) })).toThrow(code('ERR_SHAPE'));
    expect(() => scaleAct(x, randn([2, 3]), { gain: 0 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => scaleAct(x, randn([2, 3]), { clamp: -1 })).toThrow(code('ERR_ARGUMENT'));
    const layer = new nn.ModulatedConv2d(3, 2, 3, 4);
    expect(() => layer.forward(x, randn([2, 4]), randn([2, 4, 4]))).toThrow(code('ERR_ARGUMENT'));
    layer.dispose();
  });
});

describe('minibatch layers', () => {
  scoped('alike batches have no deviation, and the similarity of twins is one', async () => {
    const layer = new nn.MinibatchStdDev({ groupSize: 2 });
    const y = layer.forward(tensor(new Float32Array(16).fill(3), [4, 2, 1, 2]));
    expect(y.shape).toEqual([4, 2, 1, 3]);
    expect((await values(y)).filter((_, i) => i % 3 === 2).every((v) => Math.abs(v - 1e-4) < 1e-8)).toBe(
      true,
    );
    await expectClose(minibatchSimilarity(tensor([1, 2, 1, 2, 9, 9], [3, 1, 2])), [
      1 + Math.exp(-15),
      1 + Math.exp(-15),
      2 * Math.exp(-15),
    ]);
    expect(() => minibatchStddev(randn([5, 2]), { groupSize: 2 })).toThrow(code('ERR_ARGUMENT'));
    expect(() => minibatchStddev(randn([4, 3]), { features: 2 })).toThrow(code('ERR_ARGUMENT'));
  });

  scoped('256 samples need memory in the order of their features, not of their pairs', async () => {
    const layer = new nn.MinibatchDiscrimination(64, 100, 5);
    const x = randn([256, 64]);
    await sync();
    resetPeakMemory();
    const before = memory().live;
    const { grads } = valueAndGrad(() => sum(square(layer.forward(x))), layer.parameters());
    await values(sum(grads[0]));
    const pairs = 256 * 256 * 100 * 4;
    expect(memory().peak - before).toBeLessThan(pairs);
    layer.dispose();
  });
});

describe('penalties', () => {
  scoped('R1, R2 and DRAGAN of a linear critic are known', async () => {
    const w = tensor([3, 4], [2, 1]);
    const critic = (x: Tensor) => x.matmul(w);
    const x = randn([5, 2]);
    await expectClose(losses.r1(critic, x, { gamma: 2 }), [25]);
    await expectClose(losses.r2(critic, x), [125]);
    await expectClose(losses.dragan(critic, x), [160]);
    await expectClose(losses.dragan(critic, x, { lambda: 1, target: 0 }), [25]);
    expect(() => losses.r1(critic, tensor(1))).toThrow(code('ERR_SHAPE'));
  });

  scoped('DRAGAN looks around the real samples, as far as asked', async () => {
    const x = randn([64, 3], { mean: 2 });
    const reach = Math.sqrt((await x.variance(undefined, false, 0).data())[0]) * 0.5;
    let seen: Tensor | undefined;
    losses.dragan(
      (at) => {
        seen = at;
        return square(at);
      },
      x,
      { generator: new Generator(3) },
    );
    const [a, b] = [await values(seen!), await values(x)];
    const steps = a.map((v, i) => v - b[i]);
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(-1e-5);
    expect(Math.max(...steps)).toBeLessThanOrEqual(reach + 1e-5);
    expect(Math.max(...steps)).toBeGreaterThan(reach / 2);
  });

  scoped(
    'path length: a linear map with equal axes has one length, the average moves towards it',
    async () => {
      const runningMean = zeros([]);
      const noise = tensor(Float32Array.of(2, 2, 2, 2), [1, 2, 2, 1]);
      const synthesis = (w: Tensor) => w.reshape([1, 2, 2, 1]).mul(3);
      const penalty = losses.pathLength(synthesis, randn([1, 4]), { runningMean, noise, decay: 0.25 });
      // The gradient is 3 · 2 / √4 in each of four directions: length 6.
      await expectClose(runningMean, [1.5]);
      await expectClose(penalty, [2 * 4.5 ** 2]);
      expect(() => losses.pathLength(synthesis, randn([4]), { runningMean })).toThrow(code('ERR_SHAPE'));
    },
  );

  scoped('R1 through every layer of this file agrees in bf16 and f32', async () => {
    manualSeed(10);
    const style = randn([4, 5]);
    const noise = randn([1, 8, 8]);
    const layers = {
      style: new nn.EqualizedLinear(5, 5, { activation: 'leakyRelu' }),
      modulated: new nn.ModulatedConv2d(3, 4, 3, 5, { noise: true, up: 2, activation: 'leakyRelu' }),
      group: new nn.GroupNorm(2, 4),
      conditional: new nn.ConditionalBatchNorm2d(4, { conditionSize: 5 }),
      adaptive: new nn.AdaIN(4, 5),
      virtual: new nn.VirtualBatchNorm(4),
      discrimination: new nn.MinibatchDiscrimination(8 * 8 * 5, 3, 2),
      last: new nn.Linear(8 * 8 * 5 + 3, 1, { spectralNorm: true }).eval(),
    };
    const critic = (x: Tensor) => {
      const s = layers.style.forward(style);
      const h = layers.group.forward(layers.modulated.forward(x, s, noise));
      const normed = layers.virtual.forward(layers.adaptive.forward(layers.conditional.forward(h, s), s));
      const varied = new nn.MinibatchStdDev().forward(new nn.PixelNorm().forward(normed));
      return layers.last.forward(layers.discrimination.forward(varied.flatten(1)));
    };
    const x = randn([4, 4, 4, 3]);
    const parameters = Object.values(layers).flatMap((layer) => layer.parameters());
    const run = (precision: Precision) =>
      withPrecision(precision, () => valueAndGrad(() => losses.r1(critic, x), parameters));
    const [full, half] = [run('f32'), run('bf16')];
    await expectClose(half.value.div(full.value), [1], 0.02);
    // As one vector: rounding carries single elements over the kinks of leaky ReLU and of the similarities.
    const vector = async (grads: Tensor[]) => (await Promise.all(grads.map(values))).flat();
    const [got, want] = [await vector(half.grads), await vector(full.grads)];
    expect(Math.hypot(...got.map((g, i) => g - want[i])) / Math.hypot(...want)).toBeLessThan(0.1);
    for (const layer of Object.values(layers)) layer.dispose();
  });
});
