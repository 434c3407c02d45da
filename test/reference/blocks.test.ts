// Normalisations, StyleGAN's and SNGAN's blocks and minibatch layers against PyTorch in float64: values, first and second
// gradients; then gradient penalties through whole networks made of them. make/blocks.py wrote the fixtures.

import { describe, expect } from 'vitest';
import * as losses from '../../src/losses/index.js';
import * as nn from '../../src/nn/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import {
  type Activation,
  adaIN,
  add,
  biasAct,
  conditionalBatchNorm,
  conv2d,
  convTranspose2d,
  flatten,
  groupNorm,
  instanceNorm,
  layerNorm,
  leakyRelu,
  type ModulatedConv2dOptions,
  matmul,
  mean,
  minibatchDiscrimination,
  minibatchStddev,
  modulatedConv2d,
  pixelNorm,
  powerIteration,
  reshape,
  setupFilter,
  slice,
  spectralNorm,
  squeeze,
  tanh,
  tensor,
  upfirdn2d,
} from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import {
  checkDerivatives,
  type Derivatives,
  expectClose,
  fixture,
  load,
  loadAll,
  type Named,
  type Stored,
  scoped,
} from './fixtures.js';

type Inputs = Record<string, Tensor>;

describe('normalisations', () => {
  interface Attrs {
    activation: Activation;
    groups: number;
    eps: number;
    gain: number;
    clamp?: number;
  }
  const ops: Record<string, (i: Inputs, attrs: Attrs) => Tensor> = {
    groupNorm: ({ x, gamma, beta }, a) => groupNorm(x, a.groups, gamma, beta, { activation: a.activation }),
    adaIN: ({ x, gamma, beta }, { activation }) => adaIN(x, gamma, beta, { activation }),
    conditionalBatchNorm: ({ x, gamma, beta }, { activation }) =>
      conditionalBatchNorm(x, gamma, beta, { activation }),
    pixelNorm: ({ x }, { eps }) => pixelNorm(x, { eps }),
    biasAct: ({ x, b }, attrs) => biasAct(x, b, attrs),
  };
  for (const { op, attrs, ...d } of fixture<(Derivatives & { op: string; attrs: Attrs })[]>('blocks_norm')) {
    scoped(`${op} [${d.inputs.x.shape}] ${JSON.stringify(attrs)}`, () =>
      checkDerivatives((inputs) => ops[op](inputs, attrs), d, 3e-5),
    );
  }
});

describe('modulated convolution', () => {
  type Case = Derivatives & { options: ModulatedConv2dOptions; taps: number[] };
  for (const { options, taps, ...d } of fixture<Case[]>('blocks_modulated')) {
    scoped(`[${d.inputs.x.shape}] [${d.inputs.w.shape}] [${taps}] ${JSON.stringify(options)}`, () =>
      checkDerivatives(
        ({ x, w, styles, ...more }) =>
          modulatedConv2d(x, w, styles, { ...options, ...more, resampleFilter: setupFilter(taps) }),
        d,
        3e-5,
      ),
    );
  }
});

describe('spectral normalisation', () => {
  interface Case extends Derivatives {
    layer: string;
    steps: number;
    u0: Stored;
    v0: Stored;
    uAfter: Stored;
    vAfter: Stored;
  }
  for (const { layer, steps, u0, v0, uAfter, vAfter, ...d } of fixture<Case[]>('blocks_spectral')) {
    const transposed = layer === 'transposed';
    scoped(`${layer} [${d.inputs.w.shape}], ${steps} power iterations`, async () => {
      const start = { weight: load(d.inputs.w), u: load(u0), v: load(v0), transposed };
      const [[foundU, foundV]] = powerIteration([start], { iterations: steps });
      await expectClose(foundU, uAfter, 1e-5, 'u');
      await expectClose(foundV, vAfter, 1e-5, 'v');
      const [left, right] = (transposed ? [vAfter, uAfter] : [uAfter, vAfter]).map(load);
      await checkDerivatives(({ w }) => spectralNorm(w, left, right)[0], d, 1e-5);
    });
  }
});

describe('minibatch layers', () => {
  type Case = Derivatives & { op: string; options: { groupSize: number; features: number } };
  for (const { op, options, ...d } of fixture<Case[]>('blocks_minibatch')) {
    scoped(`${op} [${d.inputs.x.shape}] ${JSON.stringify(options)}`, () =>
      checkDerivatives(
        ({ x, projection }) =>
          op === 'minibatchStddev' ? minibatchStddev(x, options) : minibatchDiscrimination(x, projection),
        d,
        1e-5,
      ),
    );
  }
});

const leaky = { activation: 'leakyRelu', gain: Math.SQRT2 } as const;

