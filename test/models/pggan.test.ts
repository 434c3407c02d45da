// Progressive growing as a model: which phase runs when, at which size, with which penalty, and whole runs.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradientPenalty, wasserstein } from '../../src/losses/index.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import { pggan } from '../../src/models/pggan.js';
import {
  imagesAt,
  type ProgressiveDiscriminator,
  type ProgressiveGenerator,
} from '../../src/networks/progressive.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { randn } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { loadGenerator } from '../../src/train/generator.js';
import { type TrainEvent, trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();
const tiny = { batch: 4, zSize: 6, baseWidth: 4, maxWidth: 8, samples: 4, seed: 5, device: 'cpu' };
const schedule = { stableSteps: 3, fadeSteps: 2 };
const dims: ImageDims = { height: 12, width: 20, channels: 3 };

interface Built extends BuiltModel {
  networks: { generator: ProgressiveGenerator; discriminator: ProgressiveDiscriminator };
}

const build = (config: Record<string, unknown> = {}, size = dims): Built =>
  pggan.build(pggan.schema.resolve({ ...tiny, ...schedule, ...config }), size) as Built;

test("the recipe's rates and weights are the defaults", () => {
  expect(pggan.schema.resolve({})).toMatchObject({
    lr: 1e-3,
    beta1: 0,
    beta2: 0.99,
    dSteps: 1,
    lambda: 10,
    drift: 0.001,
  });
});

test('each level has phases of its own, one stage after the other', () => {
  const stages = build({ dSteps: 2 }).phases.map(({ name, from, until, repeat = 1 }) => [
    name,
    from,
    until,
    repeat,
  ]);
  expect(stages).toEqual([
    ['D', 0, 3, 2],
    ['G', 0, 3, 1],
    ['D', 3, 8, 2],
    ['G', 3, 8, 1],
    ['D', 8, undefined, 2],
    ['G', 8, undefined, 1],
  ]);
});

test('both networks count the steps of the generator', () =>
  scope(async () => {
    const { phases, networks } = build();
    const counts = async () => [
      await networks.generator.growth.steps.item(),
      await networks.discriminator.growth.steps.item(),
    ];
    phases[0].after?.();
    expect(await counts()).toEqual([0, 0]);
    for (const phase of phases) phase.after?.();
    expect(await counts()).toEqual([3, 3]);
  }));

describe('the critic', () => {
  // Of 3 levels; at a lower one a pixel is 4 or 16 of a full image, whose gradient is 2 or 4 times shorter.
  test.each([
    [0, 4],
    [1, 2],
    [2, 1],
  ])('at level %i has the penalty of images of full size, at a slope of %i', (level, scale) =>
    scope(async () => {
      manualSeed(level);
      const { phases, networks, latent } = build({ drift: 0 });
      const { generator, discriminator } = networks;
      for (const { growth } of [generator, discriminator]) {
        for (let step = 0; step < growth.start(level) + 1; step++) growth.advance();
      }
      const images = randn([4, 12, 20, 3]);
      manualSeed(50);
      const {
        loss,
        distance,
        penalty,
        level: reached,
      } = phases[2 * level].loss({ images, size: 4 }, networks);
      manualSeed(50);
      const fake = noGrad(() => generator.at(level, latent.sample(4)));
      const real = imagesAt(images, level, discriminator.growth);
      expect(fake.shape).toEqual([4, 12 / scale, 20 / scale, 3]);
      const critic = (x: Tensor) => discriminator.at(level, x);
      const value = await wasserstein.discriminator(critic(real), critic(fake)).item();
      expect(await distance.item()).toBeCloseTo(-value, 5);
      const options = { target: scale, lambda: 10 / scale ** 2 };
      const want = await noGrad(() => gradientPenalty(critic, real, fake, options)).item();
      expect(await penalty.item()).toBeCloseTo(want, 4);
      expect(await loss.item()).toBeCloseTo(value + want, 4);
      expect(await reached.item()).toBe(level === 0 ? 0 : level - 0.5);
    }),
  );

  test('is kept near 0 by the square of its logits', () =>
    scope(async () => {
      manualSeed(3);
      const { phases, networks } = build({ drift: 2, lambda: 0 });
      const { discriminator } = networks;
      assign(discriminator.output.bias!, discriminator.output.bias!.add(10));
      const images = randn([4, 12, 20, 3]);
      const { loss, distance } = phases[0].loss({ images, size: 4 }, networks);
      const real = await discriminator
        .at(0, imagesAt(images, 0, discriminator.growth))
        .square()
        .mean()
        .item();
      expect(real).toBeGreaterThan(25);
      expect((await loss.item()) + (await distance.item())).toBeCloseTo(2 * real, 2);
    }));
});

test('an image too small to grow has one level', () => {
  const built = build({}, { height: 5, width: 5, channels: 1 });
  expect(built.phases.map(({ name, from, until }) => [name, from, until])).toEqual([
    ['D', 0, undefined],
    ['G', 0, undefined],
  ]);
});

test('a run grows, replays every phase, continues bit for bit, and its generator knows its level', async () => {
  const eager: TrainEvent[] = [];
  const data = () => tinyData(12);
  const config = { ...tiny, stableSteps: 4, fadeSteps: 4, ema: 0.5, sampleEvery: 5 };
  const run = (out: string, steps: number) =>
    trainRun({
      model: 'pggan',
      data: data(),
      out: join(folder, out),
      config: { ...config, steps },
      onEvent: (event) => event.type === 'eager' && eager.push(event),
    });
  await run('whole', 18);
  await run('half', 10);
  const resumed = await loadGenerator(join(folder, 'half'));
  await trainRun({ model: 'pggan', data: data(), resume: join(folder, 'half'), config: { steps: 18 } });
  expect(eager).toEqual([]);
  const [whole, parts] = ['whole', 'half'].map((name) => join(folder, name));
  expect(await checkpointBytes(parts, 18)).toEqual(await checkpointBytes(whole, 18));
  const metrics = (await metricsOf(whole)) as Record<string, number>[];
  expect(metrics.map(({ level }) => level)).toEqual([
    0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1.25, 1.5, 1.75, 2, 2,
  ]);
  for (const { lossD, lossG } of metrics) expect(Number.isFinite(lossD + lossG)).toBe(true);
  const samples = await Promise.all(
    [whole, parts].map((path) => readFile(join(path, 'samples', '000018.png'))),
  );
  expect(samples[0].equals(samples[1])).toBe(true);
  // After 10 steps level 1 of 2 is the highest: every pixel of it is 2 x 2 of the image.
  const pixels = await resumed.generate(await resumed.latents(2, 1), 2);
  const at = (n: number, y: number, x: number) => pixels[(n * 12 + y) * 12 + x];
  for (let y = 0; y < 12; y++) {
    for (let x = 0; x < 12; x++) expect(at(1, y, x)).toBe(at(1, y - (y % 2), x - (x % 2)));
  }
  expect(new Set(pixels).size).toBeGreaterThan(8);
  resumed.dispose();
});
