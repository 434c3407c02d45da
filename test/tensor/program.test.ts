// capture(): a replayed function gives the bits that calling it gives, state and random numbers included, and results
// of the same structure that stay. What is refused, and memory, is program-limits.test.ts; chains are chain.test.ts.

import { afterEach, describe, expect, test } from 'vitest';
import { sync } from '../../src/device.js';
import { BatchNorm1d, Dropout, LayerNorm, Linear, type Module, Sequential } from '../../src/nn/index.js';
import { Adam, AdamW, EMA, RMSprop, SGD } from '../../src/optim/index.js';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import * as ops from '../../src/tensor/ops/index.js';
import { assign, lerp } from '../../src/tensor/ops/optim.js';
import { capture } from '../../src/tensor/program.js';
import { Generator } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { sameBits } from './same-bits.js';

const { randn, tensor } = ops;
afterEach(async () => {
  await sync();
});

describe('a replayed training step has the bits of an eager one', () => {
  const optimizers = {
    Adam: (m: Module) => new Adam(m, { lr: 0.05, betas: [0.5, 0.9], weightDecay: 0.01 }),
    AdamW: (m: Module) => new AdamW(m, { lr: 0.05 }),
    'SGD with momentum': (m: Module) => new SGD(m, { lr: 0.1, momentum: 0.9, dampening: 0.2 }),
    RMSprop: (m: Module) => new RMSprop(m, { lr: 0.01, momentum: 0.5, centered: true }),
  };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    test(`${name}, with dropout, noise, batch norm and a moving average`, () =>
      sameBits(
        () => {
          const model = new Sequential(
            new Linear(7, 33, { activation: 'leakyRelu' }),
            new BatchNorm1d(33, { activation: 'tanh' }),
            new Dropout(0.3),
            new Linear(33, 3),
          );
          const optimizer_ = optimizer(model);
          const ema = new EMA(model, { decay: 0.9 });
          return {
            fn: (x) => {
              const { value, grads } = valueAndGrad(
                () =>
                  model
                    .forward(x)
                    .sub(randn([x.shape[0], 3]))
                    .square()
                    .mean(),
                model.parameters(),
              );
              optimizer_.step(grads);
              optimizer_.lr *= 1;
              ema.update();
              return { loss: value, first: [grads[0]] };
            },
            state: () => [...Object.values(model.stateDict()), ...Object.values(ema.stateDict())],
          };
        },
        () => [randn([5, 7])],
      ));
  }

  test('the second-order step of a critic with gradient penalty', () =>
    sameBits(
      () => {
        const critic = new Sequential(
          new Linear(6, 16, { activation: 'tanh' }),
          new LayerNorm(16, { activation: 'leakyRelu' }),
          new Linear(16, 1),
        );
        const adam = new Adam(critic, { lr: 1e-2 });
        return {
          fn: (real) => {
            const { value, grads } = valueAndGrad(() => {
              const fake = randn(real.shape);
              const t = ops.rand([real.shape[0], 1]);
              const mixed = real.mul(t).add(fake.mul(ops.sub(1, t)));
              const slope = grad((x: Tensor) => critic.forward(x).sum())(mixed);
              const penalty = slope.square().sum(1).sqrt().sub(1).square().mean();
              const score = critic.forward(fake).mean().sub(critic.forward(real).mean());
              return { loss: score.add(penalty.mul(10)), penalty };
            }, critic.parameters());
            adam.step(grads);
            return value;
          },
          state: () => critic.parameters(),
        };
      },
      () => [randn([9, 6])],
    ));

  test('learning rates set between runs and a generator of its own are followed', () =>
    sameBits(
      () => {
        const model = new Linear(4, 4);
        const sgd = new SGD(model, { lr: 1 });
        const generator = new Generator(5);
        return {
          fn: (x) => {
            const { value, grads } = valueAndGrad(
              () =>
                model
                  .forward(x.add(randn([2, 4], { generator })))
                  .square()
                  .mean(),
              model.parameters(),
            );
            sgd.step(grads);
            return value;
          },
          state: () => {
            expect(sgd.steps).toBe(5);
            return model.parameters();
          },
        };
      },
      () => [randn([2, 4])],
    ));

  test('the learning rate is that of the moment', async () => {
    await scope(async () => {
      const w = tensor([1]);
      const sgd = new SGD([w], { lr: 1 });
      const program = capture(() => {
        sgd.step([ops.ones([1])]);
        return null;
      });
      for (const lr of [1, 0.5, 0.25]) {
        sgd.lr = lr;
        program.run([]);
      }
      expect(await w.item()).toBe(1 - 1.75);
      program.dispose();
      sgd.dispose();
    });
  });
});

describe('results', () => {
  test('stay as they are after later runs, and are freed by themselves', async () => {
    await scope(async () => {
      const program = capture((x: Tensor) => ({ double: x.mul(2), view: x.add(1).reshape([-1]) }));
      const runs = [1, 2, 3].map((v) => program.run([tensor([[v, v]])]));
      runs[1].double.dispose();
      expect(await runs[0].double.array()).toEqual([[2, 2]]);
      expect(await runs[0].view.array()).toEqual([2, 2]);
      expect(await runs[2].double.array()).toEqual([[6, 6]]);
      program.dispose();
      expect(await runs[2].view.array()).toEqual([4, 4]);
    });
  });

  test('have the structure that the function returned; inputs and outside tensors are passed on', async () => {
    await scope(async () => {
      const w = tensor([5]);
      const program = capture((x: Tensor, y: Tensor) => {
        const z = x.add(y);
        return { list: [z, [x, w]], same: z, text: 'a', none: null, number: 3, flat: w.reshape([]) };
      });
      for (const v of [1, 2]) {
        const [x, y] = [tensor([v]), tensor([10])];
        const r = program.run([x, y]);
        expect(r.same).toBe((r.list as Tensor[])[0]);
        expect((r.list as Tensor[][])[1]).toEqual([x, w]);
        expect(await r.same.item()).toBe(v + 10);
        expect(await r.flat.item()).toBe(5);
        expect(r).toMatchObject({ text: 'a', none: null, number: 3 });
      }
      program.dispose();
      expect(w.disposed).toBe(false);
    });
  });

  test('an input may be a tensor that the function writes in place, and given twice', () => {
    let w: Tensor;
    return sameBits(
      () => {
        w = tensor([1, 2, 3]);
        return {
          fn: (x, y) => {
            const before = x.mul(3);
            assign([w], [w.mul(2)]);
            return before.add(x).add(y);
          },
          state: () => [w],
        };
      },
      () => [w, w],
    );
  });

  test('uploaded values are the same in each run, even where they are written or returned', () =>
    sameBits(
      () => ({
        fn: (x) => {
          const sum = tensor([1, 2]);
          lerp([sum], [x], 0.5);
          return [sum.mul(2), tensor([7]), sum];
        },
        state: () => [tensor([0])],
      }),
      () => [tensor([3, 4])],
    ));
});
