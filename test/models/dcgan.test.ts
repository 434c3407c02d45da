// The shapes of the two models: any size and channel count they promise, and the paper's rules about layers.

import { describe, expect, test } from 'vitest';
import { dcgan } from '../../src/models/dcgan.js';
import { gan } from '../../src/models/gan.js';
import { dcganDiscriminator, dcganGenerator, sizesDown } from '../../src/networks/dcgan.js';
import { Conv2d, ConvTranspose2d } from '../../src/nn/conv.js';
import type { Module } from '../../src/nn/module.js';
import { BatchNorm2d } from '../../src/nn/norm.js';
import { randn } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';

const code = (c: string) => expect.objectContaining({ code: c });

test.each([
  [28, 28, '14x14 7x7 3x3'],
  [32, 32, '16x16 8x8 4x4'],
  [64, 64, '32x32 16x16 8x8 4x4'],
  [48, 64, '24x32 12x16 6x8 3x4'],
  [4, 4, '2x2'],
  [8, 8, '4x4'],
  [20, 36, '10x18 5x9'],
  [100, 100, '50x50 25x25 12x12 6x6 3x3'],
])('%i x %i is halved to %s', (height, width, sizes) => {
  expect(
    sizesDown(height, width)
      .map((size) => size.join('x'))
      .join(' '),
  ).toBe(sizes);
});

describe.each([
  { height: 28, width: 28, channels: 1, batch: 3 },
  { height: 32, width: 64, channels: 3, batch: 1 },
  { height: 24, width: 4, channels: 4, batch: 2 },
  { height: 100, width: 60, channels: 3, batch: 1 },
])('networks for $height x $width x $channels', ({ height, width, channels, batch }) => {
  const dims = { height, width, channels };

  test('dcgan makes images in [-1, 1] and judges them', () =>
    scope(async () => {
      const [g, d] = [dcganGenerator(dims, 10, { baseWidth: 4 }), dcganDiscriminator(dims, { baseWidth: 4 })];
      const images = g.forward(randn([batch, 10]));
      expect(images.shape).toEqual([batch, height, width, channels]);
      for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
      expect(d.forward(images).shape).toEqual([batch, 1]);
    }));

  test('gan does too', () =>
    scope(async () => {
      const { networks, latent } = gan.build(gan.schema.resolve({ hidden: 8, zSize: 5 }), dims);
      const images = networks.generator.forward(latent.sample(batch));
      expect(images.shape).toEqual([batch, height, width, channels]);
      expect((networks.discriminator.forward(images) as typeof images).shape).toEqual([batch, 1]);
    }));
});

test('dcgan normalises everywhere but at the output of G and the input of D', () => {
  const dims = { height: 32, width: 32, channels: 3 };
  const count = (net: Module, kind: new (...args: never[]) => unknown) =>
    net.modules().filter((module) => module instanceof kind).length;
  const [g, d] = [dcganGenerator(dims, 100), dcganDiscriminator(dims)];
  expect([count(g, ConvTranspose2d), count(g, BatchNorm2d)]).toEqual([3, 3]);
  expect([count(d, Conv2d), count(d, BatchNorm2d)]).toEqual([3, 2]);
  expect(g.layers.at(-1)).toBeInstanceOf(ConvTranspose2d);
  expect(d.body.modules()[1]).toBeInstanceOf(Conv2d);
  expect(d.body.modules()[2]).toBeInstanceOf(Conv2d);
});

test('dcgan refuses other sizes and proposes one', () => {
  const build = () => dcgan.build(dcgan.schema.resolve({}), { height: 30, width: 28, channels: 1 });
  expect(build).toThrow(code('ERR_CONFIG'));
  expect(build).toThrow(/30 x 28; try --height 32 --width 28/);
});

test('the same seed makes the same networks', async () => {
  const weights = async () => {
    manualSeed(11);
    const net = dcganGenerator({ height: 8, width: 8, channels: 1 }, 4, { baseWidth: 2 });
    return Promise.all(net.parameters().map(async (t) => Array.from(await t.data())));
  };
  expect(await weights()).toEqual(await weights());
});
