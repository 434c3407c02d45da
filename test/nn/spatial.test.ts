// Pooling, resizing and border layers: that each is the op its name says, and that none has state.

import { describe, expect, test } from 'vitest';
import * as losses from '../../src/losses/index.js';
import * as nn from '../../src/nn/index.js';
import { tensor } from '../../src/tensor/from.js';
import * as ops from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const border = (t: number, b: number, l: number, r: number): [number, number][] => [
  [0, 0],
  [t, b],
  [l, r],
  [0, 0],
];

const cases: Record<string, [nn.Module, (x: Tensor) => Tensor]> = {
  MaxPool2d: [
    new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    (x) => ops.maxPool2d(x, 3, { stride: 2, padding: 1 }),
  ],
  AvgPool2d: [new nn.AvgPool2d([2, 3]), (x) => ops.avgPool2d(x, [2, 3])],
  AdaptiveAvgPool2d: [new nn.AdaptiveAvgPool2d(3), (x) => ops.adaptiveAvgPool2d(x, 3)],
  AdaptiveMaxPool2d: [new nn.AdaptiveMaxPool2d([2, 1]), (x) => ops.adaptiveMaxPool2d(x, [2, 1])],
  GlobalAvgPool: [new nn.GlobalAvgPool(), (x) => ops.mean(x, [1, 2])],
  Upsample: [
    new nn.Upsample({ scaleFactor: 2, mode: 'bicubic' }),
    (x) => ops.resize(x, { size: [12, 16], mode: 'bicubic' }),
  ],
  PixelShuffle: [new nn.PixelShuffle(2), (x) => ops.pixelShuffle(x, 2)],
  PixelUnshuffle: [new nn.PixelUnshuffle(2), (x) => ops.pixelUnshuffle(x, 2)],
  ReflectionPad2d: [new nn.ReflectionPad2d(2), (x) => ops.pad(x, border(2, 2, 2, 2), 'reflect')],
  ReplicationPad2d: [new nn.ReplicationPad2d([1, 3]), (x) => ops.pad(x, border(1, 1, 3, 3), 'replicate')],
  ZeroPad2d: [
    new nn.ZeroPad2d([
      [1, 0],
      [2, 3],
    ]),
    (x) => ops.pad(x, border(1, 0, 2, 3)),
  ],
  Blur: [new nn.Blur([1, 2, 1]), (x) => ops.filter2d(x, [0.25, 0.5, 0.25])],
  'Blur, up': [new nn.Blur([1, 3, 3, 1], { up: 2 }), (x) => ops.upsample2d(x, [0.125, 0.375, 0.375, 0.125])],
  'Blur, down': [
    new nn.Blur([1, 3, 3, 1], { down: 2 }),
    (x) => ops.downsample2d(x, [0.125, 0.375, 0.375, 0.125]),
  ],
};

for (const [name, [layer, op]] of Object.entries(cases)) {
  scoped(name, async () => {
    const x = ops.randn([2, 6, 8, 4]);
    const [got, want] = [layer.forward(x), op(x)];
    expect(got.shape).toEqual(want.shape);
    const values = await want.data();
    (await got.data()).forEach((v, i) => {
      expect(v).toBeCloseTo(values[i], 5);
    });
    expect(layer.parameters()).toEqual([]);
    expect(Object.keys(layer.stateDict())).toEqual([]);
  });
}

describe('refuses', () => {
  const argument = expect.objectContaining({ code: 'ERR_ARGUMENT' });
  test.each<[string, () => unknown]>([
    ['PixelShuffle', () => new nn.PixelShuffle(0)],
    ['ReflectionPad2d', () => new nn.ReflectionPad2d(-1)],
    ['ZeroPad2d', () => new nn.ZeroPad2d([1, 0.5])],
    ['Blur', () => new nn.Blur([1, 1], { up: 2, down: 2 })],
    ['Blur with an empty filter', () => new nn.Blur([])],
  ])('%s', (_, make) => {
    expect(make).toThrow(argument);
  });
});

describe('structural similarity', () => {
  scoped('is 1 for equal images, of one value too', async () => {
    for (const x of [ops.randn([2, 12, 13, 3]), ops.add(ops.zeros([1, 11, 11, 1]), 0.7)]) {
      const [value] = await losses.ssim(x, x, { dataRange: 2 }).data();
      expect(value).toBeCloseTo(1, 5);
    }
  });

  scoped('falls as noise grows', async () => {
    const x = ops.randn([1, 48, 48, 1]);
    const noise = ops.randn([1, 48, 48, 1]);
    const values: number[] = [];
    for (const strength of [0.1, 0.3, 1]) {
      const y = ops.add(x, ops.mul(noise, strength));
      values.push((await losses.msSsim(x, y, { dataRange: 4, betas: [0.5, 0.5] }).data())[0]);
    }
    expect(values[0]).toBeGreaterThan(values[1]);
    expect(values[1]).toBeGreaterThan(values[2]);
  });

  scoped('refuses what it cannot compare', async () => {
    const [a, b] = [ops.zeros([1, 16, 16, 1]), ops.zeros([1, 16, 16, 2])];
    const shape = expect.objectContaining({ code: 'ERR_SHAPE' });
    expect(() => losses.ssim(a, b, { dataRange: 1 })).toThrow(shape);
    expect(() => losses.ssim(ops.zeros([1, 8, 16, 1]), ops.zeros([1, 8, 16, 1]), { dataRange: 1 })).toThrow(
      shape,
    );
    expect(() => losses.msSsim(a, a, { dataRange: 1 })).toThrow(shape);
    const argument = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    expect(() => losses.ssim(a, a, { dataRange: 0 })).toThrow(argument);
    expect(() => losses.ssim(a, a, { dataRange: 1, kernelSize: 4 })).toThrow(argument);
    expect(() => losses.gradientDifference(a, a, { alpha: 0.5 })).toThrow(argument);
  });
});

scoped('total variation and gradient difference of a small image', async () => {
  const x = tensor([0, 1, 3, 7], [1, 2, 2, 1]);
  expect((await losses.totalVariation(x).data())[0]).toBe(1 + 4 + 3 + 6);
  const flat = ops.zeros([1, 2, 2, 1]);
  expect((await losses.gradientDifference(x, flat, { alpha: 2 }).data())[0]).toBe(1 + 16 + 9 + 36);
});
