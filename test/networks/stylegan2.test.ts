// StyleGAN2's networks: sizes they make, styles and how they are mixed, truncated and averaged, classes, and
// what they refuse. Compared with PyTorch in test/reference/style.test.ts.

import { describe, expect, test } from 'vitest';
import { pyramidOf } from '../../src/networks/pyramid.js';
import { StyleGAN2Discriminator } from '../../src/networks/stylegan2-discriminator.js';
import { StyleGAN2Generator } from '../../src/networks/stylegan2-generator.js';
import { noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { add, mean, mul, randn, reshape, slice, tensor, zeros } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { inFloat32, withPrecision } from '../../src/tensor/precision.js';
import { defaultGenerator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { mismatch } from '../tensor/numeric.js';
import { sameBits } from '../tensor/same-bits.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const labelsOf = (...labels: number[]) => tensor(Int32Array.from(labels), [labels.length]);

const small = { zSize: 6, wSize: 8, mappingLayers: 2, baseWidth: 4, maxWidth: 8 };
const dims = { height: 12, width: 16, channels: 3 };

async function expectClose(got: Tensor, want: Tensor, relative = 1e-5): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  expect(mismatch(await got.data(), await want.data(), relative, 1)).toBeUndefined();
}

/** Noise strengths, biases and averages begin at 0, where nothing of them is seen. */
function disturbed(g: StyleGAN2Generator): StyleGAN2Generator {
  for (const [name, t] of g.namedParameters()) {
    if (/noiseStrength|bias/.test(name)) scope(() => assign(t, add(t, randn(t.shape, { std: 0.3 }))));
  }
  scope(() => assign(g.wAverage, randn(g.wAverage.shape)));
  return g;
}

describe('sizes', () => {
  test.each([
    [28, 28, '7x7 14x14 28x28'],
    [64, 64, '4x4 8x8 16x16 32x32 64x64'],
    [48, 64, '3x4 6x8 12x16 24x32 48x64'],
    [7, 7, '7x7'],
    [6, 6, '3x3 6x6'],
    [24, 96, '3x12 6x24 12x48 24x96'],
    [100, 28, '25x7 50x14 100x28'],
  ])('%i x %i comes from %s', (height, width, sizes) => {
    const pyramid = pyramidOf('test', { height, width, channels: 1 });
    expect(pyramid.sizes.map((size) => size.join('x')).join(' ')).toBe(sizes);
  });

  test("channels are those of the authors' code: min(16384 / resolution, 512) at 256 x 256 with fmaps 0.5", () => {
    const { channels } = pyramidOf('test', { height: 256, width: 256, channels: 3 }, { baseWidth: 64 });
    expect(channels).toEqual([512, 512, 512, 512, 256, 128, 64]);
  });

  test.each([
    [30, 30, '32 --width 32'],
    [28, 30, '28 --width 32'],
    [2, 2, '3 --width 3'],
    [9, 9, '10 --width 10'],
    [1, 100, '3 --width 100'],
    [36, 44, '40 --width 48'],
  ])('%i x %i is refused, with a size that works', (height, width, near) => {
    const build = () => new StyleGAN2Generator({ height, width, channels: 1 }, small);
    expect(build).toThrow(code('ERR_CONFIG'));
    expect(build).toThrow(new RegExp(`got ${height} x ${width}; try --height ${near}$`));
    const [h, w] = near.split(' --width ').map(Number);
    expect(() => pyramidOf('test', { height: h, width: w, channels: 1 })).not.toThrow();
  });
});

describe.each([
  { height: 28, width: 28, channels: 1, batch: 5 },
  { height: 12, width: 16, channels: 3, batch: 1 },
  { height: 7, width: 7, channels: 4, batch: 2 },
  { height: 6, width: 24, channels: 3, batch: 6 },
  { height: 100, width: 28, channels: 1, batch: 1 },
])('networks for $height x $width x $channels', ({ height, width, channels, batch }) => {
  const size = { height, width, channels };

  scoped('make images, in evaluation within [-1, 1], and judge batches of any size', async () => {
    manualSeed(1);
    const [g, d] = [new StyleGAN2Generator(size, small), new StyleGAN2Discriminator(size, small)];
    disturbed(g).eval();
    scope(() => assign(g.constant, mul(g.constant, 50)));
    const images = g.forward(randn([batch, 6]));
    expect(images.shape).toEqual([batch, height, width, channels]);
    for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
    const features = d.features(images);
    expect(features.rank).toBe(2);
    const logits = d.forward(images);
    expect(logits.shape).toEqual([batch, 1]);
    await expectClose(d.head(features), logits);
    for (const v of await logits.data()) expect(Number.isFinite(v)).toBe(true);
  });
});

describe('styles', () => {
  scoped('map gives each layer the same style, and the average follows their mean in training', async () => {
    manualSeed(2);
    const g = new StyleGAN2Generator(dims, small);
    expect(g.layers).toBe(6);
    const w = g.map(randn([5, 6]));
    expect(w.shape).toEqual([5, 6, 8]);
    const first = slice(w, [0, 0, 0], [5, 1, 8]);
    await expectClose(w, add(zeros([5, 6, 8]), first), 0);
    const expected = mul(mean(reshape(first, [5, 8]), 0), 0.002);
    expect(mismatch(await values(g.wAverage), await values(expected), 1e-5, 1e-4)).toBeUndefined();
    const before = await values(g.wAverage);
    g.eval().map(randn([5, 6]));
    expect(await values(g.wAverage)).toEqual(before);
  });

  scoped('the length of a latent does not count', async () => {
    const g = new StyleGAN2Generator(dims, small).eval();
    const z = randn([3, 6]);
    await expectClose(g.map(mul(z, 7)), g.map(z), 1e-4);
  });

  scoped('truncation moves styles towards the average, in evaluation only', async () => {
    manualSeed(3);
    const g = disturbed(new StyleGAN2Generator(dims, small)).eval();
    const z = randn([4, 6]);
    const whole = g.map(z);
    g.truncation = 0.25;
    await expectClose(g.map(z), add(mul(whole, 0.25), mul(g.wAverage, 0.75)));
    g.truncation = 0;
    const image = await values(g.forward(z));
    expect(image.slice(0, image.length / 4)).toEqual(image.slice(-image.length / 4));
    const average = (await g.wAverage.data()).slice();
    await expectClose(
      noGrad(() => g.train().map(z)),
      whole,
    );
    expect(Array.from(average)).not.toEqual(await values(g.wAverage));
    for (const psi of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => {
        g.truncation = psi;
      }).toThrow(code('ERR_ARGUMENT'));
    }
  });

  scoped(
    'evaluation draws no random numbers and repeats itself; training has new noise each time',
    async () => {
      manualSeed(4);
      const g = disturbed(new StyleGAN2Generator(dims, small)).eval();
      const z = randn([2, 6]);
      const state = JSON.stringify(defaultGenerator.state());
      const images = await values(g.forward(z));
      expect(await values(g.forward(z))).toEqual(images);
      expect(JSON.stringify(defaultGenerator.state())).toBe(state);
      g.train();
      const w = g.map(z);
      expect(await values(g.synthesize(w))).not.toEqual(await values(g.synthesize(w)));
    },
  );

  scoped('each style reaches its own layers: the last one only the colours', async () => {
    manualSeed(5);
    const g = disturbed(new StyleGAN2Generator({ height: 6, width: 6, channels: 1 }, small));
    for (const [name, t] of g.namedParameters()) if (/noiseStrength/.test(name)) assign(t, zeros([]));
    const w = randn([1, 4, 8]);
    const other = (layer: number) => {
      const mask = tensor(
        Float32Array.from({ length: 4 }, (_, i) => Number(i === layer)),
        [1, 4, 1],
      );
      return add(w, mul(mask, randn([1, 4, 8])));
    };
    const images = await values(g.synthesize(w));
    for (let layer = 0; layer < 4; layer++) {
      expect(await values(g.synthesize(other(layer)))).not.toEqual(images);
    }
    // With the weights of the last colours at 0, what is left is the enlarged image of the base and a bias.
    scope(() => assign(g.blocks[1].toRGB.weight, zeros(g.blocks[1].toRGB.weight.shape)));
    const coarse = await values(g.synthesize(w));
    for (const layer of [2, 3]) expect(await values(g.synthesize(other(layer)))).toEqual(coarse);
    expect(await values(g.synthesize(other(1)))).not.toEqual(coarse);
  });

  scoped('styles of another shape are refused', async () => {
    const g = new StyleGAN2Generator(dims, small);
    expect(() => g.synthesize(zeros([2, 8]))).toThrow(code('ERR_SHAPE'));
    expect(() => g.synthesize(zeros([2, 5, 8]))).toThrow(/expected styles \[n, 6, 8\], got \[2,5,8\]/);
  });
});

