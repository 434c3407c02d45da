// LeCam, historical averaging, orthogonal weights and flipped labels: their state, their edges, and that recorded training
// replays them. Values are compared with PyTorch in reference/techniques.test.ts.

import { expect, test } from 'vitest';
import {
  flipLabels,
  HistoricalAverage,
  hinge,
  LeCam,
  orthogonalRegularisation,
} from '../../src/losses/index.js';
import { Conv2d, Embedding, Linear, ReLU, Sequential } from '../../src/nn/index.js';
import { SGD } from '../../src/optim/sgd.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { add, concat, ones, randn, sum, tensor, zeros } from '../../src/tensor/ops/index.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { sameBits } from '../tensor/same-bits.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

scoped('LeCam pulls towards the averages of the other side and remembers them', async () => {
  const lecam = new LeCam();
  expect(await lecam.forward(tensor([3]), tensor([-1])).item()).toBe(32);
  // 0.99 · 3 + 0.01 · 5, and -1 still.
  const second = await lecam.forward(tensor([5]), tensor([-1])).item();
  expect(second).toBeCloseTo(36 + 4.02 ** 2, 4);
  expect(Object.keys(lecam.stateDict()).sort()).toEqual(['begun', 'fake', 'real']);
  const restored = new LeCam();
  restored.loadStateDict(lecam.stateDict());
  const given = [tensor([1, 2]), tensor([0, 4])] as const;
  expect(await restored.forward(...given).item()).toBe(await lecam.forward(...given).item());
  expect(() => new LeCam({ decay: 1 })).toThrow(code('ERR_ARGUMENT'));
});

scoped('historical averaging remembers every step, and has no parameters of its own', async () => {
  const layer = new Linear(1, 1, { bias: false });
  const average = new HistoricalAverage(layer);
  expect(average.parameters()).toEqual([]);
  expect(average.namedBuffers().map(([name]) => name)).toEqual(['count', 'means.0.mean']);
  const penalties: number[] = [];
  for (const value of [2, 4, 9]) {
    layer.loadStateDict({ weight: tensor([[value]]) });
    penalties.push(await average.forward().item());
  }
  expect(penalties).toEqual([0, 4, 36]);
  expect(await average.means[0].mean.item()).toBe(5);
  expect(() => new HistoricalAverage(new ReLU())).toThrow(code('ERR_ARGUMENT'));
});

scoped('orthogonal rows cost nothing, whatever their lengths', async () => {
  const layer = new Linear(3, 2, { bias: false });
  layer.loadStateDict({
    weight: tensor([
      [3, 0, 0],
      [0, -5, 0],
    ]),
  });
  expect(await orthogonalRegularisation(layer).item()).toBe(0);
  layer.loadStateDict({
    weight: tensor([
      [1, 2, 0],
      [3, 0, 0],
    ]),
  });
  // Both of the off-diagonal products are 3.
  expect(await orthogonalRegularisation(layer, { beta: 2 }).item()).toBe(36);
});

scoped(
  'orthogonal regularisation sums over layers, not over embeddings, with the weights that are trained',
  async () => {
    const plain = new Sequential(new Conv2d(2, 3, 3), new ReLU(), new Linear(4, 5));
    const [conv, , linear] = plain.children().map(([, layer]) => layer);
    const parts = add(orthogonalRegularisation(conv), orthogonalRegularisation(linear));
    expect(await orthogonalRegularisation(plain).item()).toBeCloseTo(await parts.item(), 6);
    const [one, normalised] = [new Linear(4, 3), new Linear(4, 3, { spectralNorm: true })];
    normalised.loadStateDict({
      ...normalised.stateDict(),
      'spectral.weight': one.weight,
      bias: one.bias!,
    });
    const before = normalised.stateDict()['spectral.u'].data();
    expect(await orthogonalRegularisation(normalised).item()).toBe(
      await orthogonalRegularisation(one).item(),
    );
    expect(await normalised.stateDict()['spectral.u'].data()).toEqual(await before);
    expect(() => orthogonalRegularisation(new Embedding(3, 2))).toThrow(code('ERR_ARGUMENT'));
  },
);

scoped('flipped labels change places in pairs, as often as asked', async () => {
  const [n, generator] = [4000, new Generator(3)];
  const [real, fake] = flipLabels(ones([n, 2]), zeros([n, 2]), 0.25, { generator });
  const [a, b] = [await real.data(), await fake.data()];
  let flips = 0;
  for (let i = 0; i < n; i++) {
    expect([a[2 * i + 1], b[2 * i], b[2 * i + 1]]).toEqual([a[2 * i], 1 - a[2 * i], 1 - a[2 * i]]);
    flips += b[2 * i];
  }
  // Five standard deviations.
  expect(Math.abs(flips / n - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / n));
});

scoped('flipping none or all labels is the loss as it was or the other way round', async () => {
  const [real, fake] = [randn([5, 1]), randn([5, 1])];
  const value = async (...logits: Parameters<typeof hinge.discriminator>) =>
    hinge.discriminator(...logits).item();
  expect(await value(...flipLabels(real, fake, 0))).toBe(await value(real, fake));
  expect(await value(...flipLabels(real, fake, 1))).toBe(await value(fake, real));
  const { grads } = valueAndGrad(() => sum(flipLabels(real, fake, 1)[0]), [real, fake]);
  expect(Array.from(await concat(grads).data())).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
  expect(() => flipLabels(real, fake, 1.5)).toThrow(code('ERR_ARGUMENT'));
  expect(() => flipLabels(real, randn([4, 1]), 0.5)).toThrow(code('ERR_SHAPE'));
});

test('recorded training replays all of them', async () => {
  await sameBits(
    () => {
      const net = new Sequential(new Linear(3, 4, { activation: 'tanh' }), new Linear(4, 1));
      const [lecam, average] = [new LeCam(), new HistoricalAverage(net)];
      const optimizer = new SGD(net, { lr: 0.1 });
      return {
        fn: (x, y) => {
          const { value, grads } = valueAndGrad(() => {
            const [real, fake] = flipLabels(net.forward(x), net.forward(y), 0.3);
            return hinge
              .discriminator(real, fake)
              .add(lecam.forward(real, fake))
              .add(average.forward())
              .add(orthogonalRegularisation(net));
          }, net.parameters());
          optimizer.step(grads);
          return value;
        },
        state: () => [net, lecam, average].flatMap((module) => Object.values(module.stateDict())),
      };
    },
    () => [randn([4, 3]), randn([4, 3])],
  );
});
