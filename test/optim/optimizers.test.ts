// The optimisers against their published formulas in plain numbers, their state, and what they refuse.

import { describe, expect, test } from 'vitest';
import { memory } from '../../src/device.js';
import { Linear } from '../../src/nn/linear.js';
import { Sequential } from '../../src/nn/sequential.js';
import * as optim from '../../src/optim/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { tensor, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const code = (c: string) => expect.objectContaining({ code: c });
const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const f32 = (data: number[]) => tensor(Float32Array.from(data), [data.length]);

/** Steps with the gradient g(w) = 2 w - 1 and compares with `rule`, the same in plain numbers. */
async function compare(
  make: (w: Tensor[]) => optim.Optimizer,
  rule: () => (w: number, g: number, step: number) => number,
): Promise<void> {
  const start = [0.5, -1, 2.5, 1e-3];
  const parameters = [f32(start.slice(0, 3)), f32(start.slice(3))];
  const optimizer = make(parameters);
  const expected = start.map((value) => ({ value, rule: rule() }));
  for (let step = 1; step <= 5; step++) {
    optimizer.step(parameters.map((w) => w.mul(2).sub(1)));
    for (const e of expected) e.value = e.rule(e.value, 2 * e.value - 1, step);
  }
  const got = (await Promise.all(parameters.map((w) => w.data()))).flatMap((w) => Array.from(w));
  got.forEach((w, i) => {
    expect(w).toBeCloseTo(expected[i].value, 5);
  });
  optimizer.dispose();
}