describe('style mixing', () => {
  /** At which layer other latents take over: `layers` if nowhere. */
  async function crossover(g: StyleGAN2Generator): Promise<number> {
    const z = randn([2, 6]);
    const [mixed, own] = [await values(g.mapMixed(z)), await values(g.map(z))];
    const rows = Array.from({ length: 2 * g.layers }, (_, i) => mixed.slice(8 * i, 8 * i + 8));
    const same = rows.map((row, i) => row.every((v, k) => v === own[8 * i + k]));
    const [first, second] = [same.slice(0, g.layers), same.slice(g.layers)];
    expect(first).toEqual(second);
    const place = first.includes(false) ? first.indexOf(false) : g.layers;
    expect(first).toEqual(first.map((_, i) => i < place));
    for (const row of rows.slice(place, g.layers)) expect(row).toEqual(rows[g.layers - 1]);
    return place;
  }

  scoped('takes over at layers 1 to the last, all equally often, with the probability given', async () => {
    manualSeed(6);
    const never = new StyleGAN2Generator(dims, small).eval();
    expect(await scope(() => crossover(never))).toBe(6);
    const g = new StyleGAN2Generator(dims, { ...small, mixing: 0.75 }).eval();
    const counts = new Map<number, number>();
    for (let i = 0; i < 200; i++) {
      const at = await scope(() => crossover(g));
      counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6]);
    // 200 draws: 50 without mixing, 30 at each layer; five standard deviations.
    expect(Math.abs(counts.get(6)! - 50)).toBeLessThan(31);
    for (let at = 1; at < 6; at++) expect(Math.abs(counts.get(at)! - 30)).toBeLessThan(26);
  });

  scoped('belongs to training: in evaluation an image has one style', async () => {
    manualSeed(12);
    const g = new StyleGAN2Generator(dims, { ...small, mixing: 1 }).eval();
    const z = randn([2, 6]);
    await expectClose(g.forward(z), g.synthesize(g.map(z)), 0);
  });

  test('a replayed training pass with mixing gives the same bits', () =>
    sameBits(
      () => {
        const g = new StyleGAN2Generator(dims, { ...small, mixing: 0.9 });
        const parameters = g.parameters();
        return {
          fn: (z: Tensor) => {
            const loss = () => mean(mul(g.forward(z), 3));
            const { value, grads } = valueAndGrad(loss, parameters);
            return { value, grads };
          },
          state: () => [g.wAverage],
        };
      },
      () => [randn([2, 6])],
    ));
});

