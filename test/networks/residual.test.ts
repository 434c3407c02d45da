// The residual networks of SNGAN, projection GAN, SAGAN and BigGAN: sizes, widths, blocks against their
// formulas written out, what projection and the parts of a latent do, and what is refused. Steps against
// PyTorch: test/models.

import { describe, expect, test } from 'vitest';
import { BigganGenerator, bigganDiscriminator } from '../../src/networks/biggan.js';
import type { ImageDims } from '../../src/networks/dims.js';
import {
  attentionSides,
  mapSizes,
  residualDiscriminator,
  residualGenerator,
} from '../../src/networks/residual.js';
import { DiscriminatorBlock, GeneratorBlock, glorotStyle } from '../../src/networks/residual-blocks.js';
import { Conv2d } from '../../src/nn/conv.js';
import { Linear } from '../../src/nn/linear.js';
import type { AnyModule } from '../../src/nn/module.js';
import { BatchNorm2d } from '../../src/nn/norm.js';
import { SpectralWeight } from '../../src/nn/spectral.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import {
  add,
  avgPool2d,
  conv2d,
  eye,
  matmul,
  mean,
  mul,
  randn,
  relu,
  reshape,
  resize,
  square,
  sub,
  sum,
  tensor,
} from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { mismatch } from '../tensor/numeric.js';

const code = (c: string) => expect.objectContaining({ code: c });
const values = async (t: Tensor) => Array.from(await t.data());
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const labelsOf = (...labels: number[]) => tensor(Int32Array.from(labels), [labels.length]);
const square32 = (channels = 3): ImageDims => ({ height: 32, width: 32, channels });
const dimsOf = (height: number, width = height): ImageDims => ({ height, width, channels: 3 });
const randomise = (network: AnyModule) => {
  const parameters = network.parameters();
  assign(
    parameters,
    parameters.map((t) => add(t, mul(randn(t.shape), 0.3))),
  );
};

async function expectClose(got: Tensor, want: Tensor, relative = 1e-5): Promise<void> {
  expect(got.shape).toEqual(want.shape);
  expect(mismatch(await got.data(), await values(want), relative, 1)).toBeUndefined();
}

describe('sizes', () => {
  test.each([
    [28, 28, '28x28 14x14 7x7', [14, 7]],
    [32, 32, '32x32 16x16 8x8 4x4', [16, 8]],
    [64, 64, '64x64 32x32 16x16 8x8 4x4', [32, 16, 8, 4]],
    [48, 64, '48x64 24x32 12x16 6x8', [32, 16, 8]],
    [8, 8, '8x8 4x4', [4]],
    [32, 8, '32x8 16x4', [16]],
    [100, 100, '100x100 50x50 25x25', [50, 25]],
    [36, 40, '36x40 18x20 9x10', [20, 10]],
  ])('%i x %i: maps %s', (height, width, sizes, sides) => {
    const dims = dimsOf(height, width);
    expect(
      mapSizes(dims)
        .map((size) => size.join('x'))
        .join(' '),
    ).toBe(sizes);
    expect(attentionSides(dims)).toEqual(sides);
  });

  test.each([
    [27, 28, 'even and at least 8, got 27 x 28; try --height 28 --width 28'],
    [6, 32, 'got 6 x 32; try --height 8 --width 32'],
    [31, 7, 'got 31 x 7; try --height 32 --width 8'],
  ])('%i x %i is refused with a size that works', (height, width, message) => {
    for (const build of [residualGenerator, residualDiscriminator]) {
      expect(() => build(dimsOf(height, width))).toThrow(code('ERR_CONFIG'));
      expect(() => build(dimsOf(height, width))).toThrow(message);
    }
    expect(() => new BigganGenerator(dimsOf(height, width), { classes: 2 })).toThrow(message);
    expect(() => bigganDiscriminator(dimsOf(height, width), { classes: 2 })).toThrow(message);
  });

  test('attention where there is no such map names the maps there are', () => {
    const options = { baseWidth: 1, attention: 32 };
    const message = /attention: .*32 x 32 images have larger sides of 16, 8; got 32/;
    expect(() => residualGenerator(square32(), options)).toThrow(message);
    expect(() => residualDiscriminator(square32(), options)).toThrow(message);
    expect(() => bigganDiscriminator(square32(), { ...options, classes: 2 })).toThrow(code('ERR_CONFIG'));
  });
});

