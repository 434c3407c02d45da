// The loop over phases: which networks learn, how often, from what; what is reported when; how it stops.

import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { Module, parameter } from '../../src/nn/module.js';
import { EMA } from '../../src/optim/ema.js';
import { linear } from '../../src/optim/schedules.js';
import { SGD } from '../../src/optim/sgd.js';
import { tensor, zeros } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { BatchSource, Phase, TrainBatch } from '../../src/train/phase.js';
import { type StepReport, Trainer, type TrainerOptions } from '../../src/train/trainer.js';

const code = (c: string) => expect.objectContaining({ code: c });

class Weight extends Module {
  readonly w = parameter(tensor(Float32Array.of(1), [1]));
  forward(x: Tensor): Tensor {
    return x.mul(this.w);
  }
}

/** Batches whose every value is their number, from 1. */
class Counting implements BatchSource {
  count = 0;
  async next(): Promise<TrainBatch> {
    this.count += 1;
    return { images: zeros([2, 1, 1, 1]).add(this.count), size: 2 };
  }
  state = () => this.count;
  restore(state: unknown) {
    this.count = state as number;
  }
}

type Nets = { a: Weight; b: Weight };

function makeTrainer(phases: Phase<Nets>[], more: Partial<TrainerOptions<Nets>> = {}) {
  const networks = { a: new Weight(), b: new Weight() };
  const optimizers = { a: new SGD(networks.a, { lr: 1 }), b: new SGD(networks.b, { lr: 10 }) };
  const data = new Counting();
  const reports: StepReport[] = [];
  const trainer = new Trainer<Nets>({
    networks,
    optimizers,
    data,
    phases,
    ...more,
    callbacks: [{ onReport: (report) => void reports.push(report) }, ...(more.callbacks ?? [])],
  });
  const weights = async () => [await networks.a.w.item(), await networks.b.w.item()];
  return { trainer, networks, optimizers, data, reports, weights };
}

// Each step takes the gradient 1 off the weight, times the learning rate.
const lowering = (name: string, train: 'a' | 'b', more: Partial<Phase<Nets>> = {}): Phase<Nets> => ({
  name,
  train: [train],
  loss: (_, nets) => ({ loss: nets[train].w.sum() }),
  ...more,
});

describe('phases', () => {
  test('train only the networks they name, with separate learning rates', async () => {
    const both: Phase<Nets> = {
      name: 'A',
      train: ['a'],
      loss: (_, { a, b }) => ({ loss: a.w.mul(b.w).sum(), other: b.w.sum() }),
    };
    const { trainer, reports, weights } = makeTrainer([both, lowering('B', 'b')]);
    await trainer.run({ steps: 1 });
    expect(await weights()).toEqual([0, -9]);
    expect(reports.map(({ step, losses }) => ({ step, losses }))).toEqual([
      { step: 1, losses: { lossA: 1, other: 1, lossB: 1 } },
    ]);
    expect(reports[0].imagesPerSecond).toBeGreaterThan(0);
  });

  test('may train several networks at once', async () => {
    const { trainer, weights } = makeTrainer([
      { name: 'AB', train: ['b', 'a'], loss: (_, { a, b }) => ({ loss: a.w.add(b.w.mul(2)).sum() }) },
    ]);
    await trainer.run({ steps: 1 });
    expect(await weights()).toEqual([0, -19]);
  });

  test('run every n-th step and n times per step, with fresh batches', async () => {
    const seen: number[] = [];
    const { trainer, data, reports, weights } = makeTrainer([
      lowering('A', 'a', { repeat: 3, loss: (batch, { a }) => ({ loss: a.w.mul(batch.images).mean() }) }),
      lowering('B', 'b', {
        every: 2,
        loss: (batch, { b }) => {
          seen.push(data.count);
          return { loss: b.w.mul(batch.images.mean()).sum() };
        },
      }),
    ]);
    await trainer.run({ steps: 3 });
    expect(data.count).toBe(9);
    expect(seen).toEqual([3, 9]);
    expect(reports.map(({ losses }) => Object.keys(losses))).toEqual([
      ['lossA', 'lossB'],
      ['lossA'],
      ['lossA', 'lossB'],
    ]);
    expect(await weights()).toEqual([1 - 45, 1 - 10 * (3 + 9)]);
  });

  test('clip gradients by their norm', async () => {
    const steep = lowering('A', 'a', { clip: 0.5, loss: (_, { a }) => ({ loss: a.w.mul(100).sum() }) });
    const { trainer, weights } = makeTrainer([steep]);
    await trainer.run({ steps: 1 });
    expect((await weights())[0]).toBeCloseTo(0.5, 4);
  });

  test.each([
    [{ train: ['c'] }, /trains "c"; the networks are a, b/],
    [{ repeat: 0 }, /repeat = 0/],
    [{ every: 1.5 }, /every = 1.5/],
    [{ clip: -1 }, /clip = -1/],
  ])('are refused when they make no sense: %j', (more, message) => {
    expect(() => makeTrainer([lowering('A', 'a', more as never)])).toThrow(message);
  });
});

