// Projection finds points whose images are known, follows the learning rate of the paper, and does the same
// for the same seed; through functions, and through generators with latents, styles and classes.

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { projectImage, psnr, rateAt } from '../../src/latents/projection.js';
import { matmul, mul, randn, reshape, tanh } from '../../src/tensor/ops/index.js';
import { Generator as RandomGenerator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { type Generator, loadGenerator } from '../../src/train/generator.js';
import { imageSize, labelledRuns } from '../train/labelled-runs.js';

const fails = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

test('the learning rate rises over 5 % of the steps and falls along a cosine over the last 25 %', () => {
  expect([0, 0.025, 0.05, 0.5, 0.75].map(rateAt)).toEqual([0, 0.5, 1, 1, 1]);
  expect(rateAt(0.875)).toBeCloseTo(0.5, 12);
  expect(rateAt(1)).toBe(0);
});

test('the signal-to-noise ratio of images whose range is 2', () => {
  expect(psnr(4)).toBe(0);
  expect(psnr(0.04)).toBeCloseTo(20, 12);
  expect(psnr(0)).toBe(Number.POSITIVE_INFINITY);
});

describe('a function', () => {
  const random = new RandomGenerator(1);
  const weights = randn([5, 12], { generator: random });
  const draw = (points: Tensor) => reshape(tanh(matmul(mul(points, 0.5), weights)), [-1, 2, 2, 3]);
  const candidates = randn([200, 5], { generator: random });
  const wanted = randn([1, 5], { generator: random });
  const target = draw(wanted);

  const found = async (options: object, more: object = {}) => {
    const { start, end } = await projectImage({ target, candidates, draw, ...more }, options);
    const [a, b] = await Promise.all([start.data(), end.data()]);
    start.dispose();
    end.dispose();
    return [Array.from(a), Array.from(b)];
  };

  test('is inverted', async () => {
    const [start, end] = await found({ steps: 300 });
    const distance = async (point: number[]) =>
      Math.hypot(...Array.from(await wanted.data(), (value, i) => value - point[i]));
    expect(await distance(start)).toBeGreaterThan(0.5);
    expect(await distance(end)).toBeLessThan(0.01);
  });

  test('features alone lead there too', async () => {
    // As a weight this large makes them.
    const features = (images: Tensor) => scope(() => mul(reshape(images, [-1, 12]), 3));
    const [, end] = await found({ steps: 300, featureWeight: 1000 }, { features });
    (await wanted.data()).forEach((value, i) => {
      expect(end[i]).toBeCloseTo(value, 1);
    });
  });

  test('does the same for the same seed', async () => {
    const once = await found({ steps: 10, seed: 2 });
    expect(await found({ steps: 10, seed: 2 })).toEqual(once);
    expect(await found({ steps: 10, seed: 3 })).not.toEqual(once);
  });

  test('reports its steps, and stops when it is told to', async () => {
    const steps: number[] = [];
    const controller = new AbortController();
    await found({
      steps: 100,
      signal: controller.signal,
      onStep({ step, steps: all, loss }: { step: number; steps: number; loss: number }) {
        expect(all).toBe(100);
        expect(loss).toBeGreaterThan(0);
        steps.push(step);
        if (step === 30) controller.abort();
      },
    });
    expect(steps).toEqual([10, 20, 30]);
  });

  test('ends no worse than it began, however wild the way', async () => {
    const [start, end] = await found({ steps: 20, lr: 1000 });
    expect(end).toEqual(start);
  });

  test.each([{ steps: 0 }, { steps: 1.5 }, { lr: -1 }, { lr: Number.NaN }, { featureWeight: -1 }])(
    '%j is refused',
    async (options) => {
      await expect(found(options)).rejects.toThrow(fails('ERR_ARGUMENT'));
    },
  );
});

describe('a trained generator', async () => {
  const runs = await labelledRuns(['dcgan', 'cgan', 'stylegan2']);
  /** A generator for a while, after which no tensor may be left. */
  const using = async (run: string, use: (generator: Generator) => Promise<void>) => {
    const { tensors } = memory();
    const generator = await loadGenerator(run, { device: 'cpu' });
    try {
      await use(generator);
    } finally {
      generator.dispose();
    }
    await setImmediate();
    expect(memory().tensors).toBe(tensors);
  };

  test.each([
    ['dcgan', 'z', undefined],
    ['cgan', 'z', 2],
    ['stylegan2', 'w', 1],
    ['stylegan2', 'z', 1],
  ] as const)('%s: an image of its own is found again in %s', async (name, space, label) => {
    await using(runs[name], async (generator) => {
      // After two steps of training, running statistics say little and images would be nearly grey.
      if (name === 'dcgan') await generator.standingStatistics(4);
      const labels = label === undefined ? undefined : Int32Array.of(label);
      const image = await generator.sample(1, { seed: 7, labels });
      const found = await generator.project(image, { space, label, steps: 300 });
      expect(found.psnr.end).toBeGreaterThan(found.psnr.start + 10);
      expect(found.psnr.end).toBeGreaterThan(35);
      // The point makes the image that it came with.
      const again =
        space === 'w'
          ? await generator.synthesize(found.point, 1)
          : await generator.generate(found.point, 1, labels);
      again.forEach((pixel, i) => {
        expect(Math.abs(pixel - found.pixels[i])).toBeLessThanOrEqual(1);
      });
      expect(found.startPixels).toHaveLength(imageSize);
    });
  });

  test('an image of the same seed is no head start', async () => {
    await using(runs.stylegan2, async (generator) => {
      const image = await generator.sample(1, { seed: 0, labels: Int32Array.of(0) });
      const { psnr: ratio } = await generator.project(image, { label: 0, seed: 0, steps: 1 });
      // Rounding to bytes alone makes 59 dB.
      expect(ratio.start).toBeLessThan(50);
    });
  });

  test('styles are the default where there are some, and features may help', async () => {
    await using(runs.stylegan2, async (generator) => {
      const image = await generator.sample(1, { seed: 7, labels: Int32Array.of(0) });
      const found = await generator.project(image, { steps: 20, featureWeight: 0.5 });
      expect(found.space).toBe('w');
      expect(found.point).toHaveLength(4 * 5);
      expect(found.psnr.end).toBeGreaterThanOrEqual(found.psnr.start);
    });
  });

  test('what cannot be is refused', async () => {
    await using(runs.cgan, async (generator) => {
      const image = new Uint8Array(imageSize);
      await expect(generator.project(image.subarray(1))).rejects.toThrow(fails('ERR_SHAPE', '8 x 12 x 3'));
      await expect(generator.project(image, { space: 'w' })).rejects.toThrow(
        fails('ERR_CONFIG', 'no styles'),
      );
      await expect(generator.project(image, { label: 3 })).rejects.toThrow(fails('ERR_ARGUMENT', '0 to 2'));
      await expect(generator.project(image, { steps: 0 })).rejects.toThrow(fails('ERR_ARGUMENT'));
    });
  });

  test('the bytes of an image are its only input', async () => {
    await using(runs.dcgan, async (generator) => {
      const image = await generator.sample(1, { seed: 7 });
      const before = Uint8Array.from(image);
      const one = await generator.project(image, { steps: 5 });
      expect(image).toEqual(before);
      expect((await generator.project(image, { steps: 5 })).point).toEqual(one.point);
    });
  });
});