describe.each([
  { height: 28, width: 28, channels: 1, batch: 3, attention: 14 },
  { height: 32, width: 32, channels: 3, batch: 2, attention: undefined },
  { height: 48, width: 64, channels: 4, batch: 1, attention: 16 },
  { height: 8, width: 20, channels: 1, batch: 2, attention: 10 },
  { height: 36, width: 72, channels: 3, batch: 1, attention: undefined },
])('networks for $height x $width x $channels, attention at $attention', (sizes) => {
  const { height, width, channels, batch, attention } = sizes;
  const dims = { height, width, channels };
  const classes = 3;

  async function check(images: Tensor, logits: (x: Tensor) => Tensor) {
    expect(images.shape).toEqual([batch, height, width, channels]);
    for (const v of await values(images)) expect(Math.abs(v)).toBeLessThanOrEqual(1);
    const judged = logits(images);
    expect(judged.shape).toEqual([batch, 1]);
    for (const v of await values(judged)) expect(Number.isFinite(v)).toBe(true);
  }

  scoped('make images in [-1, 1] and judge them', () => {
    const g = residualGenerator(dims, { zSize: 5, baseWidth: 2, attention });
    const d = residualDiscriminator(dims, { baseWidth: 2, attention });
    return check(g.forward(randn([batch, 5])), (x) => d.forward(x));
  });

  scoped('do so of classes', () => {
    const labels = labelsOf(...[2, 0, 1].slice(0, batch));
    const options = { baseWidth: 2, attention, classes };
    const g = residualGenerator(dims, { ...options, zSize: 5, spectralNorm: true });
    const d = residualDiscriminator(dims, { ...options, wide: true });
    return check(g.forward(randn([batch, 5]), labels), (x) => d.forward(x, labels));
  });

  scoped('do so as BigGAN', () => {
    const labels = labelsOf(...[2, 0, 1].slice(0, batch));
    const g = new BigganGenerator(dims, { zSize: 9, baseWidth: 1, embedding: 4, attention, classes });
    const d = bigganDiscriminator(dims, { baseWidth: 1, attention, classes });
    return check(g.forward(randn([batch, 9]), labels), (x) => d.forward(x, labels));
  });
});

