// VAE/GAN: the encoder's distribution, who waits for whom, and runs that continue and give their encoder
// away.

import { describe, expect, test } from 'vitest';
import { modelEntry } from '../../src/models/registry.js';
import { Equilibrium, GaussianEncoder, reparametrised } from '../../src/networks/vaegan.js';
import { full, rand, tensor } from '../../src/tensor/ops/index.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { BatchSource } from '../../src/train/phase.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';
import { tinyConfig } from '../train/helpers.js';
import { encoderRunTest } from './encoder-run.js';

const code = (c: string) => expect.objectContaining({ code: c });

describe('the encoder', () => {
  test.each([
    { height: 8, width: 12, channels: 4, batch: 1 },
    { height: 28, width: 28, channels: 1, batch: 3 },
    { height: 4, width: 36, channels: 3, batch: 2 },
  ])('of $height x $width x $channels images, batch $batch', ({ batch, ...dims }) =>
    scope(async () => {
      const encoder = new GaussianEncoder(dims, 5, { baseWidth: 2 });
      const images = rand([batch, dims.height, dims.width, dims.channels]);
      const { mean, logVariance } = encoder.posterior(images);
      expect([mean.shape, logVariance.shape]).toEqual([
        [batch, 5],
        [batch, 5],
      ]);
      expect(await encoder.forward(images).data()).toEqual(await mean.data());
      const { networks } = modelEntry('vaegan').build(
        modelEntry('vaegan').schema.resolve({ baseWidth: 2, zSize: 5 }, 'test'),
        dims,
      );
      expect(networks.generator.forward(mean).shape).toEqual(images.shape);
    }),
  );

  test('refuses sides that are no multiple of 4', () => {
    expect(() => new GaussianEncoder({ height: 8, width: 10, channels: 1 }, 5)).toThrow(code('ERR_CONFIG'));
  });

  test('draws have its mean and variance', () =>
    scope(async () => {
      manualSeed(4);
      const n = 20_000;
      const z = Array.from(
        await reparametrised({
          mean: full([n, 1], 3),
          logVariance: full([n, 1], Math.log(4)),
        }).data(),
      );
      const mean = z.reduce((sum, v) => sum + v, 0) / n;
      const variance = z.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n;
      // Four standard errors.
      expect(Math.abs(mean - 3)).toBeLessThan((4 * 2) / Math.sqrt(n));
      expect(Math.abs(variance - 4)).toBeLessThan(4 * 4 * Math.sqrt(2 / n));
    }));
});

test.each([
  // Costs of real and generated images, and whether D and G learn, at 0.68 ± 0.35.
  [0.7, 0.7, 1, 1],
  [0.3, 0.7, 0, 1],
  [0.7, 0.32, 0, 1],
  [1.1, 0.7, 1, 0],
  [0.7, 1.04, 1, 0],
  [0.3, 1.1, 1, 1],
])('costs of %f and %f: D %i, G %i', (real, fake, d, g) =>
  scope(async () => {
    const balance = new Equilibrium(0.68, 0.35);
    expect(await balance.forward(tensor([real]).sum(), tensor([fake]).sum()).item()).toBe(d);
    expect(await balance.generator.item()).toBe(g);
  }),
);

describe('a player that waits', () => {
  const source: BatchSource = {
    next: async () => ({ images: rand([4, 8, 8, 1]), size: 4 }),
    state: () => 0,
    restore: () => {},
  };

  /** Which networks changed in eight steps, and the last losses. */
  async function changed(options: Record<string, unknown>) {
    const { schema, build } = modelEntry('vaegan');
    manualSeed(1);
    const config = schema.resolve({ baseWidth: 2, zSize: 3, lr: 1e-2, ...options }, 'test');
    const built = build(config, { height: 8, width: 8, channels: 1 });
    const names = ['encoder', 'generator', 'discriminator'];
    const values = () =>
      Promise.all(
        names.map((name) =>
          Promise.all(built.networks[name].parameters().map(async (t) => [...(await t.data())])),
        ),
      );
    const before = await values();
    const reports: StepReport[] = [];
    const trainer = new Trainer({
      ...built,
      data: source,
      callbacks: [{ onReport: (report) => void reports.push(report) }],
    });
    await trainer.run({ steps: 8 });
    const after = await values();
    const replaying = Object.values(trainer.captured).every((phase) => phase.replaying);
    trainer.dispose();
    const moved = names.filter((_, i) => JSON.stringify(before[i]) !== JSON.stringify(after[i]));
    return { moved, replaying, losses: reports[7].losses };
  }

  test('is D where it is far ahead, G where D is far behind; the encoder never', async () => {
    // No cost is as low or as high as these, or always.
    const ahead = await changed({ equilibrium: 1000, margin: 1 });
    expect(ahead).toMatchObject({ moved: ['encoder', 'generator'], replaying: true });
    const behind = await changed({ equilibrium: 0, margin: 0 });
    expect(behind).toMatchObject({ moved: ['encoder', 'discriminator'], replaying: true });
    expect((await changed({ margin: 1000 })).moved).toEqual(['encoder', 'generator', 'discriminator']);
    // Waiting, it still reports what it has lost.
    for (const { losses } of [ahead, behind]) {
      expect(losses.lossD).toBeCloseTo(losses.realCost + losses.fakeCost, 5);
      expect(losses.lossD).toBeGreaterThan(0.01);
      expect(losses.lossG).toBeGreaterThanOrEqual(losses.game);
    }
  });
});

encoderRunTest('vaegan', { ...tinyConfig.dcgan, margin: 0.02 }, [
  'lossD',
  'realCost',
  'fakeCost',
  'lossG',
  'game',
]);
