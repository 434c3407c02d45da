// Training in stages: phases that begin and end, what follows a step, learning rates that fall, and models
// that are files.

import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { loadModel } from '../../src/models/registry.js';
import { Linear } from '../../src/nn/linear.js';
import { SGD } from '../../src/optim/sgd.js';
import { ones, zeros } from '../../src/tensor/ops/index.js';
import { clampInPlace } from '../../src/tensor/ops/optim.js';
import { loadGenerator } from '../../src/train/generator.js';
import type { BatchSource, Phase } from '../../src/train/phase.js';
import { trainRun } from '../../src/train/run.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyConfig, tinyData } from './helpers.js';

const folder = await temporaryFolder();

class Empty implements BatchSource {
  count = 0;
  async next() {
    this.count += 1;
    return { images: zeros([2, 1, 1, 1]), size: 2 };
  }
  state = () => this.count;
  restore(state: unknown) {
    this.count = state as number;
  }
}

function makeTrainer(phases: (weight: Linear) => Phase[]) {
  const weight = new Linear(1, 1, { bias: false, weightInit: (shape) => ones(shape) });
  const reports: StepReport[] = [];
  const trainer = new Trainer({
    networks: { weight },
    phases: phases(weight),
    optimizers: { weight: new SGD(weight, { lr: 1 }) },
    data: new Empty(),
    callbacks: [{ onReport: (report) => void reports.push(report) }],
  });
  const ran = () => reports.map(({ losses }) => Object.keys(losses).join(' '));
  return { trainer, weight, reports, ran };
}

/** A step of this phase takes 1 off the weight. */
const lowering = (weight: Linear, more: Partial<Phase> = {}): Phase => ({
  name: 'A',
  train: ['weight'],
  loss: () => ({ loss: weight.weight.sum() }),
  ...more,
});

describe('a phase', () => {
  test('runs from one step until another', async () => {
    const { trainer, weight, ran } = makeTrainer((w) => [
      lowering(w, { name: 'first', until: 3 }),
      lowering(w, { name: 'second', from: 3, until: 7, every: 2 }),
      lowering(w, { name: 'last', from: 7 }),
    ]);
    await trainer.run({ steps: 10 });
    const steps = ['lossfirst', 'lossfirst', 'lossfirst', 'losssecond', 'losssecond'];
    expect(ran()).toEqual([...steps, 'losslast', 'losslast', 'losslast']);
    // Counted from 0, the second runs in steps 4 and 6.
    expect(await weight.weight.item()).toBe(1 - 3 - 2 - 3);
  });

  test('of another stage may share a name', async () => {
    const { trainer, ran, weight } = makeTrainer((w) => [
      lowering(w, { until: 2 }),
      lowering(w, { from: 2, loss: () => ({ loss: w.weight.mul(10).sum() }) }),
    ]);
    await trainer.run({ steps: 4 });
    expect(ran()).toEqual(['lossA', 'lossA', 'lossA', 'lossA']);
    expect(await weight.weight.item()).toBe(1 - 2 - 20);
  });

  test('frees its recording when its stage is over, and is recorded where it runs', async () => {
    const { trainer } = makeTrainer((w) => [
      lowering(w, { name: 'first', until: 6 }),
      lowering(w, { name: 'second', from: 6 }),
    ]);
    await trainer.run({ steps: 5 });
    expect(trainer.captured).toEqual({ first: { replaying: true }, second: { replaying: false } });
    await trainer.run({ steps: 12 });
    expect(trainer.captured).toEqual({ first: { replaying: false }, second: { replaying: true } });
    trainer.dispose();
  });

  test('is followed by `after`, replayed or not', async () => {
    for (const capture of [true, false]) {
      const { trainer, weight } = makeTrainer((w) => [
        lowering(w, { capture, after: () => clampInPlace([w.weight], -0.5, 0.5) }),
      ]);
      await trainer.run({ steps: 8 });
      expect(trainer.captured.A.replaying).toBe(capture);
      expect(await weight.weight.item()).toBe(-0.5);
      trainer.dispose();
    }
  });

  test.each([
    [{ from: -1 }, /from step -1/],
    [{ from: 4, until: 4 }, /from step 4 until 4; expected 0 <= from < until/],
    [{ until: 0 }, /until 0/],
  ])('is refused with %j', (more, message) => {
    expect(() => makeTrainer((w) => [lowering(w, more)])).toThrow(message);
    expect(() => makeTrainer((w) => [lowering(w, more)])).toThrow(
      expect.objectContaining({ code: 'ERR_ARGUMENT' }),
    );
  });
});

