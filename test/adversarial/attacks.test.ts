// The attacks: exact on linear models, always inside the box, leaving no trace. Against PyTorch: test/reference.

import { describe, expect, test } from 'vitest';
import { fgsm, pgd } from '../../src/adversarial/attacks.js';
import { memory } from '../../src/device.js';
import { Dropout } from '../../src/nn/dropout.js';
import { Linear } from '../../src/nn/linear.js';
import { Flatten } from '../../src/nn/reshape.js';
import { Sequential } from '../../src/nn/sequential.js';
import { noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { matmul, reshape, tensor, uniform } from '../../src/tensor/ops/index.js';
import { capture } from '../../src/tensor/program.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { scoped } from '../reference/fixtures.js';

const code = (c: string) => expect.objectContaining({ code: c });
const anywhere = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** The margin w·x + b of two classes as logits [0, w·x + b]. */
function linearLogits(w: number[], b: number) {
  const weights = w.flatMap((v) => [0, v]);
  return (x: Tensor) =>
    matmul(reshape(x, [x.shape[0], -1]), tensor(weights, [w.length, 2])).add(tensor([0, b], [2]));
}

describe('a linear model', () => {
  const w = [0.5, -2, 0.25, 1, -0.125, 3];
  const norm = w.reduce((sum, v) => sum + Math.abs(v), 0);
  const x = [0.1, -0.4, 0.75, 0, -0.6, 0.3];
  const margin = (at: ArrayLike<number>) => w.reduce((sum, v, i) => sum + v * at[i], 0.25);

  // Of all points of the box, the one that lowers the margin w·x + b the most lowers it by eps |w|₁.
  scoped('the worst point of the box is found in one step, and no further by many', async () => {
    const model = linearLogits(w, 0.25);
    const at = tensor(x, [1, 2, 3, 1]);
    const label = tensor(Int32Array.of(1), [1]);
    const worst = margin(x) - 0.25 * norm;
    const one = await fgsm(model, at, label, { eps: 0.25, range: anywhere }).data();
    expect(margin(one)).toBeCloseTo(worst, 5);
    one.forEach((v, i) => {
      expect(v - x[i]).toBeCloseTo(-0.25 * Math.sign(w[i]), 6);
    });
    const many = pgd(model, at, label, { eps: 0.25, steps: 7, stepSize: 0.04, range: anywhere });
    expect(margin(await many.data())).toBeCloseTo(worst, 5);
    // Steps that do not reach the face of the box: three of 0.04.
    const few = pgd(model, at, label, { eps: 0.25, steps: 3, stepSize: 0.04, range: anywhere });
    expect(margin(await few.data())).toBeCloseTo(margin(x) - 0.12 * norm, 5);
    // Wherever it starts, enough steps lead to the worst corner.
    const random = { randomStart: true, generator: new Generator(3) };
    const started = pgd(model, at, label, { eps: 0.25, steps: 10, range: anywhere, ...random });
    expect(margin(await started.data())).toBeCloseTo(worst, 5);
  });

  scoped('targeted, the margin of the target grows by as much', async () => {
    const model = linearLogits(w, 0.25);
    const at = tensor(x, [1, 2, 3, 1]);
    const target = tensor(Int32Array.of(1), [1]);
    const options = { eps: 0.25, targeted: true, range: anywhere };
    for (const found of [
      fgsm(model, at, target, options),
      pgd(model, at, target, { ...options, steps: 4 }),
    ]) {
      expect(margin(await found.data())).toBeCloseTo(margin(x) + 0.25 * norm, 5);
    }
  });

  scoped('in a range, the worst point of box and range together', async () => {
    const model = linearLogits(w, 0.25);
    const at = tensor(x, [1, 2, 3, 1]);
    const label = tensor(Int32Array.of(1), [1]);
    // The third value, 0.75, is lowered; the second, -0.4, is raised; the sixth and first go below 0 without a range.
    const range = [-0.65, 0.8] as const;
    const expected = x.map((v, i) => Math.min(0.8, Math.max(-0.65, v - 0.5 * Math.sign(w[i]))));
    for (const found of [
      fgsm(model, at, label, { eps: 0.5, range }),
      pgd(model, at, label, { eps: 0.5, range, steps: 5 }),
    ]) {
      (await found.data()).forEach((v, i) => {
        expect(v).toBeCloseTo(expected[i], 6);
      });
    }
  });

  scoped('images of a batch are attacked as if alone', async () => {
    const model = linearLogits(w, 0.25);
    const both = tensor([...x, ...x.map((v) => -v)], [2, 2, 3, 1]);
    const labels = tensor(Int32Array.of(1, 0), [2]);
    const together = await fgsm(model, both, labels, { eps: 0.125 }).data();
    expect([...together.slice(0, 6)]).toEqual([
      ...(await fgsm(model, tensor(x, [1, 2, 3, 1]), tensor(Int32Array.of(1), [1]), { eps: 0.125 }).data()),
    ]);
    // The other class: the opposite direction.
    together.slice(6).forEach((v, i) => {
      expect(v + x[i]).toBeCloseTo(0.125 * Math.sign(w[i]), 6);
    });
  });

  // The probability of the label is 1 - e⁻¹⁶⁰, which f32 rounds to 1: cross-entropy itself has no gradient here.
  scoped('a classifier that is very sure is attacked all the same', async () => {
    const n = 64;
    const model = linearLogits([80, -80], 0);
    const at = tensor(
      Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 1 : -1)),
      [n, 2],
    );
    const labels = tensor(new Int32Array(n).fill(1), [n]);
    const found = await fgsm(model, at, labels, { eps: 0.5 }).data();
    found.forEach((v, i) => {
      expect(v).toBe(i % 2 === 0 ? 0.5 : -0.5);
    });
  });
});

