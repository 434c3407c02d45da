// BigGAN: the recipe's options, one embedding for all norms, not without labels, attention by size, and a D that
// learns.

import { expect, test } from 'vitest';
import { biggan } from '../../src/models/biggan.js';
import { BigganGenerator } from '../../src/networks/biggan.js';
import { SelfAttention2d } from '../../src/nn/attention.js';
import { buildTiny, kindsOf, learns, refuses } from './residual-helpers.js';

const dims = { height: 16, width: 16, channels: 3, classes: 5 };

test('has the latents of the paper for images of 128 pixels, and its Adam but for the rate', () => {
  const config = biggan.schema.resolve({}, 'test');
  expect(config).toMatchObject({ loss: 'hinge', zSize: 120, embedding: 128, beta1: 0, beta2: 0.999 });
});

test('has one embedding of the classes for all blocks', () => {
  const { generator } = buildTiny(biggan, dims, { embedding: 3 });
  expect(generator).toBeInstanceOf(BigganGenerator);
  expect((generator as BigganGenerator).shared.weight.shape).toEqual([5, 3]);
});

test('says that it needs labels, and more numbers in a latent than it has blocks', () => {
  refuses(() => buildTiny(biggan, { ...dims, classes: undefined }), /biggan learns from labels/);
  refuses(() => buildTiny(biggan, dims, { zSize: 2 }), /has 3 parts and needs as many numbers, got 2/);
});

test.each([
  [32, undefined],
  [64, 32],
  [128, 64],
])('%i-pixel images have attention at %s pixels', (side, attention) => {
  const sized = { ...dims, height: side, width: side };
  const counts = (config: object) => {
    const { generator, discriminator } = buildTiny(biggan, sized, config);
    return [generator, discriminator].map((network) => ({
      attentions: kindsOf(network, SelfAttention2d),
      numbers: network.parameters().reduce((n, t) => n + t.size, 0),
    }));
  };
  const byDefault = counts({});
  expect(byDefault.map(({ attentions }) => attentions)).toEqual(attention ? [1, 1] : [0, 0]);
  if (attention) expect(byDefault).toEqual(counts({ attention }));
});

learns(biggan);
