// StyleGAN2 as a model: its recipe, lazy regularisation and the rates that go with it, classes, and whole runs.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { memoryDataset } from '../../src/data/memory.js';
import { pathLength, r1 } from '../../src/losses/index.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import { stylegan2 } from '../../src/models/stylegan2.js';
import type { StyleGAN2Discriminator } from '../../src/networks/stylegan2-discriminator.js';
import type { StyleGAN2Generator } from '../../src/networks/stylegan2-generator.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { add, full, randn, zeros } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { type TrainEvent, trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();
const code = (c: string) => expect.objectContaining({ code: c });
const tiny = {
  batch: 4,
  zSize: 6,
  wSize: 6,
  baseWidth: 4,
  maxWidth: 8,
  pathWeight: 2,
  mixing: 0.9,
  samples: 4,
  seed: 5,
  device: 'cpu',
};
const dims: ImageDims = { height: 8, width: 12, channels: 3 };

const build = (config: Record<string, unknown> = {}, size = dims): BuiltModel =>
  stylegan2.build(stylegan2.schema.resolve({ ...tiny, ...config }), size);

const phaseOf = ({ phases }: BuiltModel, name: string) => phases.find((phase) => phase.name === name);

test('phases are those of the authors: both regularisers seldom, and of the generator with half a batch', () => {
  const built = build();
  const phases = built.phases.map(({ name, every, from, until, train }) => [
    name,
    train[0],
    every,
    from,
    until,
  ]);
  expect(phases).toEqual([
    ['D', 'discriminator', undefined, undefined, undefined],
    ['Dreg', 'discriminator', 16, undefined, undefined],
    ['G', 'generator', undefined, undefined, undefined],
    ['Gstart', 'generator', undefined, 0, 1],
    ['Greg', 'generator', 4, 1, undefined],
  ]);
  const sizes: number[] = [];
  const { sample } = built.latent;
  Object.assign(built.latent, { sample: (n: number) => sizes.push(n) && sample(n) });
  for (const size of [5, 1]) {
    scope(() => phaseOf(built, 'Greg')!.loss({ images: randn([size, 8, 12, 3]), size }, built.networks));
  }
  expect(sizes).toEqual([2, 1]);
});

describe('rates', () => {
  /** Where a weight goes from 0 in two steps with the gradients 1 and 2. */
  async function twoSteps(side: 'generator' | 'discriminator', config: Record<string, unknown>) {
    const optimizer = build(config).optimizers[side];
    const [first] = optimizer.parameters;
    const before = (await first.data())[0];
    for (const g of [1, 2]) scope(() => optimizer.step(optimizer.parameters.map((p) => full(p.shape, g))));
    return (await first.data())[0] - before;
  }

  /** The same for Adam without momentum. */
  function adam(lr: number, beta2: number): number {
    const second = (beta2 * (1 - beta2) + 4 * (1 - beta2)) / (1 - beta2 ** 2);
    return -lr * (1 + 2 / Math.sqrt(second));
  }

  test.each([
    ['generator', {}, 4 / 5],
    ['discriminator', {}, 16 / 17],
    ['generator', { pathWeight: 0 }, 1],
    ['discriminator', { penaltyEvery: 1 }, 1],
    ['discriminator', { penalty: 'none' }, 1],
    ['discriminator', { penaltyEvery: 3 }, 3 / 4],
  ] as const)('of the %s with %j are those of one update in so many less', async (side, config, r) => {
    expect(await twoSteps(side, { lr: 0.01, beta2: 0.5, ...config })).toBeCloseTo(
      adam(0.01 * r, 0.5 ** r),
      5,
    );
  });

  test('of each side may be given', () => {
    const { optimizers } = build({ lrGenerator: 0.01, lrDiscriminator: 0.02 });
    expect(optimizers.generator.lr).toBeCloseTo(0.008, 8);
    expect(optimizers.discriminator.lr).toBeCloseTo((0.02 * 16) / 17, 8);
  });
});

test('R1 weighs 16 times what it is', () =>
  scope(async () => {
    const images = randn([4, 8, 12, 3]);
    for (const [config, gamma] of [
      [{}, 10],
      [{ penaltyWeight: 3 }, 3],
    ] as const) {
      const built = build(config);
      const critic = built.networks.discriminator as StyleGAN2Discriminator;
      const { loss, penalty } = phaseOf(built, 'Dreg')!.loss({ images, size: 4 }, built.networks);
      const want = await noGrad(() => r1((x) => critic.forward(x), images, { gamma })).item();
      expect(await penalty.item()).toBeCloseTo(want, 5);
      expect(await loss.item()).toBeCloseTo(16 * want, 4);
    }
  }));

