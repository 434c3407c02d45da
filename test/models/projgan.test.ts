// Projection GAN: conditional in both networks, not without labels, and a D that learns.

import { expect, test } from 'vitest';
import { projgan } from '../../src/models/projgan.js';
import { Embedding } from '../../src/nn/embedding.js';
import { ConditionalBatchNorm2d } from '../../src/nn/norm_adaptive.js';
import { buildTiny, kindsOf, learns, refuses } from './residual-helpers.js';

const dims = { height: 16, width: 16, channels: 1 };

test('gives every block of G a scale and a shift per class, and D a vector per class', () => {
  const { generator, discriminator, built } = buildTiny(projgan, { ...dims, classes: 7 });
  expect(built.classes).toBe(7);
  expect(kindsOf(generator, ConditionalBatchNorm2d)).toBe(4);
  expect(kindsOf(discriminator, Embedding)).toBe(1);
  const shapes = Object.fromEntries(discriminator.namedParameters().map(([name, t]) => [name, t.shape]));
  expect(shapes['embedding.spectral.weight']).toEqual([7, 2]);
});

test('says that it needs labels', () => {
  refuses(() => buildTiny(projgan, dims), /projgan learns from labels, and these images have none/);
});

learns(projgan);
