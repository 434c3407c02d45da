// SAGAN: rates, spectral normalisation and attention in both networks, with labels and without, and a D that
// learns.

import { expect, test } from 'vitest';
import { sagan } from '../../src/models/sagan.js';
import { SelfAttention2d } from '../../src/nn/attention.js';
import { ConditionalBatchNorm2d } from '../../src/nn/norm_adaptive.js';
import { SpectralWeight } from '../../src/nn/spectral.js';
import { buildTiny, kindsOf, learns, refuses } from './residual-helpers.js';

test('has the rates of SNGAN, and those of the paper where they are asked for', () => {
  const config = sagan.schema.resolve({}, 'test');
  expect(config).toMatchObject({ lr: 1e-3, beta1: 0, beta2: 0.9, dSteps: 2, spectral: 'both' });
  const dims = { height: 8, width: 8, channels: 1 };
  const { built } = buildTiny(sagan, dims, { lr: 1e-4, lrDiscriminator: 4e-4 });
  expect([built.optimizers.generator.lr, built.optimizers.discriminator.lr]).toEqual([1e-4, 4e-4]);
});

test.each([
  [28, 28, 14],
  [32, 32, 16],
  [64, 64, 32],
  [128, 128, 32],
  [48, 96, 24],
  [8, 8, 4],
  [100, 100, 25],
])('%i x %i images have attention at %i pixels', (height, width, side) => {
  const dims = { height, width, channels: 1 };
  const { discriminator } = buildTiny(sagan, dims);
  const chosen = buildTiny(sagan, dims, { attention: side });
  const keys = (network: typeof discriminator) => Object.keys(network.stateDict());
  expect(keys(discriminator)).toEqual(keys(chosen.discriminator));
  const width0 = (network: typeof discriminator) => {
    const attention = network.modules().find((m) => m instanceof SelfAttention2d) as SelfAttention2d;
    return attention.output.weight.shape[0];
  };
  expect(width0(discriminator)).toBe(width0(chosen.discriminator));
});

test('looks over a map and normalises all weights in both networks', () => {
  const { generator, discriminator } = buildTiny(sagan, { height: 16, width: 16, channels: 3 });
  for (const network of [generator, discriminator]) {
    expect(kindsOf(network, SelfAttention2d)).toBe(1);
    expect(kindsOf(network, SpectralWeight)).toBeGreaterThan(0);
  }
  refuses(
    () => buildTiny(sagan, { height: 16, width: 16, channels: 3 }, { attention: 16 }),
    /larger sides of 8, 4; got 16/,
  );
});

test('is conditional where the images have labels', () => {
  const dims = { height: 8, width: 8, channels: 1 };
  const plain = buildTiny(sagan, dims);
  expect(plain.built.classes).toBeUndefined();
  expect(kindsOf(plain.generator, ConditionalBatchNorm2d)).toBe(0);
  const labelled = buildTiny(sagan, { ...dims, classes: 4 });
  expect(labelled.built.classes).toBe(4);
  expect(kindsOf(labelled.generator, ConditionalBatchNorm2d)).toBe(2);
});

learns(sagan);
