// The trainer records its phases by itself: replayed training has the bits of eager training, and a phase that is no
// fixed list of operations is found out, runs eagerly, and says why.

import { expect, test } from 'vitest';
import { memory, sync } from '../../src/device.js';
import { Dropout, Linear, Sequential } from '../../src/nn/index.js';
import { Adam } from '../../src/optim/adam.js';
import { EMA } from '../../src/optim/ema.js';
import { cosine } from '../../src/optim/schedules.js';
import { cast, mul, randn, tensor } from '../../src/tensor/ops/index.js';
import type { Precision } from '../../src/tensor/precision.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { BatchSource, Phase, TrainBatch } from '../../src/train/phase.js';
import { type StepReport, Trainer } from '../../src/train/trainer.js';

type Nets = { g: Sequential; d: Sequential };

/** Noise, four images at a time but for every fifth batch, which has three. */
class Noise implements BatchSource {
  count = 0;
  constructor(readonly even = false) {}
  async next(): Promise<TrainBatch> {
    this.count += 1;
    const size = this.count % 5 || this.even ? 4 : 3;
    return { images: randn([size, 6]), size };
  }
  state = () => this.count;
  restore(state: unknown) {
    this.count = state as number;
  }
}

/** Scores in f32, whatever the networks compute in. */
const score = (d: Sequential, images: Tensor) => cast(d.forward(images), 'f32');

const losses = {
  D: ({ images, size }: TrainBatch, { g, d }: Nets) => {
    const fake = g.forward(randn([size, 3]));
    const real = score(d, images).softplus().mean();
    return { loss: score(d, fake).neg().softplus().mean().add(real), real };
  },
  G: ({ size }: TrainBatch, { g, d }: Nets) => ({
    loss: score(d, g.forward(randn([size, 3])))
      .neg()
      .softplus()
      .mean(),
  }),
};

function makeTrainer(
  more: Partial<Phase<Nets>> = {},
  data: BatchSource = new Noise(true),
  precision: Precision = 'f32',
) {
  manualSeed(4);
  const networks: Nets = {
    g: new Sequential(new Linear(3, 16, { activation: 'tanh' }), new Dropout(0.2), new Linear(16, 6)),
    d: new Sequential(new Linear(6, 16, { activation: 'leakyRelu' }), new Linear(16, 1)),
  };
  const optimizers = { g: new Adam(networks.g, { lr: 1e-2 }), d: new Adam(networks.d, { lr: 1e-2 }) };
  const average = new EMA(networks.g);
  const reports: StepReport[] = [];
  const eager: string[] = [];
  const trainer = new Trainer<Nets>({
    networks,
    optimizers,
    data,
    precision,
    averages: { g: average },
    schedules: { d: cosine({ end: 200 }) },
    phases: [
      { name: 'D', train: ['d'], repeat: 2, clip: 1, loss: losses.D, ...more },
      { name: 'G', train: ['g'], loss: losses.G, ...(more.capture === false && { capture: false }) },
    ],
    callbacks: [
      {
        onReport: (report) => void reports.push(report),
        onEager: (phase, reason) => void eager.push(`${phase}: ${reason}`),
      },
    ],
  });
  const outcome = async () => {
    const tensors = [networks.g, networks.d, average].flatMap((m) => Object.values(m.stateDict()));
    return {
      weights: await Promise.all(
        tensors.map(async (t) => Buffer.from((await t.data()).buffer).toString('hex')),
      ),
      losses: reports.map((report) => report.losses),
    };
  };
  const dispose = () => {
    trainer.dispose();
    average.dispose();
    for (const o of [...Object.values(optimizers), ...Object.values(networks)]) o.dispose();
  };
  return { trainer, eager, outcome, dispose };
}

async function train(
  steps: number,
  more: Partial<Phase<Nets>> = {},
  data?: BatchSource,
  precision?: Precision,
) {
  const { trainer, eager, outcome, dispose } = makeTrainer(more, data, precision);
  await trainer.run({ steps });
  const result = { captured: trainer.captured, eager, ...(await outcome()) };
  dispose();
  return result;
}

// The first of all: what other tests leave to the garbage collector goes at any time.
test('leaves no tensors and no memory behind', async () => {
  await train(3);
  await sync();
  const before = memory();
  await train(20, {}, new Noise());
  await sync();
  expect(memory().tensors).toBe(before.tensors);
  expect(memory().live).toBe(before.live);
});

test('replayed training has the bits of eager training, checks and uneven batches included', async () => {
  const eager = await train(130, { capture: false }, new Noise());
  const replayed = await train(130, {}, new Noise());
  expect(eager.captured.D).toEqual({ replaying: false, reason: 'capture is off' });
  expect(eager.eager).toEqual([]);
  expect(replayed.captured).toEqual({ D: { replaying: true }, G: { replaying: true } });
  expect(replayed.eager).toEqual([]);
  expect(replayed.losses).toEqual(eager.losses);
  expect(replayed.weights).toEqual(eager.weights);
});