describe('classes', () => {
  scoped('the generator and the discriminator ask for labels, which matter', async () => {
    manualSeed(7);
    const g = new StyleGAN2Generator(dims, { ...small, classes: 3 }).eval();
    const d = new StyleGAN2Discriminator(dims, { ...small, classes: 3 });
    const z = add(zeros([3, 6]), randn([1, 6]));
    const images = g.forward(z, labelsOf(0, 1, 1));
    const [a, b, c] = (await values(images.reshape([3, -1]).mean(1))).map((v) => v.toFixed(6));
    expect(b).toBe(c);
    expect(a).not.toBe(b);
    const [same, other] = [d.forward(images, labelsOf(0, 1, 1)), d.forward(images, labelsOf(0, 1, 2))];
    expect((await values(same)).slice(0, 2)).toEqual((await values(other)).slice(0, 2));
    expect((await values(same))[2]).not.toBe((await values(other))[2]);
    expect(() => g.forward(z)).toThrow(code('ERR_ARGUMENT'));
    expect(() => d.forward(images)).toThrow(/needs labels, got none/);
  });

  scoped('the logit is the inner product of features and class over the root of their number', async () => {
    manualSeed(8);
    const d = new StyleGAN2Discriminator(dims, { ...small, classes: 3 });
    const labels = labelsOf(2, 0);
    const features = d.features(randn([2, 12, 16, 3]));
    const [f, y] = [
      await values(d.output.forward(features)),
      await values(d.mapping!.forward(undefined, labels)),
    ];
    const c = f.length / 2;
    expect(c).toBe(8);
    const want = [0, 1].map((i) => {
      let product = 0;
      for (let k = 0; k < c; k++) product += f[i * c + k] * y[i * c + k];
      return product / Math.sqrt(c);
    });
    expect(mismatch(await values(d.head(features, labels)), want, 1e-5, 1)).toBeUndefined();
  });

  scoped('networks without classes pass over labels', async () => {
    manualSeed(9);
    const [g, d] = [new StyleGAN2Generator(dims, small).eval(), new StyleGAN2Discriminator(dims, small)];
    const z = randn([2, 6]);
    await expectClose(g.forward(z, labelsOf(0, 1)), g.forward(z), 0);
    const images = g.forward(z);
    await expectClose(d.forward(images, labelsOf(0, 1)), d.forward(images), 0);
  });
});

describe('in training', () => {
  scoped('in bf16 images and logits are close, and gradients are f32', async () => {
    manualSeed(11);
    const [g, d] = [new StyleGAN2Generator(dims, small), new StyleGAN2Discriminator(dims, small)];
    const z = randn([4, 6]);
    const exact = await values(d.forward(g.forward(z)));
    const { value, grads } = withPrecision('bf16', () =>
      valueAndGrad(() => {
        const images = g.forward(z);
        expect(images.dtype).toBe('f32');
        const logits = d.forward(images);
        return { loss: mean(inFloat32(logits)), logits };
      }, g.parameters()),
    );
    for (const grad of grads) expect(grad.dtype).toBe('f32');
    expect(mismatch(await inFloat32(value.logits).data(), exact, 0.1, 1)).toBeUndefined();
  });
});

test('impossible options are refused', () => {
  expect(() => new StyleGAN2Generator(dims, { ...small, mappingLayers: 0 })).toThrow(code('ERR_ARGUMENT'));
  expect(() => new StyleGAN2Generator(dims, { ...small, mixing: 1.1 })).toThrow(/a probability, got 1.1/);
  expect(() => new StyleGAN2Generator(dims, { ...small, wSize: 1.5 })).toThrow(code('ERR_ARGUMENT'));
  expect(() => new StyleGAN2Discriminator(dims, { ...small, baseWidth: 0 })).toThrow(code('ERR_ARGUMENT'));
});
