// What the public functions refuse: wrong shapes, dtypes and options throw a GanvasError that names the function, says
// what was expected and what came. An option value that does not exist is never taken for the default.

import { describe, expect, test } from 'vitest';
import { GanvasError } from '../../src/errors.js';
import * as losses from '../../src/losses/index.js';
import * as nn from '../../src/nn/index.js';
import * as ops from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';

const { ones, zeros } = ops;
const image = () => ones([1, 4, 4, 4]);
const row = () => ones([2, 6]);
const wrong = 'sideways' as never;

const options: Record<string, () => unknown> = {
  'resize mode': () => ops.resize(image(), { size: 2, mode: wrong }),
  'pad mode': () =>
    ops.pad(
      image(),
      [
        [0, 0],
        [1, 1],
        [1, 1],
        [0, 0],
      ],
      wrong,
    ),
  'gridSample mode': () => ops.gridSample(image(), zeros([1, 2, 2, 2]), { mode: wrong }),
  'gridSample paddingMode': () => ops.gridSample(image(), zeros([1, 2, 2, 2]), { paddingMode: wrong }),
  'gelu approximate': () => ops.gelu(row(), { approximate: wrong }),
  'multinomial from': () => ops.multinomial(row(), 1, { from: wrong }),
  'biasAct activation': () => ops.biasAct(row(), zeros([6]), { activation: wrong }),
  'scaleAct activation': () => ops.scaleAct(row(), ones([2, 6]), { activation: wrong }),
  'batchNorm activation': () => ops.batchNorm(image(), ones([4]), zeros([4]), { activation: wrong }),
  'groupNorm activation': () => ops.groupNorm(image(), 2, ones([4]), zeros([4]), { activation: wrong }),
  'layerNorm activation': () => ops.layerNorm(row(), ones([6]), zeros([6]), { activation: wrong }),
  'modulatedConv2d activation': () =>
    ops.modulatedConv2d(image(), ones([2, 1, 1, 4]), ones([1, 4]), { activation: wrong }),
  'conv2d padding': () => ops.conv2d(image(), ones([2, 3, 3, 4]), { padding: wrong }),
  'conv1d padding': () => ops.conv1d(ones([1, 5, 2]), ones([3, 3, 2]), { padding: wrong }),
  'conv3d padding': () => ops.conv3d(ones([1, 4, 4, 4, 2]), ones([3, 3, 3, 3, 2]), { padding: wrong }),
  'mse reduction': () => losses.mse(row(), row(), { reduction: wrong }),
  'klDiv reduction': () => losses.klDiv(row(), row(), { reduction: wrong }),
  'Conv2d paddingMode': () => new nn.Conv2d(1, 1, 3, { paddingMode: wrong }),
  'Linear activation': () => new nn.Linear(6, 2, { activation: wrong }).forward(row()),
};

describe('an option value that does not exist', () => {
  for (const [name, use] of Object.entries(options)) {
    test(name, () => {
      expect(() => scope(() => use())).toThrow(
        expect.objectContaining({ name: 'GanvasError', code: 'ERR_ARGUMENT' }),
      );
    });
  }
});

