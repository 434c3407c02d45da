// InfoGAN: where the codes lie, how they are drawn and read back, what a run reports, and what is refused.
// Its steps are compared with PyTorch's in conditional-steps.test.ts.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { infogan } from '../../src/models/infogan.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import { codesAfter, RecognisingDiscriminator } from '../../src/networks/codes.js';
import { dcganDiscriminator } from '../../src/networks/dcgan.js';
import { Linear } from '../../src/nn/linear.js';
import { BatchNorm1d } from '../../src/nn/norm.js';
import { randn, uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { loadGenerator } from '../../src/train/generator.js';
import { loadRecogniser } from '../../src/train/recogniser.js';
import { trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder, tinyConfig, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();
const code = (name: string) => expect.objectContaining({ code: name });
const square = { height: 8, width: 8, channels: 1 };

function build(dims: ImageDims, options: object = {}): BuiltModel {
  manualSeed(1);
  return infogan.build(infogan.schema.resolve({ baseWidth: 2, zSize: 5, ...options }, 'test'), dims);
}

test('has the latents of the authors, 62 + 10 + 2 numbers, and a generator that learns faster', () => {
  const config = infogan.schema.resolve({}, 'test');
  expect(config).toMatchObject({ lrGenerator: 1e-3, lrDiscriminator: 5e-4, beta1: 0.5 });
  expect(infogan.build(infogan.schema.resolve({ baseWidth: 2 }, 'test'), square).latent.size).toBe(74);
});

test('codes follow the noise, categorical ones first', () => {
  expect(codesAfter(5, { categorical: 2, categories: 3, continuous: 2 })).toEqual([
    { name: 'categorical0', kind: 'categorical', start: 5, size: 3 },
    { name: 'categorical1', kind: 'categorical', start: 8, size: 3 },
    { name: 'continuous0', kind: 'continuous', start: 11, size: 1 },
    { name: 'continuous1', kind: 'continuous', start: 12, size: 1 },
  ]);
});

test('latents are uniform noise, one-hot codes with every value as likely, and uniform numbers', async () => {
  const { latent, codes } = build(square, { categoricalCodes: 2, categories: 4 });
  expect(codes).toEqual(codesAfter(5, { categorical: 2, categories: 4, continuous: 2 }));
  expect(latent.size).toBe(15);
  const n = 4000;
  const draw = (seed: number) => scope(() => latent.sample(n, new Generator(seed)).data());
  const z = await draw(1);
  expect(await draw(1)).toEqual(z);
  expect(await draw(2)).not.toEqual(z);
  const column = (i: number) => Array.from({ length: n }, (_, row) => z[row * 15 + i]);
  for (const i of [0, 4, 13, 14]) {
    const values = column(i);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...values)).toBeLessThan(1);
    // The standard error of the mean is 0.009, that of the mean square 0.005.
    expect(Math.abs(values.reduce((a, b) => a + b) / n)).toBeLessThan(0.045);
    expect(Math.abs(values.reduce((a, b) => a + b * b) / n - 1 / 3)).toBeLessThan(0.025);
  }
  for (const start of [5, 9]) {
    const columns = [0, 1, 2, 3].map((i) => column(start + i));
    for (const values of columns) {
      expect(new Set(values)).toEqual(new Set([0, 1]));
      // Standard error 0.007.
      expect(Math.abs(values.reduce((a, b) => a + b) / n - 0.25)).toBeLessThan(0.035);
    }
    for (let row = 0; row < n; row++) expect(columns.reduce((sum, values) => sum + values[row], 0)).toBe(1);
  }
});

describe('beside the maps, which are halved down to 7 pixels, a hidden layer', () => {
  const dims = { height: 28, width: 28, channels: 1 };
  const layers = (options: object) => {
    const { generator, discriminator } = build(dims, options).networks;
    const { base } = discriminator as RecognisingDiscriminator;
    return [generator, base].map((network) =>
      network
        .modules()
        .filter((m) => m instanceof Linear || m instanceof BatchNorm1d)
        .map((m) => m.weight.shape),
    );
  };
  // 17 numbers in a latent, maps of 7 x 7 with 2 · baseWidth channels.
  test('as the authors have it', () => {
    expect(layers({ hidden: 6 })).toEqual([
      [[6, 17], [6], [196, 6]],
      [[6, 196], [6], [1, 6]],
    ]);
  });

  test('normalised over the batch where the maps are, and only there', () => {
    expect(layers({ hidden: 6, generatorNorm: 'instance', discriminatorNorm: 'none' })).toEqual([
      [
        [6, 17],
        [196, 6],
      ],
      [
        [6, 196],
        [1, 6],
      ],
    ]);
  });

  test('or none', () => expect(layers({ hidden: 0 })).toEqual([[[196, 17]], [[1, 196]]]));
});

