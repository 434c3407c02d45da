// LSGAN, WGAN, DRAGAN and RaGAN: their defaults, the sizes they can do, what they report and refuse, and what
// is special about each. Their numbers are compared with PyTorch's in objectives-steps.test.ts.

import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BuiltModel, ImageDims, ModelEntry } from '../../src/models/model.js';
import { modelEntry } from '../../src/models/registry.js';
import type { AnyModule } from '../../src/nn/module.js';
import { BatchNorm2d } from '../../src/nn/norm.js';
import { uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { PhaseResult, TrainBatch } from '../../src/train/phase.js';
import { trainRun } from '../../src/train/run.js';
import { metricsOf, temporaryFolder, tinyConfig, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();
const tiny = { baseWidth: 2, zSize: 5 };
const square = { height: 8, width: 8, channels: 1 };

function build(entry: ModelEntry, dims: ImageDims, options: Record<string, unknown> = {}): BuiltModel {
  manualSeed(1);
  return entry.build(entry.schema.resolve({ ...tiny, ...options }, 'test'), dims);
}

function batchOf(size: number, { height, width, channels }: ImageDims): TrainBatch {
  return { images: uniform([size, height, width, channels], { low: -1, high: 1 }), size };
}

async function numbersOf(result: PhaseResult): Promise<Record<string, number>> {
  const entries = Object.entries(result).map(async ([name, t]) => [name, await t.item()]);
  return Object.fromEntries(await Promise.all(entries));
}

const names = ['lsgan', 'wgan', 'dragan', 'ragan'];
const reported: Record<string, string[]> = {
  lsgan: ['logitReal', 'logitFake'],
  wgan: ['distance'],
  dragan: ['scoreReal', 'scoreFake', 'penalty'],
  ragan: ['logitReal', 'logitFake'],
};

test.each([
  ['lsgan', { loss: 'leastSquares', lr: 2e-4, beta1: 0.5, targetFake: 0, targetReal: 1, targetGenerator: 1 }],
  ['wgan', { loss: 'wasserstein', optimizer: 'rmsprop', clipWeights: 0.01, dSteps: 5 }],
  ['dragan', { loss: 'nonSaturating', penalty: 'dragan', penaltyWeight: 10, discriminatorNorm: 'none' }],
  ['ragan', { loss: 'relativisticAverage', lr: 2e-4, beta1: 0.5 }],
])('%s has the defaults of its paper', (name, defaults) => {
  expect(modelEntry(name).schema.resolve({}, 'test')).toMatchObject(defaults);
});

describe.each(names)('%s', (name) => {
  test.each([
    { height: 12, width: 20, channels: 1, batch: 3 },
    { height: 28, width: 28, channels: 3, batch: 1 },
    { height: 16, width: 4, channels: 4, batch: 2 },
  ])('trains on $batch images of $height x $width x $channels', ({ batch, ...dims }) =>
    scope(async () => {
      const { networks, latent, phases } = build(modelEntry(name), dims);
      const images = networks.generator.forward(latent.sample(batch));
      expect(images.shape).toEqual([batch, dims.height, dims.width, dims.channels]);
      const [d, g] = phases.map((phase) => phase.loss(batchOf(batch, dims), networks));
      expect(Object.keys(await numbersOf(d)).sort()).toEqual(['loss', ...reported[name]].sort());
      expect(Object.keys(g)).toEqual(['loss']);
      for (const value of Object.values({ ...(await numbersOf(d)), ...(await numbersOf(g)) })) {
        expect(Number.isFinite(value)).toBe(true);
      }
    }),
  );

  test('a run writes down what it reports', async () => {
    const out = join(folder, name);
    await trainRun({ model: name, data: tinyData(), out, config: { ...tinyConfig.dcgan, steps: 4 } });
    const [, , , last] = await metricsOf(out);
    expect(last).toMatchObject(
      Object.fromEntries(['lossD', 'lossG', ...reported[name]].map((part) => [part, expect.any(Number)])),
    );
  });
});

test('lsgan refuses another objective, whose targets these would not be', () => {
  expect(() => modelEntry('lsgan').schema.resolve({ loss: 'hinge' }, 'test')).toThrow(
    /loss must be one of leastSquares, got "hinge"/,
  );
});

test('lsgan: an undecided discriminator costs ½ (b² + a²), and the generator ½ c²', () =>
  scope(async () => {
    const options = { targetFake: -2, targetReal: 3, targetGenerator: 4 };
    const built = build(modelEntry('lsgan'), square, options);
    const parameters = built.networks.discriminator.parameters();
    assign(
      parameters,
      parameters.map((t) => t.mul(0)),
    );
    const [d, g] = built.phases.map((phase) => phase.loss(batchOf(2, square), built.networks));
    expect(await d.loss.item()).toBeCloseTo((9 + 4) / 2, 5);
    expect(await g.loss.item()).toBeCloseTo(16 / 2, 5);
  }));

test('ragan: to an undecided discriminator every image is as real as the average, at 2 log 2 for both', () =>
  scope(async () => {
    const built = build(modelEntry('ragan'), square);
    const parameters = built.networks.discriminator.parameters();
    assign(
      parameters,
      parameters.map((t) => t.mul(0)),
    );
    for (const phase of built.phases) {
      const { loss } = phase.loss(batchOf(3, square), built.networks);
      expect(await loss.item()).toBeCloseTo(2 * Math.LN2, 5);
    }
  }));

test('dragan has no batch normalisation in the discriminator, and says why it can have none', () => {
  const { networks } = build(modelEntry('dragan'), { height: 16, width: 16, channels: 3 });
  const normalised = (network: AnyModule) => network.modules().some((layer) => layer instanceof BatchNorm2d);
  expect([normalised(networks.generator), normalised(networks.discriminator)]).toEqual([true, false]);
  const batchNorm = () =>
    build(modelEntry('dragan'), { height: 16, width: 16, channels: 3 }, { discriminatorNorm: 'batch' });
  expect(batchNorm).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  expect(batchNorm).toThrow(/penalty dragan looks at each image by itself/);
});

describe('wgan', () => {
  test('the critic alone is clipped', () =>
    scope(async () => {
      const { networks, phases } = build(modelEntry('wgan'), square, { clipWeights: 0.005 });
      const largest = async (network: AnyModule) =>
        Math.max(...(await Promise.all(network.parameters().map((t) => t.abs().max().item()))));
      const before = await largest(networks.generator);
      expect(await largest(networks.discriminator)).toBeGreaterThan(0.005);
      phases[0].after!();
      expect(await largest(networks.discriminator)).toBeCloseTo(0.005, 7);
      expect(await largest(networks.generator)).toBe(before);
      expect(phases[1].after).toBeUndefined();
    }));

  test('warms the critic up, if asked to, with 100 steps or as many as it has anyway', () => {
    const plan = (options: object) =>
      build(modelEntry('wgan'), square, { ...options }).phases.map(({ name, from, until, repeat }) => ({
        name,
        from,
        until,
        repeat,
      }));
    const g = { name: 'G', repeat: 1 };
    expect(plan({})).toEqual([{ name: 'D', repeat: 5 }, g]);
    expect(plan({ warmUpSteps: 25 })).toEqual([
      { name: 'D', until: 25, repeat: 100 },
      { name: 'D', from: 25, repeat: 5 },
      g,
    ]);
    expect(plan({ warmUpSteps: 2, dSteps: 150 })[0]).toEqual({ name: 'D', until: 2, repeat: 150 });
  });

  test('against a generator that stands still, the critic finds a distance', async () => {
    const out = join(folder, 'wgan-critic');
    const config = { ...tinyConfig.dcgan, steps: 40, dSteps: 2, lr: 1e-3, lrGenerator: 0, warmUpSteps: 0 };
    await trainRun({ model: 'wgan', data: tinyData(), out, config });
    const metrics = (await metricsOf(out)) as Record<string, number>[];
    for (const { lossD, distance } of metrics) expect(lossD).toBeCloseTo(-distance, 6);
    expect(metrics[39].distance).toBeGreaterThan(metrics[2].distance);
  });
});
