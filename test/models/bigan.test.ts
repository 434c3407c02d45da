// BiGAN: its networks for any size, what the discriminator looks at, and runs that continue and give their
// encoder away.

import { describe, expect, test } from 'vitest';
import { modelEntry } from '../../src/models/registry.js';
import {
  type BiganOptions,
  biganEncoder,
  biganGenerator,
  JointDiscriminator,
} from '../../src/networks/bigan.js';
import { add, rand } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { tinyConfig } from '../train/helpers.js';
import { encoderRunTest } from './encoder-run.js';

const code = (c: string) => expect.objectContaining({ code: c });

describe.each([
  { kind: 'perceptron', height: 5, width: 7, channels: 4, batch: 1 },
  { kind: 'perceptron', height: 1, width: 3, channels: 1, batch: 2 },
  { kind: 'convolution', height: 12, width: 32, channels: 3, batch: 1 },
  { kind: 'convolution', height: 4, width: 4, channels: 1, batch: 3 },
] as const)('$kind networks for $height x $width x $channels', ({ kind, batch, ...dims }) => {
  const options: BiganOptions = { kind, hidden: 6, baseWidth: 2 };

  test('make images, codes and logits of pairs', () =>
    scope(async () => {
      const z = rand([batch, 5]);
      const images = biganGenerator(dims, 5, options).forward(z);
      expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
      for (const v of await images.data()) expect(Math.abs(v)).toBeLessThanOrEqual(1);
      expect(biganEncoder(dims, 5, options).forward(images).shape).toEqual([batch, 5]);
      expect(new JointDiscriminator(dims, 5, options).forward(images, z).shape).toEqual([batch, 1]);
    }));

  test('the discriminator looks at both halves of a pair', () =>
    scope(async () => {
      manualSeed(2);
      const d = new JointDiscriminator(dims, 5, { ...options, hidden: 40, baseWidth: 8 }).eval();
      const [x, z] = [rand([1, dims.height, dims.width, dims.channels]), rand([1, 5])];
      const logit = await d.forward(x, z).item();
      expect(await d.forward(add(x, 0.5), z).item()).not.toBe(logit);
      expect(await d.forward(x, add(z, 0.5)).item()).not.toBe(logit);
    }));
});

test('convolutions refuse sides that are no multiple of 4, perceptrons take them', () => {
  const { schema, build } = modelEntry('bigan');
  const dims = { height: 6, width: 8, channels: 1 };
  const attempt = (networks: string) => () => build(schema.resolve({ networks, hidden: 4 }, 'test'), dims);
  expect(attempt('convolution')).toThrow(code('ERR_CONFIG'));
  expect(attempt('convolution')).toThrow(/multiples of 4, got 6 x 8/);
  expect(attempt('perceptron')).not.toThrow();
  expect(() => biganEncoder(dims, 5, { hidden: 0 })).toThrow(code('ERR_ARGUMENT'));
});

test('latents are uniform in [-1, 1]', () =>
  scope(async () => {
    const { schema, build } = modelEntry('bigan');
    const { latent } = build(schema.resolve({ hidden: 4 }, 'test'), { height: 4, width: 4, channels: 1 });
    manualSeed(1);
    const z = Array.from(await latent.sample(400).data());
    expect(latent.size).toBe(50);
    expect(Math.max(...z)).toBeLessThanOrEqual(1);
    expect(Math.min(...z)).toBeGreaterThanOrEqual(-1);
    const variance = z.reduce((sum, v) => sum + v * v, 0) / z.length;
    expect(variance).toBeCloseTo(1 / 3, 1);
  }));

encoderRunTest('bigan', tinyConfig.gan, ['lossD', 'scoreReal', 'scoreFake', 'lossGE']);
