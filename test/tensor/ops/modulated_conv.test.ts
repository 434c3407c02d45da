// The blocks around convolutions beyond what the op table generates: results do not depend on the number of threads, NaN
// and infinity pass through gain and clamp as they should, and group norm keeps its accuracy at a large mean.

import { afterEach, expect, test } from 'vitest';
import { addon } from '../../../src/native.js';
import { valueAndGrad } from '../../../src/tensor/autograd.js';
import {
  biasAct,
  conditionalBatchNorm,
  groupNorm,
  minibatchSimilarity,
  modulatedConv2d,
  mul,
  pixelNorm,
  powerIteration,
  randn,
  scaleAct,
  spectralNorm,
  sum,
  tensor,
} from '../../../src/tensor/ops/index.js';
import { manualSeed } from '../../../src/tensor/random-state.js';
import { scope } from '../../../src/tensor/scope.js';
import type { Tensor } from '../../../src/tensor/tensor.js';

const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));
const threads = addon().threads();
afterEach(() => addon().setThreads(threads));

scoped('one, two and five threads give the same bits', async () => {
  manualSeed(1);
  const [x, other] = [randn([3, 33, 31, 48]), randn([3, 33, 31, 48])];
  const [scale, shift, bias] = [randn([3, 48]), randn([3, 48]), randn([48])];
  const [w, noise, m] = [randn([64, 3, 3, 300]), randn([1, 33, 31]), randn([40, 30, 5])];
  const [u, v] = [randn([64]), randn([2700])];
  const options = { noise, bias, activation: 'leakyRelu' } as const;
  const cases: [Tensor[], () => Tensor][] = [
    [[x, scale, noise, bias], () => sum(mul(scaleAct(x, scale, options), other))],
    [[x, scale, shift], () => sum(mul(conditionalBatchNorm(x, scale, shift), other))],
    [[x, bias], () => sum(mul(groupNorm(x, 6, bias, bias), other))],
    [[x], () => sum(mul(pixelNorm(x), other))],
    [[w], () => sum(mul(spectralNorm(w, u, v)[0], w))],
    [[m], () => sum(minibatchSimilarity(m))],
  ];
  const found: number[][] = [];
  for (const count of [1, 2, 5]) {
    addon().setThreads(count);
    const all: Tensor[] = powerIteration([{ weight: w, u, v, transposed: false }], { iterations: 2 }).flat();
    for (const [by, loss] of cases) {
      const { value, grads } = valueAndGrad(loss, by);
      all.push(value, ...grads);
    }
    found.push((await Promise.all(all.map(async (t) => Array.from(await t.data())))).flat());
  }
  expect(found[1].every((value, i) => Object.is(value, found[0][i]))).toBe(true);
  expect(found[2].every((value, i) => Object.is(value, found[0][i]))).toBe(true);
});

scoped('NaN stays NaN, infinity becomes the limit', async () => {
  const x = tensor([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1], [1, 4]);
  const [zero, one] = [tensor([0, 0, 0, 0]), tensor([1, 1, 1, 1], [1, 4])];
  const want = [Number.NaN, 3, -3, 2];
  expect(Array.from(await biasAct(x, zero, { gain: 2, clamp: 3 }).data())).toEqual(want);
  expect(Array.from(await scaleAct(x, one, { gain: 2, clamp: 3 }).data())).toEqual(want);
  const free = await biasAct(x, zero, { gain: 2 }).data();
  expect(Array.from(free)).toEqual([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2]);
});

scoped('group norm of numbers whose mean is ten thousand times their deviation', async () => {
  manualSeed(2);
  const noise = randn([2, 9, 9, 8]);
  const [ones, zeros] = [tensor(new Float32Array(8).fill(1)), tensor(new Float32Array(8))];
  const shifted = noise.add(1e4);
  // What f32 kept of the numbers: the difference is exact.
  const kept = shifted.sub(1e4);
  const [got, want] = [groupNorm(shifted, 2, ones, zeros), groupNorm(kept, 2, ones, zeros)];
  expect((await got.sub(want).abs().max().data())[0]).toBeLessThan(1e-5);
});

scoped('styles, inputs and gains scale the result as the definition says', async () => {
  manualSeed(3);
  const [x, w, styles] = [randn([2, 5, 5, 3]), randn([4, 3, 3, 3]), randn([2, 3], { mean: 1 })];
  const plain = modulatedConv2d(x, w, styles);
  const difference = async (y: Tensor) => (await y.sub(plain).abs().max().data())[0];
  expect(await difference(modulatedConv2d(x, w, styles.mul(7)))).toBeLessThan(1e-5);
  expect(await difference(modulatedConv2d(x, w.mul(7), styles))).toBeLessThan(1e-5);
  expect(await difference(modulatedConv2d(x, w, styles, { inputGain: 2 }).div(2))).toBeLessThan(1e-5);
  expect(await difference(modulatedConv2d(x, w, styles, { demodulate: false }))).toBeGreaterThan(0.1);
});