describe('widths', () => {
  /** Channels that come out of the blocks, in units of baseWidth; a generator's begin with the seed's. */
  const outputs = (network: { blocks: readonly (GeneratorBlock | DiscriminatorBlock)[] }) =>
    network.blocks.map(({ conv2 }) => conv2.weight.shape[0]);
  const inputs = (network: { blocks: readonly (GeneratorBlock | DiscriminatorBlock)[] }) =>
    network.blocks.map(({ conv1 }) => conv1.weight.shape[3]);
  const one = { baseWidth: 1 };

  scoped('SNGAN: 256 and 128 channels at 32 x 32 (of 64), doubling to 16 times beyond', async () => {
    expect(outputs(residualGenerator(square32(), one))).toEqual([4, 4, 4]);
    expect(outputs(residualDiscriminator(square32(), one))).toEqual([2, 2, 2, 2]);
    expect(outputs(residualDiscriminator(square32(), { ...one, wide: true }))).toEqual([4, 4, 4, 4]);
    expect(outputs(residualGenerator(dimsOf(28), one))).toEqual([4, 4]);
    expect(outputs(residualDiscriminator(dimsOf(28), one))).toEqual([2, 2, 2, 2]);
    const large = residualGenerator(dimsOf(128), one);
    expect([inputs(large)[0], ...outputs(large)]).toEqual([16, 16, 8, 4, 2, 1]);
    expect(outputs(residualDiscriminator(dimsOf(128), one))).toEqual([1, 2, 4, 8, 16, 16]);
    expect(outputs(residualDiscriminator(dimsOf(64, 48), one))).toEqual([1, 2, 4, 8]);
  });

  scoped('channels change in the second convolution, in wide networks in the first', async () => {
    const hidden = (wide: boolean) =>
      residualDiscriminator(dimsOf(64), { ...one, wide }).blocks.map(({ conv1 }) => conv1.weight.shape[0]);
    expect(hidden(false)).toEqual([1, 1, 2, 4, 8]);
    expect(hidden(true)).toEqual([1, 2, 4, 8, 16]);
  });

  scoped('BigGAN: the tables of the paper and its code', async () => {
    const classes = 2;
    const g = (side: number) =>
      new BigganGenerator(dimsOf(side), { ...one, classes, embedding: 2, zSize: 8 });
    const d = (side: number) => bigganDiscriminator(dimsOf(side), { ...one, classes });
    for (const [side, generator, discriminator] of [
      [32, [4, 4, 4, 4], [4, 4, 4, 4]],
      [64, [16, 16, 8, 4, 2], [1, 2, 4, 8, 16]],
      [128, [16, 16, 8, 4, 2, 1], [1, 2, 4, 8, 16, 16]],
      [256, [16, 16, 8, 8, 4, 2, 1], [1, 2, 4, 8, 8, 16, 16]],
      [512, [16, 16, 8, 8, 4, 2, 1, 1], [1, 1, 2, 4, 8, 8, 16, 16]],
    ] as const) {
      const made = g(side);
      expect([inputs(made)[0], ...outputs(made)], `G ${side}`).toEqual(generator);
      expect(outputs(d(side)), `D ${side}`).toEqual(discriminator);
    }
  });
});

describe('blocks', () => {
  scoped('a generator block is its formula, with the shortcut upsampled before its convolution', async () => {
    manualSeed(3);
    const block = new GeneratorBlock(
      glorotStyle(false),
      [3, 5],
      (n) => new BatchNorm2d(n, { activation: 'relu' }),
    );
    randomise(block);
    const x = randn([2, 7, 4, 3]);
    const normalise = (t: Tensor, { weight, bias }: BatchNorm2d) => {
      const m = mean(t, [0, 1, 2], true);
      const variance = mean(square(sub(t, m)), [0, 1, 2], true);
      return relu(add(mul(sub(t, m).div(variance.add(1e-5).sqrt()), weight), bias));
    };
    const up = (t: Tensor) => resize(t, { scaleFactor: 2 });
    const [norm1, norm2] = [block.norm1, block.norm2] as BatchNorm2d[];
    const inner = conv2d(up(normalise(x, norm1)), block.conv1.weight, { padding: 1 });
    const residual = conv2d(normalise(inner, norm2), block.conv2.weight, { padding: 1 });
    const want = add(residual, conv2d(up(x), block.shortcut.weight));
    const y = block.forward(x);
    expect(y.shape).toEqual([2, 14, 8, 5]);
    await expectClose(y, want);
  });

  test.each([
    { from: 3, to: 3, first: false, halve: false, hidden: 3 },
    { from: 3, to: 4, first: false, halve: true, hidden: 3 },
    { from: 3, to: 4, first: true, halve: true, hidden: 4 },
    { from: 2, to: 4, first: false, halve: false, hidden: 4 },
  ])('a discriminator block is its formula: %o', (options) =>
    scope(async () => {
      manualSeed(4);
      const { from, to, first, halve } = options;
      const block = new DiscriminatorBlock(glorotStyle(false), [from, to], options);
      randomise(block);
      const { conv1, conv2, shortcut } = block;
      const x = randn([2, 6, 7, from]);
      const conv = (t: Tensor, { weight, bias }: Conv2d, padding: number) =>
        conv2d(t, weight, { padding, bias });
      const down = (t: Tensor) => (halve ? avgPool2d(t, 2) : t);
      const inner = relu(conv(first ? x : relu(x), conv1, 1));
      const direct = shortcut ? down(conv(x, shortcut, 0)) : x;
      expect(shortcut === undefined).toBe(from === to && !halve);
      await expectClose(block.forward(x), add(down(conv(inner, conv2, 1)), direct));
    }),
  );

  scoped('no parameter of a generator is without effect', async () => {
    manualSeed(5);
    const g = residualGenerator({ height: 16, width: 8, channels: 1 }, { zSize: 4, baseWidth: 2 });
    randomise(g);
    const z = randn([3, 4]);
    const named = g.namedParameters();
    const target = randn([3, 16, 8, 1]);
    const { grads } = valueAndGrad(
      () => sum(mul(g.forward(z), target)),
      named.map(([, t]) => t),
    );
    for (const [i, [name]] of named.entries()) {
      const most = Math.max(...(await values(grads[i])).map(Math.abs));
      expect(most, name).toBeGreaterThan(1e-3);
    }
  });
});