test.each([
  { height: 12, width: 20, channels: 1, batch: 3 },
  { height: 28, width: 28, channels: 3, batch: 1 },
  { height: 16, width: 4, channels: 4, batch: 2 },
])('trains on $batch images of $height x $width x $channels', ({ batch, ...dims }) =>
  scope(async () => {
    const { networks, latent, phases } = build(dims);
    const images = networks.generator.forward(latent.sample(batch));
    expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
    const given = uniform(images.shape, { low: -1, high: 1 });
    const [d, g] = phases.map((phase) => phase.loss({ images: given, size: batch }, networks));
    expect(Object.keys(d).sort()).toEqual(['categoricalD', 'continuousD', 'loss', 'scoreFake', 'scoreReal']);
    expect(Object.keys(g).sort()).toEqual(['categoricalG', 'continuousG', 'loss']);
    for (const value of [...Object.values(d), ...Object.values(g)]) {
      expect(Number.isFinite(await value.item())).toBe(true);
    }
  }),
);

test.each([
  [{ continuousCodes: 0 }, ['categoricalG', 'loss']],
  [{ categoricalCodes: 0 }, ['continuousG', 'loss']],
])('with %o reports only what there is', (options, names) =>
  scope(() => {
    const { networks, phases } = build(square, options);
    const images = randn([2, 8, 8, 1]);
    expect(Object.keys(phases[1].loss({ images, size: 2 }, networks)).sort()).toEqual(names);
  }),
);

test('a Q that knows nothing pays log K for each categorical code, ½ log 2π + ½ c² for each number', () =>
  scope(async () => {
    const options = { categoricalCodes: 3, categories: 4, categoricalWeight: 2, continuousWeight: 0.5 };
    for (const variance of ['fixed', 'learned']) {
      const { networks, phases } = build(square, { ...options, variance });
      const d = networks.discriminator as RecognisingDiscriminator;
      const parameters = d.recogniser.layers.at(-1)!.parameters();
      assign(
        parameters,
        parameters.map((t) => t.mul(0)),
      );
      const result = phases[0].loss({ images: randn([2000, 8, 8, 1]), size: 2000 }, networks);
      expect(await result.categoricalD.item()).toBeCloseTo(2 * 3 * Math.log(4), 4);
      // E c² = 1/3 for each of two; 0.5 · 2 · 0.5 times a standard error of 0.007 is 0.0035.
      const expected = 0.5 * 2 * (0.5 * Math.log(2 * Math.PI) + 1 / 6);
      expect(Math.abs((await result.continuousD.item()) - expected)).toBeLessThan(0.015);
    }
  }));

describe('RecognisingDiscriminator', () => {
  const codes = codesAfter(5, { categorical: 2, categories: 3, continuous: 2 });
  const base = () => dcganDiscriminator(square, { baseWidth: 2, minibatch: 'stddev' });

  test.each([
    [false, [3, 3, 1, 1]],
    [true, [3, 3, 2, 2]],
  ])('has parameters for each code, variances learned: %s', (variance, widths) =>
    scope(() => {
      const d = new RecognisingDiscriminator(base(), codes, { variance, hidden: 6 });
      const features = d.features(randn([4, 8, 8, 1]));
      expect(d.recognise(features).map((t) => t.shape)).toEqual(widths.map((width) => [4, width]));
      expect(d.head(features).shape).toEqual([4, 1]);
    }),
  );

  test('infers probabilities and means, of one image as of many', () =>
    scope(async () => {
      const d = new RecognisingDiscriminator(dcganDiscriminator(square, { baseWidth: 2 }), codes, {
        variance: true,
      });
      d.infer(randn([64, 8, 8, 1]));
      d.eval();
      const x = randn([4, 8, 8, 1]);
      const [found, [a, b, c, e]] = [d.infer(x), d.recognise(d.features(x))];
      expect(found.shape).toEqual([4, 8]);
      const values = await found.data();
      const [pa, pb] = [await a.softmax(1).data(), await b.softmax(1).data()];
      const [mc, me] = [await c.data(), await e.data()];
      for (let i = 0; i < 4; i++) {
        const expected = [...pa.slice(3 * i, 3 * i + 3), ...pb.slice(3 * i, 3 * i + 3), mc[2 * i], me[2 * i]];
        expect([...values.slice(8 * i, 8 * i + 8)]).toEqual(expected);
      }
      const one = await d.infer(x.slice([0, 0, 0, 0], [1, 8, 8, 1])).data();
      for (let j = 0; j < 8; j++) expect(one[j]).toBeCloseTo(values[j], 5);
    }));
});