describe('gradient penalties', () => {
  interface Case {
    critic: string;
    penalty: 'slope' | 'r1';
    x: Stored;
    u?: Stored;
    v?: Stored;
    parameters: Named;
    value: Stored;
    grads: Named;
  }
  const blocks: Record<string, (p: Inputs, h: Tensor) => Tensor> = {
    conv: (p, h) => conv2d(h, p.w, { padding: 1 }),
    'strided conv': (p, h) => conv2d(h, p.w, { stride: 2, padding: 1 }),
    'transposed conv': (p, h) => convTranspose2d(h, p.w, { stride: 2, padding: 1 }),
    layerNorm: (p, h) => layerNorm(h, p.gamma, p.beta),
    instanceNorm: (p, h) => instanceNorm(h, p.gamma, p.beta),
    groupNorm: (p, h) => groupNorm(h, 2, p.gamma, p.beta),
    pixelNorm: (_, h) => pixelNorm(h),
    adaIN: (p, h) => adaIN(h, p.gamma, p.beta),
    conditionalBatchNorm: (p, h) => conditionalBatchNorm(h, p.gamma, p.beta),
    spectralNorm: (p, h) => conv2d(h, spectralNorm(p.w, p.u, p.v)[0], { padding: 1 }),
    modulatedConv: ({ w, styles, noise, bias }, h) =>
      modulatedConv2d(h, w, styles, { noise, bias, ...leaky }),
    'modulatedConv up': (p, h) => modulatedConv2d(h, p.w, p.styles, { up: 2 }),
    upfirdn2d: (_, h) => upfirdn2d(h, setupFilter([1, 3, 3, 1]), { down: 2, padding: 1 }),
    minibatchStddev: (p, h) => conv2d(minibatchStddev(h, { groupSize: 2 }), p.w, { padding: 1 }),
    minibatchDiscrimination: (p, h) => minibatchDiscrimination(flatten(h, 1), p.t),
  };
  for (const c of fixture<Case[]>('blocks_penalties')) {
    scoped(`${c.penalty} through ${c.critic}`, async () => {
      const p = loadAll(c.parameters);
      const vectors: Inputs = c.u && c.v ? { u: load(c.u), v: load(c.v) } : {};
      const x = load(c.x);
      const critic = (images: Tensor) => {
        const first = leakyRelu(conv2d(images, p.first, { padding: 1 }), 0.2);
        const h = leakyRelu(blocks[c.critic]({ ...p, ...vectors }, first), 0.2);
        return tanh(matmul(flatten(h, 1), p.last));
      };
      const { value, grads } = valueAndGrad(() => {
        const penalty = c.penalty === 'r1' ? losses.r1(critic, x) : losses.slopePenalty(critic, x);
        return { loss: add(mean(critic(x)), penalty), penalty };
      }, Object.values(p));
      await expectClose(value.penalty, c.value, 2e-5, 'penalty');
      for (const [i, name] of Object.keys(p).entries()) {
        await expectClose(grads[i], c.grads[name], 1e-4, name);
      }
    });
  }
});

describe('path length regularisation', () => {
  interface Case {
    latents: Stored;
    parameters: Named;
    noise: Stored;
    before: number;
    after: Stored;
    value: Stored;
    grads: Named;
  }
  for (const c of fixture<Case[]>('blocks_path_length')) {
    scoped(`latents [${c.latents.shape}], moving average ${c.before}`, async () => {
      const p = loadAll(c.parameters);
      const [latents, noise] = [load(c.latents), load(c.noise)];
      const layer = (w: Tensor, k: number) => (w.rank === 3 ? squeeze(slice(w, [0, k, 0], [3, 1, 4]), 1) : w);
      const synthesis = (w: Tensor) => {
        const h = reshape(tanh(matmul(layer(w, 0), p.dense)), [3, 2, 2, 3]);
        const first = add(matmul(layer(w, 0), p.style1), 1);
        const up = modulatedConv2d(h, p.w1, first, { bias: p.bias1, up: 2, ...leaky });
        return modulatedConv2d(up, p.w2, add(matmul(layer(w, 1), p.style2), 1));
      };
      const runningMean = tensor(c.before);
      const { value, grads } = valueAndGrad(
        () => losses.pathLength(synthesis, latents, { runningMean, noise }),
        Object.values(p),
      );
      await expectClose(value, c.value, 2e-5, 'penalty');
      await expectClose(runningMean, c.after, 1e-5, 'moving average');
      for (const [i, name] of Object.keys(p).entries()) {
        await expectClose(grads[i], c.grads[name], 1e-4, name);
      }
    });
  }
});

describe('layers', () => {
  scoped('spectralNorm: true follows PyTorch through its training steps, and evaluation', async () => {
    type Case = Derivatives & { layer: string; steps: number; u0: Stored; v0: Stored; uAfter: Stored };
    const c = fixture<Case[]>('blocks_spectral').find((x) => x.layer === 'transposed' && x.steps === 5)!;
    const layer = new nn.ConvTranspose2d(4, 2, 2, { bias: false, spectralNorm: true });
    const [weight, u, v] = [load(c.inputs.w), load(c.u0), load(c.v0)];
    layer.loadStateDict({ 'spectral.weight': weight, 'spectral.u': u, 'spectral.v': v });
    for (let step = 0; step < c.steps; step++) layer.weight.dispose();
    await expectClose(layer.stateDict()['spectral.u'], c.uAfter, 1e-5, 'u');
    await expectClose(layer.eval().weight, c.y, 1e-5, 'weight');
    await expectClose(layer.weight, c.y, 1e-5, 'weight again');
    expect(Object.keys(layer.stateDict())).toEqual(['spectral.weight', 'spectral.u', 'spectral.v']);
    expect(layer.parameters()).toHaveLength(1);
    layer.dispose();
  });
});