describe('conditions', () => {
  const dims = { height: 8, width: 8, channels: 1 };

  scoped('projection adds the inner product of the features with the vector of the class', async () => {
    const d = residualDiscriminator(dims, { baseWidth: 2, classes: 3, spectralNorm: false });
    randomise(d);
    const labels = labelsOf(2, 0, 2, 1);
    const features = d.features(randn([4, 8, 8, 1]));
    const vectors = matmul(
      tensor(Float32Array.from([0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0]), [4, 3]),
      d.embedding!.weight,
    );
    const products = sum(mul(vectors, features), 1, true);
    await expectClose(d.head(features, labels), add(d.output.forward(features), products));
  });

  scoped('sum pooling is mean pooling times the pixels of the last map', async () => {
    const options = { baseWidth: 2, spectralNorm: false };
    const [total, average] = (['sum', 'mean'] as const).map((pool) => {
      manualSeed(6);
      return residualDiscriminator(dims, { ...options, pool });
    });
    const x = randn([2, 8, 8, 1]);
    await expectClose(total.features(x), mul(average.features(x), 16));
  });

  scoped('without labels, conditional networks say so', async () => {
    const g = residualGenerator(dims, { zSize: 4, baseWidth: 1, classes: 2 });
    const biggan = new BigganGenerator(dims, { zSize: 4, baseWidth: 1, classes: 2 });
    const d = residualDiscriminator(dims, { baseWidth: 1, classes: 2 });
    for (const run of [
      () => g.forward(randn([1, 4])),
      () => biggan.forward(randn([1, 4])),
      () => d.forward(randn([1, 8, 8, 1])),
    ]) {
      expect(run).toThrow(code('ERR_ARGUMENT'));
      expect(run).toThrow(/is conditional: expected labels i32 \[n\]/);
    }
  });

  scoped('with several classes each has its own images, in BigGAN too', async () => {
    const z = randn([1, 6]);
    const twice = reshape(add(z, randn([2, 1]).mul(0)), [2, 6]);
    for (const g of [
      residualGenerator(dims, { zSize: 6, baseWidth: 2, classes: 2 }),
      new BigganGenerator(dims, { zSize: 6, baseWidth: 2, classes: 2, embedding: 3 }),
    ]) {
      randomise(g);
      g.eval(); // in training the batch is normalised as a whole
      const halves = async (labels: Tensor) => {
        const all = await values(g.forward(twice, labels));
        return [all.slice(0, 64), all.slice(64)];
      };
      const [a, b] = await halves(labelsOf(1, 1));
      expect(a).toEqual(b);
      const [c, d] = await halves(labelsOf(0, 1));
      expect(c).not.toEqual(d);
      expect(d).toEqual(a);
    }
  });
});

