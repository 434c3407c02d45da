// The moving average of a module: its formula, its use, and that the trained weights come back untouched.

import { expect, test } from 'vitest';
import { Linear } from '../../src/nn/linear.js';
import { EMA } from '../../src/optim/ema.js';
import { tensor, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const one = (value: number) => ({ weight: tensor(Float32Array.of(value), [1, 1]) });
const layer = (value: number) => {
  const net = new Linear(1, 1, { bias: false });
  net.loadStateDict(one(value));
  return net;
};

scoped('begins at the weights and moves by 1 - decay', async () => {
  const net = layer(1);
  const ema = new EMA(net, { decay: 0.75 });
  net.loadStateDict(one(2));
  ema.update();
  expect(await ema.stateDict().weight.item()).toBeCloseTo(1.25, 6);
  ema.update();
  expect(await ema.stateDict().weight.item()).toBeCloseTo(1.4375, 6);
});

scoped(
  'runs the module with the averages and gives the weights back bit for bit, after an error too',
  async () => {
    const net = layer(-0);
    const ema = new EMA(net, { decay: 0.5 });
    ema.loadStateDict(one(3));
    const y = ema.withAverage(() => net.forward(tensor(Float32Array.of(2), [1, 1])));
    expect(await y.item()).toBe(6);
    expect(Object.is(await net.weight.item(), -0)).toBe(true);
    const failing = () =>
      ema.withAverage(() => {
        throw new Error('inside');
      });
    expect(failing).toThrow('inside');
    expect(Object.is(await net.weight.item(), -0)).toBe(true);
  },
);

scoped('refuses a decay of 1 and a state that does not fit', async () => {
  expect(() => new EMA(layer(1), { decay: 1 })).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  const misfit = { weight: zeros([2]) };
  expect(() => new EMA(layer(1)).loadStateDict(misfit)).toThrow(
    expect.objectContaining({ code: 'ERR_CHECKPOINT' }),
  );
});
