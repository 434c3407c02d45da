// Folding batch norm into the layers before it: the folded network computes what the network computes in evaluation.

import { afterAll, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { dcganGenerator } from '../../src/networks/dcgan.js';
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  Flatten,
  foldBatchNorm,
  Linear,
  type Module,
  ReLU,
  Sequential,
} from '../../src/nn/index.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { randn, uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { largest, mismatch } from '../tensor/numeric.js';

const before = memory().tensors;
afterAll(() => expect(memory().tensors).toBe(before));

/** Statistics, scales and shifts as after some training. */
function disturb(network: Module): void {
  scope(() => {
    for (const [name, t] of Object.entries(network.stateDict())) {
      if (/running|\.bias$/.test(name) || t.rank === 1)
        assign([t], [uniform(t.shape, { low: 0.3, high: 1.7 })]);
    }
  });
}

const half = { stride: 2, padding: 1 } as const;
const leaky = { activation: 'leakyRelu', slope: 0.1 } as const;
const cases: Record<string, { network: () => Sequential; x: number[]; layers: number }> = {
  'the generator of DCGAN: a linear layer and a reshape before the first norm': {
    network: () => dcganGenerator({ height: 28, width: 28, channels: 1 }, 10, { baseWidth: 8 }),
    x: [3, 10],
    layers: 5,
  },
  'convolutions with bias, in groups, and one with an activation of its own': {
    network: () =>
      new Sequential(
        new Conv2d(4, 6, 3, { padding: 1, groups: 2 }),
        new BatchNorm2d(6, leaky),
        new Conv2d(6, 8, 4, { ...half, paddingMode: 'reflect' }),
        new BatchNorm2d(8),
        new Conv2d(8, 8, 1, { activation: 'relu' }),
        new BatchNorm2d(8, leaky),
      ),
    x: [2, 9, 8, 4],
    layers: 4,
  },
  'transposed convolutions in groups, nested': {
    network: () =>
      new Sequential(
        new Sequential(new ConvTranspose2d(6, 4, 4, { ...half, groups: 2 }), new BatchNorm2d(4, leaky)),
        new ReLU(),
        new ConvTranspose2d(4, 3, 3, { bias: false }),
        new BatchNorm2d(3, { activation: 'tanh' }),
      ),
    x: [1, 5, 4, 6],
    layers: 3,
  },
  'vectors; a norm with nothing to fold into stays': {
    network: () =>
      new Sequential(new Flatten(), new BatchNorm1d(6, leaky), new Linear(6, 5), new BatchNorm1d(5, leaky)),
    x: [4, 6],
    layers: 3,
  },
};

test.each(Object.entries(cases))('%s', async (_, { network: make, x: shape, layers }) => {
  manualSeed(4);
  const network = make();
  disturb(network);
  const folded = foldBatchNorm(network);
  expect(folded.layers.length).toBe(layers);
  await scope(async () => {
    const x = randn(shape);
    const want = await noGrad(() => network.eval().forward(x)).data();
    const got = await noGrad(() => folded.forward(x)).data();
    expect(largest(want)).toBeGreaterThan(0.1);
    expect(mismatch(got, want, 2e-6, largest(want))).toBeUndefined();
  });
  folded.dispose();
  network.dispose();
});
