// R3GAN's game: its losses are the library's own put together, annealing is a cosine that replays and is
// saved, and the discriminator learns. One step against PyTorch's: pyramid-steps.test.ts.

import { expect, test } from 'vitest';
import { relativistic } from '../../src/losses/adversarial.js';
import { r1, r2 } from '../../src/losses/gradient-penalty.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import { r3gan } from '../../src/models/r3gan.js';
import type { R3ganDiscriminator } from '../../src/networks/r3gan.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { add, tensor, uniform } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { BatchSource, TrainBatch } from '../../src/train/phase.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';

const code = (c: string) => expect.objectContaining({ code: c });
const dims: ImageDims = { height: 6, width: 8, channels: 1, classes: 2 };
const tiny = { zSize: 4, baseWidth: 4, maxWidth: 8, blocks: 1, batch: 4 };

/** Bright images on the left half. */
class Halves implements BatchSource {
  async next(): Promise<TrainBatch> {
    return scope(() => {
      const bright = Float32Array.from({ length: 4 * 48 }, (_, i) => (i % 8 < 4 ? 0.5 : -0.5));
      const images = add(tensor(bright, [4, 6, 8, 1]), uniform([4, 6, 8, 1], { low: -0.2, high: 0.2 }));
      return { images, labels: tensor(Int32Array.of(0, 1, 0, 1), [4]), size: 4 };
    });
  }
  state = () => null;
  restore() {}
}

function build(config: Record<string, unknown> = {}): BuiltModel {
  manualSeed(6);
  return r3gan.build(r3gan.schema.resolve({ ...tiny, ...config }, 'test'), dims);
}

function trainerOf(built: BuiltModel, capture = true) {
  const reports: StepReport[] = [];
  const trainer = new Trainer({
    networks: built.networks,
    optimizers: built.optimizers,
    phases: built.phases.map((phase) => ({ ...phase, capture })),
    schedules: built.schedules,
    data: new Halves(),
    callbacks: [{ onReport: (report) => void reports.push(report) }],
  });
  return { trainer, reports };
}

function dispose({ networks, optimizers }: BuiltModel): void {
  for (const owner of [...Object.values(networks), ...Object.values(optimizers)]) owner.dispose();
}

test.each([{}, { conditional: true }])(
  'with %o the losses are the relativistic ones, R1 and R2, as computed one by one',
  (config) =>
    scope(async () => {
      const gamma = 0.8;
      const built = build({ ...config, gamma });
      const batch = await new Halves().next();
      const { networks } = built;
      const { generator } = networks;
      const discriminator = networks.discriminator as R3ganDiscriminator;
      const labels = built.classes === undefined ? [] : [batch.labels!];
      const judge = (x: Tensor) => discriminator.forward(x, ...labels);
      const [d, g] = built.phases;

      manualSeed(9);
      const fake = generator.forward(built.latent.sample(4), ...labels);
      const penalty = add(r1(judge, batch.images, { gamma }), r2(judge, fake, { gamma }));
      const wantD = add(relativistic.discriminator(judge(batch.images), judge(fake)), penalty);
      const wantG = relativistic.generator(judge(fake), undefined, judge(batch.images));

      manualSeed(9);
      const got = noGrad(() => d.loss(batch, networks));
      expect(await got.loss.item()).toBeCloseTo(await wantD.item(), 5);
      expect(await got.penalty.item()).toBeCloseTo(await penalty.item(), 5);
      manualSeed(9);
      const { loss } = g.loss(batch, networks);
      expect(await loss.item()).toBeCloseTo(await wantG.item(), 5);
      dispose(built);
    }),
);

test('along half a cosine the learning rates fall to a quarter and augmentation sets in', async () => {
  const built = build({ annealSteps: 10, augment: 'ada', augmentProbability: 0.4, lr: 0 });
  const { trainer, reports } = trainerOf(built);
  await trainer.run({ steps: 5 });
  const { annealing, augment } = built.networks;
  const read = async (t: Tensor) => (await t.data())[0];
  expect(await read(annealing.stateDict().step)).toBe(5);
  // The fifth step began at 4 of 10.
  const left = (1 + Math.cos(0.4 * Math.PI)) / 2;
  expect(await read(augment.stateDict().probability)).toBeCloseTo(0.4 * (1 - left), 5);
  expect(built.schedules!.generator(4)).toBeCloseTo(0.25 + 0.75 * left, 6);
  await trainer.run({ steps: 12 });
  expect(await read(augment.stateDict().probability)).toBeCloseTo(0.4, 6);
  expect(reports).toHaveLength(12);
  dispose(built);
});

test('with rates of 0 only γ changes the penalty', async () => {
  const penalties = async (config: Record<string, unknown>) => {
    const built = build({ lr: 0, ...config });
    const { trainer, reports } = trainerOf(built);
    manualSeed(21);
    await trainer.run({ steps: 6 });
    dispose(built);
    return reports.map(({ losses }) => losses.penalty);
  };
  const constant = await penalties({ gamma: 2 });
  const falling = await penalties({ gamma: 2, annealSteps: 4 });
  falling.forEach((penalty, step) => {
    const left = (1 + Math.cos((Math.PI * Math.min(4, step)) / 4)) / 2;
    expect(penalty / constant[step]).toBeCloseTo(0.1 + 0.9 * left, 5);
  });
});

test('replayed steps have the bits of eager ones', async () => {
  const run = async (capture: boolean) => {
    const built = build({ annealSteps: 6, conditional: true, augment: 'diffaugment' });
    const { trainer, reports } = trainerOf(built, capture);
    await trainer.run({ steps: 8 });
    const replaying = Object.values(trainer.captured).map((state) => state.replaying);
    const weights = await Promise.all(
      Object.values(built.networks).flatMap((network) =>
        Object.values(network.stateDict()).map(async (t) => Array.from(await t.data())),
      ),
    );
    trainer.dispose();
    dispose(built);
    return { replaying, weights, losses: reports.map(({ losses }) => losses) };
  };
  const [replayed, eager] = [await run(true), await run(false)];
  expect(replayed.replaying).toEqual([true, true]);
  expect(eager.replaying).toEqual([false, false]);
  expect(replayed.weights).toEqual(eager.weights);
  expect(replayed.losses).toEqual(eager.losses);
});

test('against a generator that stands still, the discriminator learns to tell', async () => {
  const built = build({ lrGenerator: 0, lrDiscriminator: 2e-3, gamma: 0.1 });
  const { trainer, reports } = trainerOf(built);
  await trainer.run({ steps: 60 });
  const margin = ({ losses }: StepReport) => losses.logitReal - losses.logitFake;
  expect(margin(reports[59])).toBeGreaterThan(margin(reports[0]) + 0.5);
  expect(reports[59].losses.lossD).toBeLessThan(reports[0].losses.lossD);
  dispose(built);
});

test('impossible sizes and data without classes are refused in plain words', () => {
  const make = (config: Record<string, unknown>, size: ImageDims) => () =>
    r3gan.build(r3gan.schema.resolve({ ...tiny, ...config }, 'test'), size);
  expect(make({}, { height: 30, width: 28, channels: 1 })).toThrow(/r3gan: .* got 30 x 28; try --height 32/);
  const noClasses = make({ conditional: true }, { height: 8, width: 8, channels: 1 });
  expect(noClasses).toThrow(code('ERR_CONFIG'));
  expect(noClasses).toThrow(/r3gan with conditional learns from labels, and these images have none/);
});
