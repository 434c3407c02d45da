// A trained generator from its run directory: latents by seed, classes, truncation, styles, statistics,
// features.

import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { joined } from '../../src/latents/paths.js';
import { type Generator, loadGenerator } from '../../src/train/generator.js';
import { classNames, imageSize, labelledRuns } from './labelled-runs.js';

const fails = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

const models = ['gan', 'dcgan', 'cgan', 'projgan', 'biggan', 'infogan', 'bigan', 'stylegan2'] as const;
const tensorsBefore = memory().tensors;
const runs = await labelledRuns(models);
const loaded = models.map(
  async (name) => [name, await loadGenerator(runs[name], { device: 'cpu' })] as const,
);
const generators = Object.fromEntries(await Promise.all(loaded)) as Record<
  (typeof models)[number],
  Generator
>;
afterAll(() => {
  for (const generator of Object.values(generators)) generator.dispose();
});
const { gan, dcgan, cgan, biggan, infogan, bigan, stylegan2 } = generators;

test('a generator says what it knows', () => {
  expect(gan).toMatchObject({ zSize: 6, height: 8, width: 12, channels: 3 });
  expect([gan.classes, gan.classNames, gan.codes, gan.styles]).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(cgan).toMatchObject({ classes: 3, classNames });
  expect(infogan.codes![0]).toMatchObject({ kind: 'categorical', size: 3 });
  expect(stylegan2.styles).toEqual({ layers: 4, wSize: 5 });
});

describe('latents', () => {
  test('a list of seeds names each latent', async () => {
    const [three, one] = [await gan.latents(1, 3), await gan.latents(1, 1)];
    expect(three).not.toEqual(one);
    expect(await gan.latents(3, [3, 1, 3])).toEqual(joined([three, one, three]));
    await expect(gan.latents(2, [1, 2, 3])).rejects.toThrow(fails('ERR_ARGUMENT', 'expected 2 seeds'));
    await expect(gan.latents(1, [0.5])).rejects.toThrow(fails('ERR_ARGUMENT'));
  });

  test('are as in training: codes are codes', async () => {
    const { start, size } = infogan.codes![0];
    const z = await infogan.latents(50, 1);
    for (let i = 0; i < 50; i++) {
      const code = [...z.subarray(10 * i + start, 10 * i + start + size)];
      expect(code.sort()).toEqual([0, 0, 1]);
    }
    expect(Math.max(...z)).toBeLessThanOrEqual(1);
  });

  test('truncation keeps the normal distribution between the thresholds', async () => {
    const z = await gan.latents(1000, 1, { truncation: 0.5 });
    expect(Math.max(...z.map(Math.abs))).toBeLessThanOrEqual(0.5);
    const variance = z.reduce((sum, value) => sum + value * value, 0) / z.length;
    // Of a normal distribution cut at ±a: 1 - 2 a φ(a) / (2 Φ(a) - 1), at 0.5 0.0806; uniform would be
    // 0.0833.
    expect(variance).toBeCloseTo(0.0806, 2);
    await expect(gan.latents(1, 1, { truncation: 0 })).rejects.toThrow(fails('ERR_ARGUMENT', 'above 0'));
    await expect(gan.latents(1, 1, { truncation: Number.NaN })).rejects.toThrow(fails('ERR_ARGUMENT'));
    await expect(infogan.latents(1, 1, { truncation: 1 })).rejects.toThrow(fails('ERR_CONFIG', 'not normal'));
  });
});

describe('classes', () => {
  test.each(['cgan', 'biggan', 'stylegan2'] as const)(
    '%s makes other images of another class',
    async (name) => {
      const generator = generators[name];
      const z = await generator.latents(2, 1);
      const [cats, dogs] = await Promise.all(
        [0, 1].map((label) => generator.generate(z, 2, new Int32Array(2).fill(label))),
      );
      expect(cats).not.toEqual(dogs);
      // In turn, unless told.
      const turns = await generator.generate(z, 2);
      expect(turns.subarray(0, imageSize)).toEqual(cats.subarray(0, imageSize));
      expect(turns.subarray(imageSize)).toEqual(dogs.subarray(imageSize));
    },
  );

  test.each(['cgan', 'projgan', 'biggan', 'stylegan2'] as const)('%s can mix classes', async (name) => {
    const generator = generators[name];
    const z = await generator.latents(2, 1);
    const byNumber = await generator.generate(z, 2, Int32Array.of(2, 0));
    expect(await generator.generate(z, 2, Float32Array.of(0, 0, 1, 1, 0, 0))).toEqual(byNumber);
    const mixed = await generator.generate(z, 2, Float32Array.of(0, 0.5, 0.5, 0.5, 0.5, 0));
    expect(mixed).toHaveLength(2 * imageSize);
    if (name !== 'projgan') expect(mixed).not.toEqual(byNumber);
  });

  test('labels that do not fit are refused', async () => {
    const z = await cgan.latents(2, 1);
    for (const labels of [[0], [0, 3], [-1, 0], [0, 1, 2]]) {
      await expect(cgan.generate(z, 2, Int32Array.from(labels))).rejects.toThrow(
        fails('ERR_ARGUMENT', 'expected 2 labels from 0 to 2'),
      );
    }
    await expect(cgan.generate(z, 2, new Float32Array(5))).rejects.toThrow(
      fails('ERR_ARGUMENT', '3 weights'),
    );
    const broken = new Float32Array(6).fill(Number.NaN);
    await expect(cgan.generate(z, 2, broken)).rejects.toThrow(fails('ERR_ARGUMENT'));
    await expect(gan.generate(z, 2, Int32Array.of(0, 0))).rejects.toThrow(
      fails('ERR_ARGUMENT', 'no classes'),
    );
  });

  test('names that are not a list of names are refused, and none are needed', async () => {
    const path = join(runs.cgan, 'classes.json');
    for (const text of ['{"a": 1}', '[1, 2]', '[']) {
      await writeFile(path, text);
      await expect(loadGenerator(runs.cgan)).rejects.toThrow(
        fails('ERR_CHECKPOINT', 'JSON list of the names'),
      );
    }
    await rm(path);
    const nameless = await loadGenerator(runs.cgan);
    expect([nameless.classes, nameless.classNames]).toEqual([3, undefined]);
    nameless.dispose();
    await writeFile(path, JSON.stringify(classNames));
  });
});