test('the average of path lengths begins with those of the first batch and then follows slowly', () =>
  scope(async () => {
    manualSeed(1);
    const built = build();
    const generator = built.networks.generator as StyleGAN2Generator;
    const [average] = Object.values(built.networks.pathLength.stateDict());
    expect(await average.item()).toBe(0);
    const batch = { images: randn([4, 8, 12, 3]), size: 4 };
    manualSeed(2);
    const first = phaseOf(built, 'Gstart')!.loss(batch, built.networks);
    const begun = await average.item();
    manualSeed(2);
    const own = add(zeros([]), 0);
    const w = generator.mapMixed(built.latent.sample(2));
    noGrad(() => pathLength((at) => generator.synthesize(at), w, { runningMean: own, decay: 1 }));
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeCloseTo(await own.item(), 6);
    expect(await first.loss.item()).toBe(await first.path.item());
    const { loss, path } = phaseOf(built, 'Greg')!.loss(batch, built.networks);
    expect(await loss.item()).toBeCloseTo(4 * (await path.item()), 4);
    const moved = Math.abs((await average.item()) - begun);
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(0.05 * begun);
    expect(Object.keys(build({ pathWeight: 0 }).networks)).not.toContain('pathLength');
  }));

test('classes are learned if asked for, and only from data that has them', () => {
  expect(build({}, { ...dims, classes: 3 }).classes).toBeUndefined();
  const built = build({ conditional: true }, { ...dims, classes: 3 });
  expect(built.classes).toBe(3);
  expect((built.networks.generator as StyleGAN2Generator).mapping.embedding!.weight.shape).toEqual([3, 6]);
  expect(() => build({ conditional: true })).toThrow(code('ERR_CONFIG'));
});

test('other sizes are refused, with one that works', () => {
  expect(() => build({}, { height: 30, width: 30, channels: 1 })).toThrow(
    /stylegan2: .* got 30 x 30; try --height 32 --width 32/,
  );
});

/** 24 noisy images of 6 x 8 in two classes. */
const labelled = () => {
  const images = Uint8Array.from({ length: 24 * 6 * 8 }, (_, i) => (i * 7919) % 256);
  const labels = Int32Array.from({ length: 24 }, (_, i) => i % 2);
  const common = { name: 'tiny', height: 6, width: 8, channels: 1, flip: false };
  return memoryDataset({ ...common, images, labels, classes: ['a', 'b'] });
};

describe('a run', () => {
  test('replays every phase, and continues bit for bit', async () => {
    const eager: TrainEvent[] = [];
    const options = { ...tiny, penaltyEvery: 2, pathEvery: 2, ema: 0.9 };
    const run = (out: string, steps: number) =>
      trainRun({
        model: 'stylegan2',
        data: tinyData(),
        out: join(folder, out),
        config: { ...options, steps },
        onEvent: (event) => event.type === 'eager' && eager.push(event),
      });
    await run('whole', 12);
    await run('half', 7);
    await trainRun({
      model: 'stylegan2',
      data: tinyData(),
      resume: join(folder, 'half'),
      config: { steps: 12 },
    });
    expect(eager).toEqual([]);
    const [whole, parts] = ['whole', 'half'].map((name) => join(folder, name));
    expect(await checkpointBytes(parts, 12)).toEqual(await checkpointBytes(whole, 12));
    const metrics = (await metricsOf(whole)) as Record<string, number>[];
    expect(metrics.map(({ lossGreg }) => lossGreg !== undefined)).toEqual(
      Array.from({ length: 12 }, (_, i) => i > 0 && i % 2 === 0),
    );
    expect(metrics.findLastIndex(({ lossGstart }) => lossGstart !== undefined)).toBe(0);
    for (const { lossD, lossG } of metrics) expect(Number.isFinite(lossD + lossG)).toBe(true);
    const samples = await Promise.all(
      [whole, parts].map((path) => readFile(join(path, 'samples', '000012.png'))),
    );
    expect(samples[0].equals(samples[1])).toBe(true);
  });

  test('with classes and adaptive augmentation', async () => {
    const config = { ...tiny, steps: 4, conditional: true, augment: 'ada' };
    const { losses } = await trainRun({
      model: 'stylegan2',
      data: labelled(),
      out: join(folder, 'labelled'),
      config,
    });
    expect(Number.isFinite(losses.lossD + losses.lossG)).toBe(true);
  });
});