test('schedules scale the learning rate and averages follow the networks that were trained', async () => {
  const { trainer, optimizers, networks } = makeTrainer([lowering('A', 'a')]);
  const ema = new EMA(networks.a, { decay: 0.5 });
  const scheduled = new Trainer<Nets>({
    networks,
    optimizers,
    phases: trainer.phases,
    data: new Counting(),
    schedules: { a: linear({ end: 2 }) },
    averages: { a: ema },
  });
  await scheduled.run({ steps: 2 });
  expect(await networks.a.w.item()).toBe(1 - 1 - 0.5);
  // β is (1 + 1) / (10 + 1), then 3 / 12: the start is forgotten faster than 0.5.
  const first = (2 / 11) * 1 + (9 / 11) * 0;
  expect(await ema.stateDict().w.item()).toBeCloseTo(0.25 * first + 0.75 * -0.5, 6);
});

test('reports come in order, all of them, and callbacks see the weights of their step', async () => {
  const after: number[] = [];
  const { trainer, networks, reports } = makeTrainer([lowering('A', 'a')], {
    callbacks: [
      {
        async afterStep(step) {
          expect(await networks.a.w.item()).toBe(1 - step);
          after.push(step);
        },
      },
    ],
  });
  await trainer.run({ steps: 7 });
  expect(after).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(reports.map(({ step }) => step)).toEqual(after);
  expect(reports.map(({ losses }) => losses.lossA)).toEqual([1, 0, -1, -2, -3, -4, -5]);
});

test('a loss that is not finite stops the run and names the network', async () => {
  const phases = [
    lowering('A', 'a'),
    lowering('B', 'b', { loss: (_, { b }) => ({ loss: b.w.add(8).log().sum() }) }),
  ];
  const { trainer, reports } = makeTrainer(phases);
  const run = trainer.run({ steps: 100 });
  await expect(run).rejects.toThrow(code('ERR_NAN'));
  await expect(run).rejects.toThrow(/the loss of the b \(lossB\) became NaN at step \d+/);
  expect(reports.length).toBeLessThan(20);
});

test('an abort stops after the step it is in', async () => {
  const controller = new AbortController();
  const { trainer, reports } = makeTrainer([lowering('A', 'a')], {
    callbacks: [{ afterStep: (step) => void (step === 3 && controller.abort()) }],
  });
  await trainer.run({ steps: 100, signal: controller.signal });
  expect(trainer.steps).toBe(3);
  expect(reports).toHaveLength(3);
});

test('leaves no tensors behind and gives other tasks their turn', async () => {
  const { trainer } = makeTrainer([
    lowering('A', 'a', { loss: (batch, { a }) => ({ loss: a.forward(batch.images).tanh().mean() }) }),
  ]);
  await trainer.run({ steps: 2 });
  const before = memory().tensors;
  let turns = 0;
  let running = true;
  const other = (async () => {
    while (running) {
      await setImmediate();
      turns += 1;
    }
  })();
  await trainer.run({ steps: 22 });
  running = false;
  await other;
  expect(memory().tensors).toBe(before);
  expect(turns).toBeGreaterThanOrEqual(20);
});