describe('styles', () => {
  test('synthesize of map is generate', async () => {
    const z = await stylegan2.latents(70, 2);
    const w = await stylegan2.map(z, 70);
    expect(w).toHaveLength(70 * 4 * 5);
    expect(await stylegan2.synthesize(w, 70)).toEqual(await stylegan2.generate(z, 70));
    // One style for all layers.
    expect(w.subarray(5, 10)).toEqual(w.subarray(0, 5));
  });

  test('truncation draws styles towards their average', async () => {
    const z = await stylegan2.latents(2, 2);
    const [all, half, none] = await Promise.all(
      [1, 0.5, 0].map((truncation) => stylegan2.map(z, 2, { truncation })),
    );
    expect(none.subarray(0, 20)).toEqual(none.subarray(20));
    half.forEach((value, i) => {
      expect(value).toBeCloseTo((all[i] + none[i]) / 2, 5);
    });
    for (const truncation of [-0.1, 1.1, Number.NaN]) {
      await expect(stylegan2.map(z, 2, { truncation })).rejects.toThrow(fails('ERR_ARGUMENT', '0 to 1'));
    }
    const sampled = await stylegan2.sample(2, { seed: 2, truncation: 0.5 });
    expect(sampled).toEqual(await stylegan2.synthesize(half, 2));
  });

  test('are refused where there are none, and where they do not fit', async () => {
    await expect(gan.map(new Float32Array(6), 1)).rejects.toThrow(fails('ERR_CONFIG', 'no styles'));
    await expect(gan.synthesize(new Float32Array(6), 1)).rejects.toThrow(fails('ERR_CONFIG', 'no styles'));
    await expect(stylegan2.synthesize(new Float32Array(19), 1)).rejects.toThrow(
      fails('ERR_SHAPE', 'take 20'),
    );
    await expect(stylegan2.map(new Float32Array(5), 1)).rejects.toThrow(fails('ERR_SHAPE', 'take 6'));
  });
});

test('sample is generate of latents', async () => {
  const images = await gan.sample(3, { seed: 4 });
  expect(images).toEqual(await gan.generate(await gan.latents(3, 4), 3));
  expect(await gan.sample(3, { seed: 4, truncation: 0.1 })).toEqual(
    await gan.generate(await gan.latents(3, 4, { truncation: 0.1 }), 3),
  );
  const labels = Int32Array.of(2, 2, 2);
  expect(await cgan.sample(3, { seed: [4, 5, 6], labels })).toEqual(
    await cgan.generate(await cgan.latents(3, [4, 5, 6]), 3, labels),
  );
});

describe('standing statistics', () => {
  test('change the images of batch norms, the same way for the same seed', async () => {
    const [one, other, third] = await Promise.all(
      [1, 1, 2].map(async (seed) => {
        const generator = await loadGenerator(runs.biggan);
        await generator.standingStatistics(3, { seed, truncation: 0.5 });
        const images = await generator.sample(4, { seed: 1 });
        generator.dispose();
        return images;
      }),
    );
    expect(one).toEqual(other);
    expect(one).not.toEqual(third);
    expect(one).not.toEqual(await biggan.sample(4, { seed: 1 }));
  });

  test('are refused without batch norms, or without passes', async () => {
    await expect(stylegan2.standingStatistics(1)).rejects.toThrow(fails('ERR_CONFIG', 'has none'));
    await expect(biggan.standingStatistics(0)).rejects.toThrow(fails('ERR_ARGUMENT', 'passes'));
  });
});

describe('features', () => {
  test('are those of the discriminator, whatever the images are seen with', async () => {
    const pixels = await dcgan.sample(70, { seed: 1 });
    const features = await dcgan.features(pixels, 70);
    const size = features.length / 70;
    expect(Number.isInteger(size)).toBe(true);
    const last = await dcgan.features(pixels.subarray(69 * imageSize), 1);
    last.forEach((value, i) => {
      expect(value).toBeCloseTo(features[69 * size + i], 4);
    });
    await expect(dcgan.features(pixels, 69)).rejects.toThrow(
      fails('ERR_SHAPE', 'expected 69 images of 8 x 12 x 3'),
    );
  });
});

test('a discriminator that judges more than images has no features of images', async () => {
  const image = new Uint8Array(imageSize);
  await expect(bigan.features(image, 1)).rejects.toThrow(fails('ERR_CONFIG', 'no discriminator'));
  await expect(bigan.project(image, { featureWeight: 1 })).rejects.toThrow(
    fails('ERR_CONFIG', 'no discriminator'),
  );
});

test('everything is freed', async () => {
  for (const generator of Object.values(generators)) generator.dispose();
  await new Promise((resolve) => setImmediate(resolve));
  expect(memory().tensors).toBe(tensorsBefore);
});