describe('optimisers', () => {
  scoped('SGD', () =>
    compare(
      (w) => new optim.SGD(w, { lr: 0.1 }),
      () => (w, g) => w - 0.1 * g,
    ),
  );

  scoped('SGD with momentum and weight decay', () =>
    compare(
      (w) => new optim.SGD(w, { lr: 0.1, momentum: 0.9, weightDecay: 0.01, dampening: 0.2 }),
      () => {
        let b = 0;
        return (w, g, step) => {
          const decayed = g + 0.01 * w;
          b = step === 1 ? decayed : 0.9 * b + 0.8 * decayed;
          return w - 0.1 * b;
        };
      },
    ),
  );

  scoped('SGD with Nesterov momentum', () =>
    compare(
      (w) => new optim.SGD(w, { lr: 0.1, momentum: 0.9, nesterov: true }),
      () => {
        let b = 0;
        return (w, g, step) => {
          b = step === 1 ? g : 0.9 * b + g;
          return w - 0.1 * (g + 0.9 * b);
        };
      },
    ),
  );

  const adam = (decay: number, decoupled: boolean) => () => {
    let [m, v] = [0, 0];
    return (w: number, gradient: number, step: number) => {
      const g = decoupled ? gradient : gradient + decay * w;
      m = 0.5 * m + 0.5 * g;
      v = 0.99 * v + 0.01 * g * g;
      const direction = m / (1 - 0.5 ** step) / (Math.sqrt(v / (1 - 0.99 ** step)) + 1e-8);
      return (decoupled ? w * (1 - 0.02 * decay) : w) - 0.02 * direction;
    };
  };

  scoped('Adam', () => compare((w) => new optim.Adam(w, { lr: 0.02, betas: [0.5, 0.99] }), adam(0, false)));
  scoped('Adam with weight decay', () =>
    compare((w) => new optim.Adam(w, { lr: 0.02, betas: [0.5, 0.99], weightDecay: 0.1 }), adam(0.1, false)),
  );
  scoped('AdamW', () =>
    compare((w) => new optim.AdamW(w, { lr: 0.02, betas: [0.5, 0.99], weightDecay: 0.1 }), adam(0.1, true)),
  );

  scoped('RMSprop', () =>
    compare(
      (w) => new optim.RMSprop(w, { lr: 0.01, alpha: 0.9 }),
      () => {
        let s = 0;
        return (w, g) => {
          s = 0.9 * s + 0.1 * g * g;
          return w - (0.01 * g) / (Math.sqrt(s) + 1e-8);
        };
      },
    ),
  );

  scoped('RMSprop, centered and with momentum', () =>
    compare(
      (w) => new optim.RMSprop(w, { lr: 0.01, alpha: 0.9, momentum: 0.5, centered: true }),
      () => {
        let [s, mean, b] = [0, 0, 0];
        return (w, g) => {
          s = 0.9 * s + 0.1 * g * g;
          mean = 0.9 * mean + 0.1 * g;
          b = 0.5 * b + g / (Math.sqrt(s - mean * mean) + 1e-8);
          return w - 0.01 * b;
        };
      },
    ),
  );

  scoped('names the state after the parameters of a module and continues from it', async () => {
    const net = new Sequential(new Linear(2, 1));
    const run = (optimizer: optim.Optimizer, steps: number) => {
      for (let i = 0; i < steps; i++) {
        scope(() => {
          const x = tensor(Float32Array.of(1, 2), [1, 2]);
          optimizer.step(valueAndGrad(() => net.forward(x).square().sum(), net.parameters()).grads);
        });
      }
    };
    const first = new optim.Adam(net, { lr: 0.1 });
    run(first, 3);
    const { step, lr, tensors } = first.stateDict();
    expect([step, lr]).toEqual([3, 0.1]);
    expect(Object.keys(tensors).sort()).toEqual(['m.0.bias', 'm.0.weight', 'v.0.bias', 'v.0.weight']);
    const second = new optim.Adam(net, { lr: 9 });
    second.loadStateDict({ step, lr, tensors });
    const start = (await net.parameters()[0].data()) as Float32Array;
    run(first, 2);
    const wanted = await net.parameters()[0].data();
    net.loadStateDict({ '0.weight': tensor(start, [1, 2]), '0.bias': net.stateDict()['0.bias'] });
    expect(second.lr).toBe(0.1);
    expect(second.steps).toBe(3);
    expect(wanted).not.toEqual(start);
  });

  scoped('refuses gradients and states that do not fit', async () => {
    const optimizer = new optim.Adam([zeros([2])]);
    expect(() => optimizer.step([])).toThrow(code('ERR_ARGUMENT'));
    expect(() => optimizer.step([zeros([3])])).toThrow(code('ERR_SHAPE'));
    expect(optimizer.steps).toBe(0);
    const fits = { 'm.0': zeros([2]), 'v.0': zeros([2]) };
    expect(() => optimizer.loadStateDict({ step: 1, lr: 1, tensors: {} })).toThrow(code('ERR_CHECKPOINT'));
    expect(() => optimizer.loadStateDict({ step: -1, lr: 1, tensors: fits })).toThrow(code('ERR_CHECKPOINT'));
    optimizer.loadStateDict({ step: 1, lr: 1, tensors: fits });
    expect(optimizer.steps).toBe(1);
  });

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses the learning rate %s', (lr) => {
    expect(() => new optim.Adam([], { lr })).toThrow(code('ERR_ARGUMENT'));
    expect(() => {
      new optim.SGD([], { lr: 1 }).lr = lr;
    }).toThrow(code('ERR_ARGUMENT'));
  });

  test('frees its moments', () => {
    const net = new Linear(2, 2);
    const before = memory().tensors;
    const optimizer = new optim.Adam(net);
    expect(memory().tensors).toBe(before + 4);
    optimizer.dispose();
    expect(memory().tensors).toBe(before);
  });
});

describe('clipping', () => {
  scoped('scales all gradients by one factor down to the norm asked for', async () => {
    const { grads, norm } = optim.clipGradNorm([f32([3, 0]), f32([4])], 1);
    expect(await norm.item()).toBeCloseTo(5, 5);
    expect((await grads[0].data())[0]).toBeCloseTo(0.6, 4);
    expect((await grads[1].data())[0]).toBeCloseTo(0.8, 4);
  });

  scoped('leaves small gradients alone', async () => {
    const { grads } = optim.clipGradNorm([f32([3, 0]), f32([4])], 10);
    expect(Array.from(await grads[0].data())).toEqual([3, 0]);
    expect(() => optim.clipGradNorm([f32([1])], 0)).toThrow(code('ERR_ARGUMENT'));
  });
});
