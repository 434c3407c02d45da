// The classifier network: shapes at any size, its size in parameters, gradients everywhere, and impossible options.

import { expect, test } from 'vitest';
import { ImageClassifier } from '../../src/classifier/network.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { randn } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import { scoped } from '../reference/fixtures.js';

test.each([
  [28, 28, 1, 10],
  [32, 32, 3, 10],
  [1, 1, 1, 2],
  [7, 7, 4, 3],
  [15, 8, 3, 5],
  [9, 64, 1, 2],
  [64, 64, 3, 8],
])('%i x %i x %i to %i classes', async (height, width, channels, classes) => {
  const net = new ImageClassifier({ height, width, channels, classes }, { baseWidth: 4 });
  await scope(async () => {
    const parameters = net.parameters();
    const x = randn([2, height, width, channels]);
    const { value, grads } = valueAndGrad(() => {
      const logits = net.forward(x);
      return { loss: logits.square().mean(), logits };
    }, parameters);
    expect(value.logits.shape).toEqual([2, classes]);
    for (const [i, g] of grads.entries()) {
      expect(Math.max(...(await g.square().data())), `gradient of parameter ${i}`).toBeGreaterThan(0);
    }
    expect(net.eval().features(x).shape).toEqual([2, 16]);
    expect(net.featureSize).toBe(16);
    // What one image's logits are does not depend on the others.
    const [both, first] = [net.forward(x), net.forward(x.slice([0, 0, 0, 0], [1, height, width, channels]))];
    const logits = await both.data();
    (await first.data()).forEach((v, i) => {
      expect(v).toBeCloseTo(logits[i], 4);
    });
  });
  net.dispose();
});

scoped('has 454,922 parameters for the digits', async () => {
  const net = new ImageClassifier({ height: 28, width: 28, channels: 1, classes: 10 });
  expect(net.parameters().reduce((sum, { size }) => sum + size, 0)).toBe(454_922);
  net.dispose();
});

test('the sides that are left never exceed 7, so that the dense layer stays small', () => {
  const net = new ImageClassifier({ height: 300, width: 40, channels: 3, classes: 2 }, { baseWidth: 1 });
  // 300 x 40 is halved six times: 5 x 1, with 8 channels.
  expect(net.parameters().some(({ shape }) => shape[0] === 4 && shape[1] === 5 * 1 * 8)).toBe(true);
  net.dispose();
});

test.each([
  [{ height: 0, width: 8, channels: 1, classes: 2 }, {}, 'height must be an integer of at least 1, got 0'],
  [{ height: 8, width: 8.5, channels: 1, classes: 2 }, {}, 'width must be an integer of at least 1, got 8.5'],
  [{ height: 8, width: 8, channels: 1, classes: 1 }, {}, 'classes must be an integer of at least 2, got 1'],
  [{ height: 8, width: 8, channels: 1 }, {}, 'expected images with classes, got none'],
  [{ height: 8, width: 8, channels: 1, classes: 2 }, { baseWidth: 0 }, 'baseWidth must be an integer'],
  [
    { height: 8, width: 8, channels: 1, classes: 2 },
    { dropout: 1 },
    'p must be at least 0 and below 1, got 1',
  ],
])('%j with %j is refused', (dims, options, message) => {
  const make = () => new ImageClassifier(dims, options);
  expect(make).toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  expect(make).toThrow(message);
});
