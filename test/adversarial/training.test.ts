// The loss of adversarial training: its two halves, its gradient, the modes of the network, and that it makes a classifier
// withstand the attack it was trained against.

import { describe, expect, test } from 'vitest';
import { fgsm, pgd } from '../../src/adversarial/attacks.js';
import { adversarialTrainingLoss } from '../../src/adversarial/training.js';
import { crossEntropy } from '../../src/losses/supervised.js';
import { Dropout } from '../../src/nn/dropout.js';
import { Linear } from '../../src/nn/linear.js';
import type { Module } from '../../src/nn/module.js';
import { BatchNorm1d } from '../../src/nn/norm.js';
import { Sequential } from '../../src/nn/sequential.js';
import { Adam } from '../../src/optim/adam.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { argmax, equal, mean, tensor, uniform } from '../../src/tensor/ops/index.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { scoped } from '../reference/fixtures.js';

const attack = (model: Module, x: Tensor, labels: Tensor) => fgsm(model, x, labels, { eps: 0.2 });

function sample() {
  manualSeed(2);
  const net = new Sequential(new Linear(6, 8, { activation: 'tanh' }), new Linear(8, 3));
  const x = uniform([5, 6], { low: -1, high: 1, generator: new Generator(1) });
  return { net, x, labels: tensor(Int32Array.of(0, 1, 2, 1, 0), [5]) };
}

describe('the loss', () => {
  scoped(
    'is the mixture of the losses of the image and of the attacked image, and so is its gradient',
    async () => {
      const { net, x, labels } = sample();
      const adversarial = attack(net, x, labels);
      const parameters = net.parameters();
      const of = (images: Tensor) =>
        valueAndGrad(() => crossEntropy(net.forward(images), labels), parameters);
      const [clean, attacked] = [of(x), of(adversarial)];
      for (const alpha of [0, 0.25, 0.5, 1]) {
        const mixed = valueAndGrad(
          () => adversarialTrainingLoss(net, x, labels, { attack, alpha }),
          parameters,
        );
        const expected = alpha * (await clean.value.item()) + (1 - alpha) * (await attacked.value.item());
        expect(await mixed.value.item()).toBeCloseTo(expected, 6);
        for (const [i, g] of mixed.grads.entries()) {
          const [a, b] = [await clean.grads[i].data(), await attacked.grads[i].data()];
          (await g.data()).forEach((v, at) => {
            expect(v).toBeCloseTo(alpha * a[at] + (1 - alpha) * b[at], 6);
          });
        }
      }
      net.dispose();
    },
  );

  scoped('is attacked in evaluation mode, learnt from in the mode of each module', async () => {
    const { x, labels } = sample();
    const normalised = new BatchNorm1d(6);
    const dropout = new Dropout(0.5);
    const net = new Sequential(normalised, dropout, new Linear(6, 3));
    dropout.eval();
    let modes: boolean[] = [];
    let momentsBefore: Promise<unknown> | undefined;
    adversarialTrainingLoss(net, x, labels, {
      attack: (model, images, y) => {
        const adversarial = attack(model, images, y);
        modes = model.modules().map(({ training }) => training);
        momentsBefore = normalised.runningMean.data();
        return adversarial;
      },
    });
    expect(modes).toEqual([false, false, false, false]);
    expect(net.modules().map(({ training }) => training)).toEqual([true, true, false, true]);
    // The attack has left the running statistics alone; the training has not.
    expect(await momentsBefore).toEqual(new Float32Array(6));
    expect(await normalised.runningMean.data()).not.toEqual(new Float32Array(6));
    net.dispose();
  });

  test('an attack that fails leaves the network as it was', () => {
    scope(() => {
      const { net, x, labels } = sample();
      const failing = () => {
        throw new Error('no attack today');
      };
      const call = () => adversarialTrainingLoss(net, x, labels, { attack: failing });
      expect(call).toThrow('no attack today');
      expect(net.training).toBe(true);
      net.dispose();
    });
  });

  test.each([-0.1, 1.1, Number.NaN])('refuses alpha %s', (alpha) => {
    scope(() => {
      const { net, x, labels } = sample();
      const call = () => adversarialTrainingLoss(net, x, labels, { attack, alpha });
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
      expect(call).toThrow(`alpha must lie in [0, 1], got ${alpha}`);
      net.dispose();
    });
  });
});

/**
 * Two classes with one strong cue, worth ±0.5, that an attack of 0.3 cannot turn round, and twenty weak ones, worth ±0.1,
 * that it can: the best classifier uses all of them, the best one under attack the strong one alone.
 */
function cues(n: number, generator: Generator) {
  const noise = uniform([n, 21], { low: -0.05, high: 0.05, generator });
  const labels = Int32Array.from({ length: n }, (_, i) => i % 2);
  const clean = Float32Array.from({ length: n * 21 }, (_, i) => {
    const side = 2 * labels[Math.floor(i / 21)] - 1;
    return side * (i % 21 === 0 ? 0.5 : 0.1);
  });
  return { x: noise.add(tensor(clean, [n, 21])), labels: tensor(labels, [n]) };
}

scoped('a classifier trained so withstands the attack that fools one trained without', async () => {
  const data = cues(200, new Generator(5));
  const test = cues(200, new Generator(6));
  const eps = 0.3;
  const underAttack = async (net: Module) => {
    const adversarial = pgd(net, test.x, test.labels, { eps, steps: 5 });
    const right = (images: Tensor) =>
      mean(equal(argmax(net.forward(images), 1), test.labels).cast('f32')).item();
    return [await right(test.x), await right(adversarial)];
  };
  const train = async (loss: (net: Module) => Tensor) => {
    manualSeed(7);
    const net = new Linear(21, 2);
    const adam = new Adam(net, { lr: 0.02 });
    for (let step = 0; step < 300; step++) {
      scope(() => adam.step(valueAndGrad(() => loss(net), net.parameters()).grads));
    }
    const result = await underAttack(net);
    net.dispose();
    adam.dispose();
    return result;
  };
  const plain = await train((net) => crossEntropy(net.forward(data.x), data.labels));
  expect(plain[0]).toBe(1);
  expect(plain[1]).toBeLessThan(0.1);
  for (const alpha of [0, 0.5]) {
    const robust = await train((net) =>
      adversarialTrainingLoss(net, data.x, data.labels, {
        alpha,
        attack: (model, x, y) => pgd(model, x, y, { eps, steps: 3, randomStart: true }),
      }),
    );
    expect(robust).toEqual([1, 1]);
  }
});