test('so has training in bf16', async () => {
  const eager = await train(10, { capture: false }, new Noise(), 'bf16');
  const replayed = await train(10, {}, new Noise(), 'bf16');
  expect(replayed.captured.D).toEqual({ replaying: true });
  expect(replayed.losses).toEqual(eager.losses);
  expect(replayed.weights).toEqual(eager.weights);
});

test('a replayed loss is not called again but for the check now and then', async () => {
  let calls = 0;
  const { captured } = await train(110, {
    loss: (batch, nets) => {
      calls += 1;
      return losses.D(batch, nets);
    },
  });
  expect(captured.D.replaying).toBe(true);
  // Two updates a step; the first, both recordings, and a check after each hundred.
  expect(calls).toBe(5);
});

/** What changes from call to call, and what the trainer says of it. */
const moving: [string, () => (loss: Tensor, call: number) => Tensor, RegExp][] = [
  [
    'a number',
    () => (loss, call) => loss.mul(1 / call),
    /attribute \d+ of mul changed from 0\.5 to 0\.333333/,
  ],
  [
    'uploaded values',
    () => (loss, call) => loss.add(tensor([call]).sum()),
    /input 0 of sum, f32 \[1\], is not the same/,
  ],
  [
    'the operations',
    () => (loss, call) => (call % 2 ? loss.abs() : loss.neg().neg()),
    /call \d+ changed from neg to abs/,
  ],
  [
    'which tensor is used',
    () => {
      const pool = [1, 2, 3].map((v) => tensor([v]));
      return (loss, call) => loss.mul(pool[call % 3].sum());
    },
    /input 0 of sum, f32 \[1\], is not the same/,
  ],
  [
    'a shape',
    () => (loss, call) => loss.add(mul(randn([1 + (call % 3)]), 0).sum()),
    /normal changed|attribute \d+ of normal/,
  ],
];

test.each(moving)('%s that changes between steps: eager, with the reason', async (_, make, message) => {
  const phase = (): Partial<Phase<Nets>> => {
    const change = make();
    let calls = 0;
    return {
      loss: (batch, nets) => {
        calls += 1;
        return { loss: change(losses.D(batch, nets).loss, calls) };
      },
    };
  };
  const eager = await train(12, { ...phase(), capture: false });
  const found = await train(12, phase());
  expect(found.captured.D.replaying).toBe(false);
  expect(found.captured.D.reason).toMatch(message);
  expect(found.captured.D.reason).toMatch(/between two steps$/);
  expect(found.captured.G).toEqual({ replaying: true });
  expect(found.eager).toEqual([`D: ${found.captured.D.reason}`]);
  expect(found.losses).toEqual(eager.losses);
  expect(found.weights).toEqual(eager.weights);
});

test('a change that comes late is found by the next check', async () => {
  let factor = 0.5;
  const { trainer, eager, dispose } = makeTrainer({
    loss: (batch, nets) => ({ loss: losses.D(batch, nets).loss.mul(factor) }),
  });
  await trainer.run({ steps: 10 });
  expect(trainer.captured.D).toEqual({ replaying: true });
  factor = 0.25;
  await trainer.run({ steps: 70 });
  expect(eager).toEqual([expect.stringMatching(/^D: attribute 1 of mul changed from 0.5 to 0.25/)]);
  dispose();
});

test('a loss that cannot be recorded runs eagerly, with the same bits', async () => {
  const reading: Partial<Phase<Nets>> = {
    loss: (batch, nets) => {
      const result = losses.D(batch, nets);
      result.real.data().catch(() => {});
      const noise = randn([2]);
      noise.data().catch(() => {});
      return { ...result, loss: result.loss.add(noise.sum().mul(0)) };
    },
  };
  // data() is async, so what it throws rejects its promise, and the phase may go on.
  const { captured, weights } = await train(8, reading);
  expect(captured.D).toEqual({ replaying: true });
  expect(weights).toEqual((await train(8, { ...reading, capture: false })).weights);
});

test('one that keeps tensors of its own making runs eagerly, with the same bits', async () => {
  const kept: Tensor[] = [];
  const keeping: Partial<Phase<Nets>> = {
    loss: (batch, nets) => {
      const result = losses.D(batch, nets);
      kept.push(new Linear(2, 2).weight);
      return result;
    },
  };
  const { captured, eager, weights } = await train(8, keeping);
  expect(captured.D.reason).toMatch(/keeps a tensor/);
  expect(eager).toHaveLength(1);
  expect(weights).toEqual((await train(8, { ...keeping, capture: false })).weights);
  for (const t of kept) t.dispose();
});

test('a batch with something unknown in it runs eagerly', async () => {
  const data = new Noise(true);
  const odd: BatchSource = {
    next: async () => Object.assign(await data.next(), { extra: { anything: 1 } }),
    state: data.state,
    restore: () => {},
  };
  const { captured } = await train(4, {}, odd);
  expect(captured.G.reason).toMatch(/the batch holds "extra"/);
});
