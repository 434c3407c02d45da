// Batches taken in parts: the gradient of the whole, where no statistic of the batch is involved; and the
// norm of gradients as a report, which changes nothing.

import { expect, test } from 'vitest';
import { adversarialGame } from '../../src/models/game.js';
import { type GameConfig, plainGame } from '../../src/models/game-options.js';
import { type Latent, modelEntry } from '../../src/models/index.js';
import { perceptronDiscriminator, perceptronGenerator } from '../../src/networks/perceptron.js';
import { Linear } from '../../src/nn/linear.js';
import type { AnyModule } from '../../src/nn/module.js';
import { SGD } from '../../src/optim/sgd.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { concat, slice, tensor, uniform } from '../../src/tensor/ops/index.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { keep, scope } from '../../src/tensor/scope.js';
import type { BatchSource, Phase, TrainBatch } from '../../src/train/phase.js';
import { trainRun } from '../../src/train/run.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';
import { metricsOf, temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const folder = await temporaryFolder();
const dims = { height: 4, width: 4, channels: 1 };

/** The same batches for every trainer: images and labels from a generator of their own. */
class Images implements BatchSource {
  count = 0;
  readonly #generator = new Generator(9);
  constructor(readonly size: number) {}
  async next(): Promise<TrainBatch> {
    this.count += 1;
    const { size } = this;
    const images = uniform([size, 4, 4, 1], { low: -1, high: 1, generator: this.#generator });
    return {
      images,
      labels: tensor(
        Int32Array.from({ length: size }, (_, i) => i % 3),
        [size],
      ),
      size,
    };
  }
  state = () => this.count;
  restore(state: unknown) {
    this.count = state as number;
  }
}

const valuesOf = (network: AnyModule) =>
  Promise.all(network.parameters().map(async (t) => Array.from(await t.data())));

test.each([2, 3, 6])(
  '%i parts have the gradient, the loss and the other parts of the whole batch',
  async (parts) => {
    const run = async (accumulate: number) => {
      manualSeed(5);
      const classifier = new Linear(16, 1);
      const seen: number[] = [];
      const reports: StepReport[] = [];
      const phase: Phase = {
        name: 'C',
        train: ['classifier'],
        loss: ({ images, labels, size }) => {
          seen.push(size);
          expect(images.shape).toEqual([size, 4, 4, 1]);
          const scores = classifier.forward(images.reshape([size, 16])).reshape([size]);
          const errors = scores.sub(labels!.cast('f32')).square();
          return { loss: errors.mean(), score: scores.mean() };
        },
      };
      const trainer = new Trainer({
        networks: { classifier },
        phases: [phase],
        optimizers: { classifier: new SGD(classifier, { lr: 0.1 }) },
        data: new Images(6),
        accumulate,
        callbacks: [{ onReport: (report) => void reports.push(report) }],
      });
      await trainer.run({ steps: 5 });
      trainer.dispose();
      return { weights: await valuesOf(classifier), losses: reports.map(({ losses }) => losses), seen };
    };
    const [whole, taken] = [await run(1), await run(parts)];
    expect(new Set(taken.seen)).toEqual(new Set([6 / parts]));
    taken.weights.flat().forEach((w, i) => {
      expect(Math.abs(w - whole.weights.flat()[i])).toBeLessThan(1e-6);
    });
    taken.losses.forEach(({ lossC, score }, i) => {
      expect(Math.abs(lossC - whole.losses[i].lossC)).toBeLessThan(1e-5);
      expect(Math.abs(score - whole.losses[i].score)).toBeLessThan(1e-5);
    });
  },
);

/** Latents that are a list taken in turn, so that parts get those of the whole. */
function listedLatent(count: number): Latent & { begin(): void } {
  const all = keep(uniform([count, 3], { low: -1, high: 1, generator: new Generator(2) }));
  let next = 0;
  return {
    size: 3,
    begin: () => {
      next = 0;
    },
    sample(n) {
      const z = slice(all, [next % count, 0], [n, 3]);
      next += n;
      return z;
    },
  };
}

test('the phases of a game have the mean gradient of their parts', async () => {
  manualSeed(1);
  const latent = listedLatent(6);
  const config = plainGame({
    lr: 0.1,
    lrGenerator: null,
    lrDiscriminator: null,
    beta1: 0,
    beta2: 0.9,
    dSteps: 1,
    batch: 6,
  } satisfies Partial<GameConfig> as GameConfig);
  const generator = perceptronGenerator(dims, 3, { hidden: 2, norm: 'none' });
  const discriminator = perceptronDiscriminator(dims, { hidden: 2 });
  const { phases, networks } = adversarialGame({ generator, discriminator, latent, dims }, config);
  const { images, size } = await new Images(6).next();
  for (const phase of phases) {
    const parameters = networks[phase.train[0]].parameters();
    const gradients = (batches: TrainBatch[]) =>
      scope(async () => {
        latent.begin();
        const all = batches.map((batch) => valueAndGrad(() => phase.loss(batch, networks), parameters).grads);
        const means = parameters.map((_, i) => concat(all.map((grads) => grads[i].reshape([1, -1]))).mean(0));
        return Promise.all(means.map(async (t) => Array.from(await t.data())));
      });
    const part = (i: number) => ({ images: slice(images, [2 * i, 0, 0, 0], [2, 4, 4, 1]), size: 2 });
    const whole = await gradients([{ images, size }]);
    const taken = await gradients([part(0), part(1), part(2)]);
    taken.flat().forEach((g, i) => {
      expect(Math.abs(g - whole.flat()[i])).toBeLessThan(1e-6);
    });
  }
});

test('a run takes `accumulate` batches for one update', async () => {
  const out = `${folder}/accumulated`;
  const config = { ...tinyConfig.dcgan, batch: 4, accumulate: 3, steps: 4 };
  await trainRun({ model: 'dcgan', data: tinyData(), out, config });
  const metrics = await metricsOf(out);
  expect(metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  for (const { lossD } of metrics) expect(Number.isFinite(lossD)).toBe(true);
});

test('parts that are not equal, and a count that is none, are refused', async () => {
  const trainer = (accumulate: number) => {
    const classifier = new Linear(16, 1);
    return new Trainer({
      networks: { classifier },
      phases: [{ name: 'C', train: ['classifier'], loss: () => ({ loss: classifier.weight.sum() }) }],
      optimizers: { classifier: new SGD(classifier, { lr: 0.1 }) },
      data: new Images(6),
      accumulate,
    });
  };
  await expect(trainer(4).run({ steps: 1 })).rejects.toThrow(/a batch of 6 cannot be taken in 4 equal parts/);
  expect(() => trainer(0)).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  expect(() => trainer(1.5)).toThrow(/accumulate/);
});

test('gradNormEvery reports the norms in every n-th step and changes no bit', async () => {
  const run = async (gradNormEvery: number | undefined, accumulate = 1) => {
    const { schema, build } = modelEntry('gan');
    manualSeed(7);
    const config = schema.resolve({ ...tinyConfig.gan, clipGradients: 0.5 }, 'test');
    const built = build(config, dims);
    const reports: StepReport[] = [];
    const trainer = new Trainer({
      ...built,
      data: new Images(4),
      gradNormEvery,
      accumulate,
      callbacks: [{ onReport: (report) => void reports.push(report) }],
    });
    await trainer.run({ steps: 12 });
    const { D, G } = trainer.captured;
    trainer.dispose();
    const weights = [await valuesOf(built.networks.generator), await valuesOf(built.networks.discriminator)];
    return { weights, reports, replaying: [D.replaying, G.replaying] };
  };
  for (const accumulate of [1, 2]) {
    const [plain, watched] = [await run(undefined, accumulate), await run(4, accumulate)];
    expect(watched.weights).toEqual(plain.weights);
    expect(watched.replaying).toEqual([true, true]);
    for (const { step, losses } of watched.reports) {
      const { gradNormD, gradNormG, ...rest } = losses;
      expect(rest).toEqual(plain.reports[step - 1].losses);
      if (step % 4 === 0) expect(Math.min(gradNormD, gradNormG)).toBeGreaterThan(0);
      else expect([gradNormD, gradNormG]).toEqual([undefined, undefined]);
    }
  }
});

test('the norm is that of the gradients before they are clipped', async () => {
  const classifier = new Linear(3, 1, { bias: false });
  const reports: StepReport[] = [];
  const trainer = new Trainer({
    networks: { classifier },
    // The gradient is (3, 3, 3).
    phases: [
      { name: 'C', train: ['classifier'], clip: 1, loss: () => ({ loss: classifier.weight.mul(3).sum() }) },
    ],
    optimizers: { classifier: new SGD(classifier, { lr: 0.1 }) },
    data: new Images(2),
    gradNormEvery: 1,
    callbacks: [{ onReport: (report) => void reports.push(report) }],
  });
  await trainer.run({ steps: 1 });
  expect(reports[0].losses.gradNormC).toBeCloseTo(3 * Math.sqrt(3), 5);
});
