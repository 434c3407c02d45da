// LAPGAN's games: every level has its own, they are played in one step, none touches another's weights, and
// each side learns. One step against PyTorch's: pyramid-steps.test.ts.

import { expect, test } from 'vitest';
import { lapgan } from '../../src/models/lapgan.js';
import type { BuiltModel, ImageDims } from '../../src/models/model.js';
import type { LapganGenerator } from '../../src/networks/lapgan.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { abs, max, maximum, randn, tensor } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { BatchSource, PhaseResult, TrainBatch } from '../../src/train/phase.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';

const dims: ImageDims = { height: 16, width: 8, channels: 1, classes: 2 };
const tiny = { baseLatent: 4, hidden: 8, baseWidth: 3, batch: 4 };

class Stripes implements BatchSource {
  async next(): Promise<TrainBatch> {
    const stripes = Float32Array.from({ length: 4 * 128 }, (_, i) => (i % 2 ? 0.6 : -0.6));
    return {
      images: tensor(stripes, [4, 16, 8, 1]),
      labels: tensor(Int32Array.of(0, 1, 0, 1), [4]),
      size: 4,
    };
  }
  state = () => null;
  restore() {}
}

function build(config: Record<string, unknown> = {}): BuiltModel {
  manualSeed(3);
  return lapgan.build(lapgan.schema.resolve({ ...tiny, ...config }, 'test'), dims);
}

function dispose({ networks, optimizers }: BuiltModel): void {
  for (const owner of [...Object.values(networks), ...Object.values(optimizers)]) owner.dispose();
}

test('the loss is the sum over the levels, each with a gradient for its own weights only', () =>
  scope(async () => {
    const built = build();
    const batch = await new Stripes().next();
    const generator = built.networks.generator as LapganGenerator;
    const [, g] = built.phases;
    const named = generator.namedParameters();
    for (const part of ['loss', 'G0', 'G1']) {
      const { value, grads } = valueAndGrad(
        (): PhaseResult => {
          const result = g.loss(batch, built.networks);
          return { ...result, loss: result[part] };
        },
        named.map(([, t]) => t),
      );
      for (const [i, [name]] of named.entries()) {
        const touched = (await max(abs(grads[i])).item()) > 0;
        const own = part === 'loss' || name.startsWith(part === 'G0' ? 'base.' : 'levels.');
        expect(touched, `${part}: ${name}`).toBe(own);
      }
      if (part !== 'loss') continue;
      const total = (await value.G0.item()) + (await value.G1.item());
      expect(await value.loss.item()).toBeCloseTo(total, 5);
    }
    dispose(built);
  }));

test.each([{}, { conditional: true, loss: 'leastSquares', dSteps: 2 }, { optimizer: 'sgd', lr: 0.02 }])(
  'a run with %o reports every level, replays, and changes all weights',
  async (config) => {
    const built = build(config);
    const reports: StepReport[] = [];
    const trainer = new Trainer({
      networks: built.networks,
      optimizers: built.optimizers,
      phases: built.phases,
      data: new Stripes(),
      callbacks: [{ onReport: (report) => void reports.push(report) }],
    });
    const weights = () =>
      Promise.all(
        Object.values(built.networks)
          .flatMap((network) => network.parameters())
          .map(async (t) => Array.from(await t.data())),
      );
    const before = await weights();
    await trainer.run({ steps: 6 });
    expect(Object.keys(reports[5].losses)).toEqual(['lossD', 'D0', 'D1', 'lossG', 'G0', 'G1']);
    expect(Object.values(trainer.captured).map(({ replaying }) => replaying)).toEqual([true, true]);
    (await weights()).forEach((values, i) => {
      expect(values).not.toEqual(before[i]);
    });
    trainer.dispose();
    dispose(built);
  },
);

test('against generators that stand still, every discriminator learns to tell', async () => {
  const built = build({ lrGenerator: 0, lrDiscriminator: 5e-3 });
  const reports: StepReport[] = [];
  const trainer = new Trainer({
    networks: built.networks,
    optimizers: built.optimizers,
    phases: built.phases,
    data: new Stripes(),
    callbacks: [{ onReport: (report) => void reports.push(report) }],
  });
  await trainer.run({ steps: 80 });
  const mean = (part: string, from: number) =>
    reports.slice(from, from + 10).reduce((sum, { losses }) => sum + losses[part] / 10, 0);
  for (const part of ['D0', 'D1']) expect(mean(part, 70), part).toBeLessThan(0.5 * mean(part, 0));
  trainer.dispose();
  dispose(built);
});

test('latents are those of the base and a plane for each level, and images lie in [-1, 1]', () =>
  scope(async () => {
    const built = build({ levels: 1 });
    expect(built.latent.size).toBe(4 + 128);
    const images = built.networks.generator.forward(randn([2, built.latent.size]).mul(4));
    expect(await max(maximum(abs(images), 0)).item()).toBeLessThanOrEqual(1);
    expect(() => build({ levels: 3 })).toThrow(
      /for 3 levels, height and width must be multiples of 8 of at least 32/,
    );
    dispose(built);
  }));