describe('BigGAN', () => {
  const dims = { height: 16, width: 16, channels: 3 };
  const options = { baseWidth: 1, embedding: 2, classes: 2 };

  scoped('cuts its latent into equal parts, with the rest for the seed', async () => {
    const sizes = (zSize: number) => {
      const g = new BigganGenerator(dims, { ...options, zSize });
      const parts = g.blocks.map(({ norm1 }) => norm1.children()[0][1] as Linear);
      return [g.seed, ...parts].map(({ weight }) => weight.shape[1]);
    };
    expect(sizes(6)).toEqual([2, 2 + 2, 2 + 2]);
    expect(sizes(8)).toEqual([4, 2 + 2, 2 + 2]);
    expect(sizes(3)).toEqual([1, 2 + 1, 2 + 1]);
    const paper = new BigganGenerator(dimsOf(128), { ...options, zSize: 120 });
    expect(paper.seed.weight.shape[1]).toBe(20);
  });

  test('refuses a latent with fewer numbers than parts', () => {
    const build = () => new BigganGenerator(dims, { ...options, zSize: 2 });
    expect(build).toThrow(code('ERR_CONFIG'));
    expect(build).toThrow(/16 x 16 images has 3 parts and needs as many numbers, got 2/);
  });

  scoped('each part of the latent acts on its own block and all after it', async () => {
    manualSeed(7);
    const g = new BigganGenerator(dims, { ...options, zSize: 6 });
    randomise(g);
    g.eval();
    const labels = labelsOf(1);
    const z = randn([1, 6]);
    /** The inputs of the blocks that change with the numbers of z from `first` on. */
    const changed = async (first: number) => {
      const seen: Tensor[][] = [[], []];
      const later = tensor(
        Float32Array.from({ length: 6 }, (_, i) => Number(i >= first)),
        [1, 6],
      );
      [z, add(z, later)].forEach((latent, run) => {
        for (const block of g.blocks) {
          const { forward } = GeneratorBlock.prototype;
          block.forward = (...inputs) => {
            seen[run].push(inputs[0]);
            return forward.apply(block, inputs);
          };
        }
        seen[run].push(g.forward(latent, labels));
      });
      const [before, after] = await Promise.all(seen.map((run) => Promise.all(run.map(values))));
      return before.map((map, i) => JSON.stringify(map) !== JSON.stringify(after[i]));
    };
    expect(await changed(0)).toEqual([true, true, true]);
    expect(await changed(2)).toEqual([false, true, true]);
    expect(await changed(4)).toEqual([false, false, true]);
  });

  scoped('begins with orthogonal weights, all normalised but the shared embedding', async () => {
    const g = new BigganGenerator(dims, { ...options, zSize: 6, attention: 8 });
    const d = bigganDiscriminator(dims, { ...options, attention: 8 });
    const weighted = (network: AnyModule) =>
      network.modules().filter((m) => m instanceof Conv2d || m instanceof Linear);
    const normalised = (network: AnyModule) => network.modules().filter((m) => m instanceof SpectralWeight);
    expect(normalised(g)).toHaveLength(weighted(g).length);
    // The embedding of the projection is normalised as well.
    expect(normalised(d)).toHaveLength(weighted(d).length + 1);
    expect(g.shared.namedParameters().map(([name]) => name)).toEqual(['weight']);
    for (const { weight, eps } of [...normalised(g), ...normalised(d)] as SpectralWeight[]) {
      expect(eps).toBe(1e-6);
      const rows = weight.shape[0];
      const matrix = reshape(weight, [rows, weight.size / rows]);
      const wide = rows <= matrix.shape[1];
      const gram = matmul(matrix, matrix, wide ? { transB: true } : { transA: true });
      await expectClose(gram, eye(gram.shape[0]), 1e-5);
    }
  });
});

scoped(
  'spectral normalisation of all layers or none, and of the discriminator unless told otherwise',
  async () => {
    const dims = { height: 8, width: 8, channels: 1 };
    const count = (network: AnyModule) => network.modules().filter((m) => m instanceof SpectralWeight).length;
    const weights = (network: AnyModule) =>
      network.modules().filter((m) => m instanceof Conv2d || m instanceof Linear).length;
    const options = { baseWidth: 1, attention: 4 };
    const [g, spectralG] = [false, true].map((spectralNorm) =>
      residualGenerator(dims, { ...options, spectralNorm }),
    );
    const [d, plainD] = [undefined, false].map((spectralNorm) =>
      residualDiscriminator(dims, { ...options, spectralNorm }),
    );
    expect([count(g), count(plainD)]).toEqual([0, 0]);
    expect([count(spectralG), count(d)]).toEqual([weights(spectralG), weights(d)]);
  },
);