const calls: Record<string, () => unknown> = {
  conv1d: () => ops.conv1d(row(), row()),
  conv2d: () => ops.conv2d(image(), ones([2, 3, 3, 5])),
  conv3d: () => ops.conv3d(image(), ones([2, 3, 3, 5])),
  convTranspose1d: () => ops.convTranspose1d(row(), row()),
  convTranspose2d: () => ops.convTranspose2d(image(), ones([5, 3, 3, 2])),
  convTranspose3d: () => ops.convTranspose3d(ones([1, 2, 2, 2, 3]), ones([4, 2, 2, 2, 3])),
  maxPool2d: () => ops.maxPool2d(row(), 2),
  avgPool2d: () => ops.avgPool2d(image(), 0),
  adaptiveAvgPool2d: () => ops.adaptiveAvgPool2d(image(), -1),
  resize: () => ops.resize(row(), { size: 3 }),
  pixelShuffle: () => ops.pixelShuffle(image(), 3),
  pixelUnshuffle: () => ops.pixelUnshuffle(image(), 3),
  upfirdn2d: () => ops.upfirdn2d(image(), [[]]),
  gridSample: () => ops.gridSample(image(), zeros([1, 2, 2, 3])),
  affineGrid: () => ops.affineGrid(row(), [2, 2]),
  gaussianBlur: () => ops.gaussianBlur(image(), { sigma: -1 }),
  modulatedConv2d: () => ops.modulatedConv2d(image(), ones([2, 1, 1, 4]), ones([1, 5])),
  scaleAct: () => ops.scaleAct(row(), ones([2, 5])),
  groupNorm: () => ops.groupNorm(image(), 3, ones([4]), zeros([4])),
  adaIN: () => ops.adaIN(image(), ones([4]), zeros([4])),
  pixelNorm: () => ops.pixelNorm(image(), { eps: -1 }),
  prelu: () => ops.prelu(row(), ones([5])),
  glu: () => ops.glu(ones([3])),
  attention: () => ops.scaledDotProductAttention(row(), ones([2, 5]), row()),
  spectralNorm: () => ops.spectralNorm(row(), ones([3]), ones([6])),
  minibatchSimilarity: () => ops.minibatchSimilarity(row()),
  minibatchStddev: () => ops.minibatchStddev(image(), { groupSize: 0 }),
  takeAlongAxis: () => ops.takeAlongAxis(row(), ones([2, 6]), 1),
  scatterAlongAxis: () => ops.scatterAlongAxis(row(), zeros([2, 6], 'i32'), ones([2, 5]), 1),
  scatterAddAlongAxis: () => ops.scatterAddAlongAxis(zeros([3, 6], 'i32'), ones([3, 6]), [2, 6], 1),
  topK: () => ops.topK(row(), 7),
  sort: () => ops.sort(row(), 2),
  cumsum: () => ops.cumsum(row(), 2),
  einsum: () => ops.einsum('ij,jk->ik', row(), row()),
  eigh: () => ops.eigh(row()),
  covariance: () => ops.covariance(image()),
  bernoulli: () => ops.bernoulli([2], 1.5),
  randint: () => ops.randint([2], 3, 3),
  randperm: () => ops.randperm(-1),
  truncatedNormal: () => ops.truncatedNormal([2], { low: 1, high: 0 }),
  multinomial: () => ops.multinomial(row(), 7),
  norm: () => ops.norm(row(), Number.NaN),
  crossEntropy: () => losses.crossEntropy(row(), zeros([3], 'i32')),
  mse: () => losses.mse(row(), ones([2, 5])),
  huber: () => losses.huber(row(), row(), { delta: -1 }),
  ssim: () => losses.ssim(image(), ones([1, 4, 4, 3]), { dataRange: 1 }),
};

describe('a call that does not fit', () => {
  for (const [name, use] of Object.entries(calls)) {
    test(`${name} names itself and what came`, () => {
      let caught: unknown;
      try {
        scope(() => use());
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(GanvasError);
      const { code, message } = caught as GanvasError;
      expect(code).toMatch(/^ERR_(SHAPE|DTYPE|ARGUMENT|INDEX)$/);
      expect(message).toContain(`${name}: `);
      expect(message.length).toBeGreaterThan(name.length + 20);
    });
  }

  test('an empty tensor whose other sizes no loop could count through', () => {
    for (const shape of [
      [2 ** 40, 0],
      [0, 2 ** 32],
      [2 ** 20, 0, 2 ** 20],
    ]) {
      expect(() => zeros(shape)).toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    }
    scope(() => expect(zeros([0, 2 ** 31]).shape).toEqual([0, 2 ** 31]));
  });
});
