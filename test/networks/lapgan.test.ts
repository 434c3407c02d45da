// LAPGAN's pyramid and networks: taken apart and put together again, closed forms, shapes, classes, and what
// is refused. Numbers against PyTorch's are in test/models/pyramid-steps.test.ts.

import { describe, expect, test } from 'vitest';
import {
  expand,
  LapganDiscriminator,
  LapganGenerator,
  lapganLevels,
  laplacianPyramid,
  reconstruct,
} from '../../src/networks/lapgan.js';
import { add, clamp, full, mul, randn, tensor, uniform } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';

const code = (c: string) => expect.objectContaining({ code: c });
const tiny = { baseLatent: 5, hidden: 6, baseWidth: 3 };

test.each([
  [[1, 28, 28, 1], 2],
  [[3, 32, 16, 4], 3],
  [[2, 6, 10, 3], 1],
])('images %o are the sum of their %i levels', (shape, levels) =>
  scope(async () => {
    manualSeed(levels);
    const x = uniform(shape, { low: -1, high: 1 });
    const pyramid = laplacianPyramid(x, levels);
    const { base, coarse, residuals } = pyramid;
    const unit = 2 ** levels;
    expect(base.shape).toEqual([shape[0], shape[1] / unit, shape[2] / unit, shape[3]]);
    expect(residuals).toHaveLength(levels);
    expect(residuals.map((r) => r.shape)).toEqual(coarse.map((c) => c.shape));
    const want = await x.data();
    const got = await reconstruct(pyramid).data();
    // x - c + c is x but for the rounding of two sums of numbers below 2 at each level.
    got.forEach((v, i) => {
      expect(Math.abs(v - want[i])).toBeLessThanOrEqual(levels * 2 ** -22);
    });
  }),
);

test('an even grey has no details, and a chequerboard is nothing else', () =>
  scope(async () => {
    const grey = laplacianPyramid(full([1, 8, 8, 1], 0.25), 2);
    expect(Array.from(await grey.base.data())).toEqual(Array(4).fill(0.25));
    for (const residual of grey.residuals) expect(new Set(await residual.data())).toEqual(new Set([0]));
    const board = Float32Array.from({ length: 64 }, (_, i) => ((i + Math.floor(i / 8)) % 2 ? 1 : -1));
    const { base, residuals } = laplacianPyramid(tensor(board, [1, 8, 8, 1]), 1);
    expect(new Set(await base.data())).toEqual(new Set([0]));
    expect(Array.from(await residuals[0].data())).toEqual(Array.from(board));
  }));

test('a level that is not a whole number of halvings is refused', () =>
  scope(async () => {
    expect(() => laplacianPyramid(randn([1, 6, 8, 1]), 2)).toThrow(code('ERR_SHAPE'));
    expect(() => laplacianPyramid(randn([6, 8]), 1)).toThrow(/multiples of 2\^1 = 2, got \[6,8\]/);
  }));

test.each([
  [28, 28, undefined, 2],
  [32, 32, undefined, 2],
  [64, 96, undefined, 3],
  [8, 8, undefined, 1],
  [20, 36, undefined, 1],
  [32, 32, 3, 3],
  [9, 12, undefined, 'multiples of 2 of at least 8, got 9 x 12; try --height 10 --width 12'],
  [28, 28, 3, 'multiples of 8 of at least 32, got 28 x 28; try --height 32 --width 32'],
  [6, 6, undefined, 'got 6 x 6; try --height 8 --width 8'],
])('%i x %i with levels %o has %o', (height, width, asked, want) => {
  const levels = () => lapganLevels({ height, width, channels: 1 }, asked);
  if (typeof want === 'number') {
    expect(levels()).toBe(want);
    return;
  }
  expect(levels).toThrow(code('ERR_CONFIG'));
  expect(levels).toThrow(want);
});

describe.each([
  { height: 28, width: 28, channels: 1, batch: 1, sizes: [5, 14 * 14, 28 * 28] },
  { height: 12, width: 20, channels: 3, batch: 3, sizes: [5, 12 * 20] },
  { height: 32, width: 64, channels: 4, batch: 2, sizes: [5, 16 * 32, 32 * 64] },
])('$height x $width x $channels, batch $batch', ({ batch, sizes, ...dims }) => {
  test.each([undefined, 3])('networks with %o classes', (classes) =>
    scope(async () => {
      const g = new LapganGenerator(dims, { ...tiny, classes });
      const d = new LapganDiscriminator(dims, { ...tiny, classes });
      expect(g.latentSizes).toEqual(sizes);
      const labels = classes
        ? [
            tensor(
              Int32Array.from({ length: batch }, (_, i) => i % 3),
              [batch],
            ),
          ]
        : [];
      const images = g.forward(mul(randn([batch, g.latentSize]), 3), ...labels);
      expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
      for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
      const logits = d.forward(images, ...labels);
      expect(logits.map((t) => t.shape)).toEqual(sizes.map(() => [batch, 1]));
    }),
  );
});

test('the whole generator is its parts, one after another', () =>
  scope(async () => {
    manualSeed(2);
    const g = new LapganGenerator({ height: 16, width: 16, channels: 2 }, { ...tiny, levels: 2 });
    const z = randn([2, g.latentSize]);
    const [first, second, third] = g.split(z);
    const small = g.base.forward(first);
    const middle = expand(small);
    const larger = expand(clamp(add(middle, g.levels[0].forward(middle, second)), -1, 1));
    const want = await clamp(add(larger, g.levels[1].forward(larger, third)), -1, 1).data();
    expect(Array.from(await g.forward(z).data())).toEqual(Array.from(want));
  }));

test('images depend on every part of the latent and on the class', () =>
  scope(async () => {
    const g = new LapganGenerator({ height: 8, width: 8, channels: 1 }, { ...tiny, classes: 2 });
    const z = await randn([1, g.latentSize]).data();
    const image = async (at?: number, label = 0) => {
      const changed = Float32Array.from(z, (v, i) => (i === at ? v + 2 : v));
      return Array.from(
        await g.forward(tensor(changed, [1, z.length]), tensor(Int32Array.of(label), [1])).data(),
      );
    };
    const usual = await image();
    expect(await image(0)).not.toEqual(usual);
    expect(await image(z.length - 1)).not.toEqual(usual);
    expect(await image(undefined, 1)).not.toEqual(usual);
  }));

test('missing labels and latents of another size are refused in plain words', () =>
  scope(() => {
    const dims = { height: 8, width: 8, channels: 1 };
    const g = new LapganGenerator(dims, { ...tiny, classes: 2 });
    expect(() => g.forward(randn([1, g.latentSize]))).toThrow(/need labels, one i32 per image/);
    expect(() => g.forward(randn([1, 5]))).toThrow(/expected latents \[n, 69\], got \[1,5\]/);
    const d = new LapganDiscriminator(dims, { ...tiny, classes: 2 });
    expect(() => d.forward(randn([1, 8, 8, 1]))).toThrow(code('ERR_ARGUMENT'));
    expect(() => new LapganGenerator(dims, { hidden: 0 })).toThrow(/hidden must be an integer of at least 1/);
  }));