describe('lrDecay', () => {
  /** The learning rate of every step, from what it does to a weight with the gradient 1. */
  const model = (out: string, config: Record<string, unknown>) =>
    trainRun({
      model: 'gan',
      data: tinyData(),
      out: join(folder, out),
      config: { ...tinyConfig.gan, ema: 0, ...config },
    });
  const rateAt = async (out: string, step: number) => {
    const { state } = await checkpointBytes(join(folder, out), step);
    return state.optimizers.generator.lr as number;
  };

  test.each([
    ['linear', (step: number) => 1 - step / 8],
    ['cosine', (step: number) => (1 + Math.cos((Math.PI * step) / 8)) / 2],
    ['none', () => 1],
  ] as const)('%s', async (lrDecay, factor) => {
    const out = `decay-${lrDecay}`;
    await model(out, { steps: 8, saveEvery: 1, lr: 0.01, lrDecay });
    // A checkpoint of step n has the rate that step n was taken with, n - 1 counted from 0.
    for (const step of [1, 4, 8]) expect(await rateAt(out, step)).toBeCloseTo(0.01 * factor(step - 1), 8);
  });

  test('over fewer steps than the run has, the rest has no rate left', async () => {
    await model('short', { steps: 6, saveEvery: 1, lr: 0.01, lrDecay: 'linear', lrDecaySteps: 4 });
    expect(await rateAt('short', 5)).toBe(0);
    const [four, six] = [4, 6].map((step) => checkpointBytes(join(folder, 'short'), step));
    // The running statistics of batch normalisation still move, the weights do not: no loss sees another
    // network.
    expect((await four).state.optimizers.generator.step).toBe(4);
    expect((await six).state.optimizers.generator.step).toBe(6);
  });

  test('a run made longer keeps the rates that it had', async () => {
    await model('longer', { steps: 4, lr: 0.01, lrDecay: 'linear' });
    const resumed = { model: 'gan', data: tinyData(), resume: join(folder, 'longer') };
    await trainRun({ ...resumed, config: { steps: 6 } });
    expect(await rateAt('longer', 6)).toBe(0);
  });
});

describe('a model that is a file', async () => {
  const path = join(folder, 'my-gan.mjs');
  const models = pathToFileURL(resolve(import.meta.dirname, '../../src/models/index.ts')).href;
  await writeFile(
    path,
    `import { adversarialGame, defineModel, gameFields, modelEntry } from ${JSON.stringify(models)};
     const gan = modelEntry('gan');
     export default defineModel({
       name: 'my-gan',
       summary: 'the perceptron GAN under another name',
       fields: { ...gan.schema.fields, loss: { ...gameFields.loss, default: 'hinge' } },
       build: (config, dims) => gan.build(config, dims),
     });`,
  );

  test('is trained, continued and sampled by its path', async () => {
    const config = { ...tinyConfig.gan, steps: 6 };
    const out = join(folder, 'my-run');
    await trainRun({ model: path, data: tinyData(), out, config: { ...config, steps: 3 } });
    await trainRun({ model: path, data: tinyData(), resume: out, config: { steps: 6 } });
    const builtIn = join(folder, 'built-in');
    await trainRun({ model: 'gan', data: tinyData(), out: builtIn, config: { ...config, loss: 'hinge' } });
    expect(await metricsOf(out)).toEqual(await metricsOf(builtIn));
    expect((await checkpointBytes(out, 6)).weights).toBe((await checkpointBytes(builtIn, 6)).weights);
    const [mine, other] = [await loadGenerator(out), await loadGenerator(builtIn)];
    const z = await mine.latents(3, 1);
    expect(await mine.generate(z, 3)).toEqual(await other.generate(z, 3));
    mine.dispose();
    other.dispose();
  });

  test('is refused when it cannot be loaded or exports no model', async () => {
    await expect(loadModel('./nowhere.mjs')).rejects.toThrow(/cannot load the model \.\/nowhere\.mjs/);
    const empty = join(folder, 'empty.mjs');
    await writeFile(empty, 'export const model = 1;');
    await expect(loadModel(empty)).rejects.toThrow(/has no model: expected a file with `export default/);
    await expect(loadModel(empty)).rejects.toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
  });
});
