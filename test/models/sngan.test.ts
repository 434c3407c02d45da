// SNGAN: the defaults of its recipe, where spectral normalisation is, that it knows no labels, and a D
// that learns.

import { expect, test } from 'vitest';
import { sngan } from '../../src/models/sngan.js';
import { SelfAttention2d } from '../../src/nn/attention.js';
import { ConditionalBatchNorm2d } from '../../src/nn/norm_adaptive.js';
import { SpectralWeight } from '../../src/nn/spectral.js';
import { buildTiny, kindsOf, learns, refuses } from './residual-helpers.js';

const dims = { height: 16, width: 8, channels: 3 };

test('has the recipe of the paper: hinge, Adam without momentum, a rate that falls to nothing', () => {
  const config = sngan.schema.resolve({}, 'test');
  expect(config).toMatchObject({ loss: 'hinge', beta1: 0, beta2: 0.9, lrDecay: 'linear', zSize: 128 });
});

test('normalises the weights of D, of both or of neither', () => {
  const normalised = (spectral?: string) => {
    const { generator, discriminator } = buildTiny(sngan, dims, spectral ? { spectral } : {});
    return [generator, discriminator].map((network) => kindsOf(network, SpectralWeight) > 0);
  };
  expect(normalised()).toEqual([false, true]);
  expect(normalised('both')).toEqual([true, true]);
  expect(normalised('none')).toEqual([false, false]);
});

test('takes attention where it is asked for, and refuses a map that is not there', () => {
  const attentions = (config: object) => {
    const { generator, discriminator } = buildTiny(sngan, dims, config);
    return [generator, discriminator].map((network) => kindsOf(network, SelfAttention2d));
  };
  expect(attentions({})).toEqual([0, 0]);
  expect(attentions({ attention: 8 })).toEqual([1, 1]);
  refuses(() => buildTiny(sngan, dims, { attention: 16 }), /larger sides of 8; got 16/);
});

test('is not conditional, whatever the images have', () => {
  const { generator, built } = buildTiny(sngan, { ...dims, classes: 3 });
  expect(built.classes).toBeUndefined();
  expect(kindsOf(generator, ConditionalBatchNorm2d)).toBe(0);
});

learns(sngan);
