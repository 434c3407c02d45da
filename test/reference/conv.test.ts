// The convolutions in one to three dimensions and the layers' padding modes against PyTorch in float64: values, first
// and second derivatives, as make/conv.py stored them.

import { describe } from 'vitest';
import * as nn from '../../src/nn/index.js';
import {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { checkDerivatives, type Derivatives, fixture, scoped } from './fixtures.js';

const ops = { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d };

describe.each(['conv1d', 'conv2d', 'conv2d_grouped', 'conv_transpose2d', 'conv3d'])('%s', (file) => {
  type Case = Derivatives & { op: keyof typeof ops; options: object };
  for (const { op, options, ...d } of fixture<Case[]>(file)) {
    const convolve = ops[op] as (x: Tensor, w: Tensor, options: object) => Tensor;
    scoped(`${op} [${d.inputs.x.shape}] [${d.inputs.w.shape}] ${JSON.stringify(options)}`, () =>
      checkDerivatives(({ x, w }) => convolve(x, w, options), d, 1e-5),
    );
  }
});

describe('padding modes', () => {
  type Case = Derivatives & {
    rank: 1 | 2 | 3;
    kernel: number;
    padding: number | 'same';
    paddingMode: nn.PaddingMode;
  };
  for (const { rank, kernel, padding, paddingMode, ...d } of fixture<Case[]>('conv_padding')) {
    scoped(`Conv${rank}d ${paddingMode} ${kernel} ${padding}`, async () => {
      const Layer = [nn.Conv1d, nn.Conv2d, nn.Conv3d][rank - 1];
      const layer = new Layer(2, 3, kernel, { padding, paddingMode });
      // The layer as a function of its parameters, whose gradients are wanted too.
      await checkDerivatives(
        ({ x, w, b }) => Object.assign(layer, { weight: w, bias: b }).forward(x),
        d,
        1e-5,
      );
    });
  }
});
