// Spatial ops against PyTorch's values, gradients and gradients of gradients (test/reference/make/spatial.py).

import { describe } from 'vitest';
import * as losses from '../../src/losses/index.js';
import * as ops from '../../src/tensor/ops/index.js';
import {
  affineGrid,
  gridSample,
  mul,
  pad,
  pixelShuffle,
  pixelUnshuffle,
  resize,
  upfirdn2d,
} from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { checkDerivatives, type Derivatives, fixture, load, scoped } from './fixtures.js';

type Options = Record<string, never>;
type Inputs = Record<string, Tensor>;

interface Case extends Derivatives {
  op: string;
  options: Options;
}

type Pooling = (x: Tensor, kernel: number | number[], options?: object) => Tensor;

/** Pooling and adaptive pooling of one to three axes, by their names. */
function pooling(op: string): (inputs: Inputs, options: Options) => Tensor {
  const f = (ops as unknown as Record<string, Pooling>)[op];
  return ({ x }, { kernelSize, outputSize, ...rest }) =>
    outputSize ? f(x, outputSize) : f(x, kernelSize, rest);
}

const functions: Record<string, (inputs: Inputs, options: Options) => Tensor> = {
  resize: ({ x }, options) => resize(x, options),
  pad: ({ x }, { padding, mode }) => pad(x, padding, mode),
  pixelShuffle: ({ x }, { upscaleFactor }) => pixelShuffle(x, upscaleFactor),
  pixelUnshuffle: ({ x }, { downscaleFactor }) => pixelUnshuffle(x, downscaleFactor),
  gridSample: ({ x, grid }, options) => gridSample(x, grid, options),
  affineGrid: ({ theta }, { size, alignCorners }) => affineGrid(theta, size, alignCorners),
  rotate: ({ x }, { theta }) => gridSample(x, affineGrid(load(theta), [x.shape[1], x.shape[2]])),
  upfirdn2d: ({ x }, { filter, ...options }) => upfirdn2d(x, filter, options),
  filter2d: ({ x }, { filter }) => ops.filter2d(x, filter),
  upsample2d: ({ x }, { filter }) => ops.upsample2d(x, filter),
  downsample2d: ({ x }, { filter }) => ops.downsample2d(x, filter),
  gaussianBlur: ({ x }, options) => ops.gaussianBlur(x, options as unknown as ops.GaussianBlurOptions),
  ssim: ({ a, b }, options) => losses.ssim(a, b, options as unknown as losses.SsimOptions),
  msSsim: ({ a, b }, options) => losses.msSsim(a, b, options as unknown as losses.MsSsimOptions),
  totalVariation: ({ a, b }, options) => losses.totalVariation(mul(a, b), options),
  gradientDifference: ({ a, b }, options) => losses.gradientDifference(a, b, options),
};

// Similarities divide small differences of means; the other families only add and multiply.
const tolerances = { pool: 1e-5, resize: 1e-5, border: 1e-5, grid: 2e-5, upfirdn: 1e-5, image: 1e-4 };

for (const [family, tolerance] of Object.entries(tolerances)) {
  describe(family, () => {
    fixture<Case[]>(family).forEach(({ op, options, ...d }, i) => {
      const f = functions[op] ?? pooling(op);
      const shapes = Object.values(d.inputs).map((x) => `[${x.shape}]`);
      scoped(`${op} #${i} ${shapes.join(' ')} ${JSON.stringify(options)}`, () =>
        checkDerivatives((inputs) => f(inputs, options), d, tolerance),
      );
    });
  });
}