describe('any module', () => {
  const images = () => uniform([3, 4, 5, 3], { low: -1, high: 1, generator: new Generator(1) });
  const labels = () => tensor(Int32Array.of(0, 1, 2), [3]);
  const network = () => {
    manualSeed(4);
    return new Sequential(new Flatten(), new Dropout(0.5), new Linear(60, 4));
  };

  scoped('the result stays in the box and the range; eps 0 gives the image back', async () => {
    const net = network().eval();
    const x = images();
    const before = await x.data();
    const options = { eps: 0.3, steps: 6, stepSize: 0.2, randomStart: true };
    for (const found of [fgsm(net, x, labels(), options), pgd(net, x, labels(), options)]) {
      expect(found.shape).toEqual([3, 4, 5, 3]);
      (await found.data()).forEach((v, i) => {
        expect(Math.abs(v)).toBeLessThanOrEqual(1);
        // Rounding of x ± eps to f32.
        expect(Math.abs(v - before[i])).toBeLessThanOrEqual(0.3 + 1e-7);
      });
    }
    expect(await fgsm(net, x, labels(), { eps: 0 }).data()).toEqual(before);
    expect(await pgd(net, x, labels(), { eps: 0, steps: 2, randomStart: true }).data()).toEqual(before);
    net.dispose();
  });

  scoped('the same generator gives the same random start, another one another', async () => {
    const net = network().eval();
    const start = (seed: number) => {
      const generator = new Generator(seed);
      return pgd(net, images(), labels(), {
        eps: 0.3,
        steps: 1,
        stepSize: 0.01,
        randomStart: true,
        generator,
      });
    };
    expect(await start(1).data()).toEqual(await start(1).data());
    expect(await start(1).data()).not.toEqual(await start(2).data());
    net.dispose();
  });

  scoped('the loss may be another one', async () => {
    const net = network().eval();
    const x = images();
    // The sum of all logits: its gradient is the sum of the rows of the weight, whatever the labels.
    const found = await fgsm(net, x, labels(), { eps: 0.125, range: anywhere, loss: (z) => z.sum() }).data();
    const weight = await (net.layers[2] as Linear).weight.sum(0).data();
    const before = await x.data();
    found.forEach((v, i) => {
      expect(v - before[i]).toBeCloseTo(0.125 * Math.sign(weight[i % 60]), 6);
    });
    net.dispose();
  });

  test('no tensors are left', () => {
    const net = network().eval();
    const [x, y] = [images(), labels()];
    const before = memory().tensors;
    fgsm(net, x, y, { eps: 0.1 }).dispose();
    pgd(net, x, y, { eps: 0.1, steps: 5, randomStart: true }).dispose();
    expect(memory().tensors).toBe(before);
    for (const t of [net, x, y]) t.dispose();
  });

  scoped('inside a gradient the result is a constant, and the same', async () => {
    const net = network().eval();
    const [x, y] = [images(), labels()];
    const alone = await pgd(net, x, y, { eps: 0.2, steps: 3 }).data();
    const through = (attack: (at: Tensor) => Tensor) =>
      valueAndGrad(() => {
        const adversarial = attack(x);
        return { loss: net.forward(adversarial).square().sum(), adversarial };
      }, [x, ...net.parameters()]);
    const { value, grads } = through((at) => pgd(net, at, y, { eps: 0.2, steps: 3 }));
    expect(await value.adversarial.data()).toEqual(alone);
    const [byImage, ...byWeights] = grads;
    expect(Math.max(...(await byImage.square().data()))).toBe(0);
    const fixed = tensor(alone, x.shape);
    const [, ...expected] = through(() => fixed).grads;
    for (const [i, g] of byWeights.entries()) expect(await g.data()).toEqual(await expected[i].data());
    net.dispose();
  });

  scoped('it is recorded and replayed', async () => {
    const net = network().eval();
    const y = labels();
    const attack = (x: Tensor) => pgd(net, x, y, { eps: 0.2, steps: 3 });
    const program = capture(attack);
    for (const seed of [1, 2, 3]) {
      const x = uniform([3, 4, 5, 3], { low: -1, high: 1, generator: new Generator(seed) });
      expect(await program.run([x]).data()).toEqual(await attack(x).data());
    }
    program.dispose();
    net.dispose();
  });

  test.each([
    ['fgsm', { eps: -0.1 }, 'eps must be a finite number of at least 0, got -0.1'],
    ['fgsm', { eps: Number.NaN }, 'got NaN'],
    [
      'fgsm',
      { eps: 0.1, range: [1, -1] as const },
      'range must be [low, high] with low below high, got [1, -1]',
    ],
    ['pgd', { eps: 0.1, steps: 0 }, 'steps must be an integer of at least 1, got 0'],
    ['pgd', { eps: 0.1, steps: 1.5 }, 'got 1.5'],
    ['pgd', { eps: 0.1, steps: 2, stepSize: -1 }, 'stepSize must be a finite number of at least 0, got -1'],
  ])('%s refuses %j', (attack, options, message) => {
    scope(() => {
      const net = network();
      const call = () =>
        attack === 'fgsm'
          ? fgsm(net, images(), labels(), options)
          : pgd(net, images(), labels(), { steps: 1, ...options });
      expect(call).toThrow(code('ERR_ARGUMENT'));
      expect(call).toThrow(message);
      net.dispose();
    });
  });

  test('labels that do not fit are refused, and the next gradient works', () => {
    scope(() => {
      const net = network();
      const two = tensor(Int32Array.of(0, 1), [2]);
      expect(() => fgsm(net, images(), two, { eps: 0.1 })).toThrow(code('ERR_SHAPE'));
      expect(() => fgsm(net, [1] as never, two, { eps: 0.1 })).toThrow(code('ERR_ARGUMENT'));
      expect(noGrad(() => fgsm(net, images(), labels(), { eps: 0.1 })).shape).toEqual([3, 4, 5, 3]);
      net.dispose();
    });
  });
});
