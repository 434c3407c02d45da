// Activations, indexing, sorting, scans and losses against PyTorch in float64: what make/indexing.py stored, to the second
// derivative.

import { describe, expect } from 'vitest';
import * as losses from '../../src/losses/index.js';
import { tensor } from '../../src/tensor/from.js';
import * as ops from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { checkDerivatives, type Derivatives, fixture, load, scoped } from './fixtures.js';

interface Whole {
  shape: number[];
  values: number[];
}

type Inputs = Record<string, Tensor>;
type Args = Record<string, never>;

const whole = ({ shape, values }: Whole): Tensor => tensor(Int32Array.from(values), shape);

/** The name in a test's title: shapes and options. */
function title(op: string, d: Derivatives, options: object): string {
  const shapes = Object.values(d.inputs).map((x) => `[${x.shape}]`);
  return `${op} ${shapes.join(' ')} ${JSON.stringify(options)}`;
}

describe('activations', () => {
  const functions: Record<string, (x: Inputs, args: Args) => Tensor> = {
    erf: ({ x }) => ops.erf(x),
    gelu: ({ x }, args) => ops.gelu(x, args),
    silu: ({ x }) => ops.silu(x),
    elu: ({ x }, { alpha }) => ops.elu(x, alpha),
    selu: ({ x }) => ops.selu(x),
    celu: ({ x }, { alpha }) => ops.celu(x, alpha),
    mish: ({ x }) => ops.mish(x),
    logSigmoid: ({ x }) => ops.logSigmoid(x),
    hardtanh: ({ x }) => ops.hardtanh(x),
    softplus: ({ x }) => ops.softplus(x),
    tanh: ({ x }) => ops.tanh(x),
    sigmoid: ({ x }) => ops.sigmoid(x),
    prelu: ({ x, a }) => ops.prelu(x, a),
    glu: ({ x }, { axis }) => ops.glu(x, axis),
  };
  for (const { op, args, ...d } of fixture<(Derivatives & { op: string; args: Args })[]>('activations'))
    scoped(title(op, d, args), () => checkDerivatives((inputs) => functions[op](inputs, args), d, 2e-6));
});

describe('indexing', () => {
  interface Args {
    axis: number;
    indices: Whole;
    shape: number[];
  }
  const functions: Record<string, (x: Inputs, indices: Tensor, args: Args) => Tensor> = {
    takeAlongAxis: ({ x }, indices, { axis }) => ops.takeAlongAxis(x, indices, axis),
    scatterAlongAxis: ({ x, updates }, indices, { axis }) => ops.scatterAlongAxis(x, indices, updates, axis),
    scatterAddAlongAxis: ({ updates }, indices, { axis, shape }) =>
      ops.scatterAddAlongAxis(indices, updates, shape, axis),
    gather: ({ x }, indices, { axis }) => ops.gather(x, indices, axis),
  };
  for (const { op, args, ...d } of fixture<(Derivatives & { op: string; args: Args })[]>('indexing'))
    scoped(title(op, d, { axis: args.axis, indices: args.indices.shape }), () =>
      checkDerivatives((inputs) => functions[op](inputs, whole(args.indices), args), d, 1e-6),
    );
});

describe('sorting and scans', () => {
  interface Args {
    axis: number;
    descending: boolean;
    k: number;
    largest: boolean;
  }
  const sorted: Record<string, (x: Tensor, args: Args) => ops.Sorted> = {
    sort: (x, { axis, descending }) => ops.sort(x, axis, descending),
    topK: (x, { axis, k, largest }) => ops.topK(x, k, { axis, largest }),
  };
  type Case = Derivatives & { op: string; args: Args; indices?: number[] };
  for (const { op, args, indices, ...d } of fixture<Case[]>('sorting'))
    scoped(title(op, d, args), async () => {
      if (indices) {
        expect(Array.from(await sorted[op](load(d.inputs.x), args).indices.data())).toEqual(indices);
        await checkDerivatives(({ x }) => sorted[op](x, args).values, d, 1e-6);
      } else {
        const scan = op === 'cumsum' ? ops.cumsum : ops.cumprod;
        await checkDerivatives(({ x }) => scan(x, args.axis), d, 2e-6);
      }
    });
});

describe('losses', () => {
  type Constants = Record<string, Whole>;
  const real = ({ shape, values }: Whole): Tensor => tensor(Float32Array.from(values), shape);
  const functions: Record<string, (x: Inputs, constants: Constants, options: object) => Tensor> = {
    bceWithLogits: ({ x }, { target }, options) => losses.bceWithLogits(x, real(target), options),
    bce: ({ x }, { target }, options) => losses.bce(x, real(target), options),
    mse: ({ x, target }, _, options) => losses.mse(x, target, options),
    l1: ({ x, target }, _, options) => losses.l1(x, target, options),
    huber: ({ x, target }, _, options) => losses.huber(x, target, options),
    smoothL1: ({ x, target }, _, options) => losses.smoothL1(x, target, options),
    crossEntropy: ({ x }, { labels, target }, options) =>
      losses.crossEntropy(x, labels ? whole(labels) : real(target), options),
    nll: ({ x }, { labels }, options) => losses.nll(x, whole(labels), options),
    cosineEmbedding: ({ a, b }, { labels }, options) => losses.cosineEmbedding(a, b, whole(labels), options),
    klDiv: ({ x }, { target }, options) => losses.klDiv(ops.logSoftmax(x), real(target), options),
    klDivWithLogits: ({ x, target }, _, options) => losses.klDivWithLogits(x, target, options),
    gaussianKL: ({ means, logVariances }, _, options) => losses.gaussianKL(means, logVariances, options),
    featureMatching: ({ fake }, constants) => losses.featureMatching(real(constants.real), fake),
    meanFeatureMatching: ({ fake }, constants) => losses.meanFeatureMatching(real(constants.real), fake),
  };
  type Case = Derivatives & { op: string; options: object; constants: Constants };
  for (const { op, options, constants, ...d } of fixture<Case[]>('supervised')) {
    scoped(title(op, d, { ...options, with: Object.keys(constants) }), () =>
      checkDerivatives((inputs) => functions[op](inputs, constants, options), d, 2e-6),
    );
  }
});
