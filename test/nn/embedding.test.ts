// Classes given as weights instead of numbers: tables mix their rows, and one-hot weights are the number
// exactly.

import { expect, test } from 'vitest';
import { ConditionalBatchNorm2d, Embedding } from '../../src/nn/index.js';
import { randn, tensor } from '../../src/tensor/ops/index.js';

const numbers = async (t: { data(): Promise<ArrayLike<number>> }) => Array.from(await t.data());
const labels = tensor(Int32Array.of(2, 0), [2]);
const oneHot = tensor(Float32Array.of(0, 0, 1, 1, 0, 0), [2, 3]);
const halves = tensor(Float32Array.of(0.5, 0, 0.5, 0.5, 0, 0.5), [2, 3]);

test('an embedding', async () => {
  const embedding = new Embedding(3, 4);
  const [rows, same, mixed] = await Promise.all(
    [labels, oneHot, halves].map((which) => numbers(embedding.forward(which))),
  );
  expect(same).toEqual(rows);
  // Rows 2 and 0, whichever comes first.
  const means = [0, 1, 2, 3].map((i) => (rows[i] + rows[4 + i]) / 2);
  [...means, ...means].forEach((value, i) => {
    expect(mixed[i]).toBeCloseTo(value, 6);
  });
});

test('a conditional batch norm', async () => {
  const norm = new ConditionalBatchNorm2d(4, {
    classes: 3,
    gammaInit: (shape) => randn(shape),
    betaInit: (shape) => randn(shape),
  }).eval();
  const one = randn([1, 2, 3, 4]);
  const [first, second] = [2, 0].map((label) => norm.forward(one, tensor(Int32Array.of(label), [1])));
  const [a, b, mixed, same] = await Promise.all(
    [
      first,
      second,
      norm.forward(one, tensor(Float32Array.of(0.5, 0, 0.5), [1, 3])),
      norm.forward(one, tensor(Float32Array.of(0, 0, 1), [1, 3])),
    ].map(numbers),
  );
  expect(same).toEqual(a);
  mixed.forEach((value, i) => {
    expect(value).toBeCloseTo((a[i] + b[i]) / 2, 5);
  });
});