test('Q is normalised over the batch only where the discriminator is, so penalties are possible', () => {
  const normalised = (options: object) =>
    build(square, options)
      .networks.discriminator.modules()
      .some((m) => m instanceof BatchNorm1d);
  expect(normalised({})).toBe(true);
  expect(normalised({ discriminatorNorm: 'none', penalty: 'r1' })).toBe(false);
  expect(() => build(square, { penalty: 'r1' })).toThrow(/looks at each image by itself/);
});

test('refuses to play without codes, or with images whose codes are forgotten', () => {
  const none = () => build(square, { categoricalCodes: 0, continuousCodes: 0 });
  expect(none).toThrow(code('ERR_CONFIG'));
  expect(none).toThrow(/expected at least one code, got categoricalCodes 0 and continuousCodes 0/);
  expect(() => build(square, { replayPool: 8 })).toThrow(/replayPool keeps no latents/);
  expect(() => infogan.schema.resolve({ categories: 1 }, 'test')).toThrow(
    /categories must be an integer from 2/,
  );
});

describe('a run', () => {
  /** Dark and bright images, unlabelled. */
  const data = memoryDataset({
    name: 'dark',
    images: Uint8Array.from({ length: 32 * 64 }, (_, i) => {
      const noise = (i * 37) % 40;
      return Math.floor(i / 64) % 2 === 0 ? noise : 255 - noise;
    }),
    height: 8,
    width: 8,
    channels: 1,
  });
  const config = {
    baseWidth: 8,
    zSize: 4,
    categories: 2,
    continuousCodes: 1,
    batch: 16,
    samples: 4,
    seed: 1,
  };

  test('learns a code that divides the images, which the recogniser reads off them', async () => {
    const out = join(folder, 'run');
    await trainRun({ model: 'infogan', data, out, config: { ...config, steps: 600, device: 'cpu' } });
    const last = (await metricsOf(out)).at(-1)!;
    expect(last.categoricalD).toBeLessThan(0.2);
    const recogniser = await loadRecogniser(out, { device: 'cpu' });
    expect(recogniser.codes).toEqual(codesAfter(4, { categorical: 1, categories: 2, continuous: 1 }));
    const pixels = Uint8Array.from({ length: 100 * 64 }, (_, i) => (Math.floor(i / 64) % 2 === 0 ? 20 : 235));
    const found = await recogniser.recognise(pixels, 100);
    expect(found).toHaveLength(300);
    const [dark, bright] = [found[0] > 0.5, found[3] > 0.5];
    expect(dark).not.toBe(bright);
    for (let i = 0; i < 100; i++) {
      expect(found[3 * i] + found[3 * i + 1]).toBeCloseTo(1, 5);
      expect(found[3 * i] > 0.5).toBe(i % 2 === 0 ? dark : bright);
    }
    await expect(recogniser.recognise(pixels, 99)).rejects.toThrow(code('ERR_SHAPE'));
    await expect(recogniser.recognise(pixels, 99)).rejects.toThrow(/expected 99 images of 8 x 8 x 1 bytes/);
    recogniser.dispose();

    const generator = await loadGenerator(out, { device: 'cpu' });
    const z = await generator.latents(50, 1);
    for (let i = 0; i < 50; i++) expect(z[7 * i + 4] + z[7 * i + 5]).toBe(1);
    generator.dispose();
  });

  test('of a model without codes has no recogniser', async () => {
    const out = join(folder, 'dcgan');
    await trainRun({ model: 'dcgan', data: tinyData(), out, config: { ...tinyConfig.dcgan, steps: 1 } });
    await expect(loadRecogniser(out, { device: 'cpu' })).rejects.toThrow(code('ERR_CONFIG'));
    await expect(loadRecogniser(out, { device: 'cpu' })).rejects.toThrow(
      /a model with codes, such as infogan, got dcgan/,
    );
  });
});
