// ganvas against PyTorch in float64: the values, gradients and second gradients that make_fixtures.py stored. Ops one by
// one first, then a WGAN-GP penalty through whole critics and a training step of a small DCGAN.

import { describe } from 'vitest';
import * as losses from '../../src/losses/index.js';
import * as optim from '../../src/optim/index.js';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import { tensor } from '../../src/tensor/from.js';
import {
  add,
  batchNorm,
  conv2d,
  convTranspose2d,
  instanceNorm,
  layerNorm,
  leakyRelu,
  logSoftmax,
  matmul,
  maximum,
  mean,
  minimum,
  mul,
  relu,
  softmax,
  softplus,
  sqrt,
  square,
  sub,
  sum,
  tanh,
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

describe('convolutions', () => {
  type Case = Derivatives & { op: string; options: object };
  for (const { op, options, ...d } of fixture<Case[]>('conv')) {
    scoped(`${op} [${d.inputs.x.shape}] [${d.inputs.w.shape}] ${JSON.stringify(options)}`, () =>
      checkDerivatives(({ x, w }) => (op === 'conv2d' ? conv2d : convTranspose2d)(x, w, options), d, 1e-5),
    );
  }
});

describe('normalisations with activation', () => {
  type Name = 'none' | 'relu' | 'leakyRelu' | 'tanh' | 'sigmoid';
  type Case = Derivatives & { op: string; activation: Name; eps: number };
  const ops = { batchNorm, layerNorm, instanceNorm };
  for (const { op, activation, eps, ...d } of fixture<Case[]>('norm')) {
    const norm = ops[op as keyof typeof ops];
    scoped(`${op} [${d.inputs.x.shape}] ${activation}`, () =>
      checkDerivatives(({ x, gamma, beta }) => norm(x, gamma, beta, { eps, activation }), d, 3e-5),
    );
  }
});

describe('softmax', () => {
  type Case = Derivatives & { op: string; axis: number };
  for (const { op, axis, ...d } of fixture<Case[]>('softmax')) {
    scoped(`${op} [${d.inputs.x.shape}] over ${axis}`, () =>
      checkDerivatives(({ x }) => (op === 'softmax' ? softmax : logSoftmax)(x, axis), d, 1e-5),
    );
  }
});

describe('losses', () => {
  interface Entry {
    loss: Stored;
    real?: Stored;
    fake: Stored;
  }
  interface Losses {
    real: Stored;
    fake: Stored;
    discriminator: Record<string, Entry>;
    generator: Record<string, Entry>;
    binaryCrossEntropy: { logits: Stored; targets: Stored; loss: Stored; gradient: Stored };
    crossEntropy: { logits: Stored; labels: number[]; loss: Stored; gradient: Stored };
  }
  const found = fixture<Losses>('losses');
  const { minimax, nonSaturating, wasserstein, hinge, leastSquares } = losses;

  for (const [name, loss] of Object.entries({ minimax, nonSaturating, wasserstein, hinge, leastSquares })) {
    scoped(name, async () => {
      const [real, fake] = [load(found.real), load(found.fake)];
      const d = valueAndGrad(() => loss.discriminator(real, fake), [real, fake]);
      const want = found.discriminator[name];
      await expectClose(d.value, want.loss, 1e-6, 'loss of D');
      await expectClose(d.grads[0], want.real!, 1e-6, 'gradient by D(real)');
      await expectClose(d.grads[1], want.fake, 1e-6, 'gradient by D(fake)');
      const g = valueAndGrad(() => loss.generator(fake), [fake]);
      await expectClose(g.value, found.generator[name].loss, 1e-6, 'loss of G');
      await expectClose(g.grads[0], found.generator[name].fake, 1e-6, 'gradient of G by D(fake)');
    });
  }

  scoped('bceWithLogits', async () => {
    const { logits, targets, loss, gradient } = found.binaryCrossEntropy;
    const x = load(logits);
    const { value, grads } = valueAndGrad(() => losses.bceWithLogits(x, load(targets)), [x]);
    await expectClose(value, loss, 1e-6, 'loss');
    await expectClose(grads[0], gradient, 1e-6, 'gradient');
  });

  scoped('crossEntropy', async () => {
    const { logits, labels, loss, gradient } = found.crossEntropy;
    const x = load(logits);
    const classes = tensor(Int32Array.from(labels), [labels.length]);
    const { value, grads } = valueAndGrad(() => losses.crossEntropy(x, classes), [x]);
    await expectClose(value, loss, 1e-6, 'loss');
    await expectClose(grads[0], gradient, 1e-6, 'gradient');
  });
});

describe('kinks and ties', () => {
  interface Ties {
    x: Stored;
    y: Stored;
    rows: Stored;
    weight: Stored;
    unary: Record<string, { y: Stored; dx: Stored }>;
    binary: Record<string, { y: Stored; dx: Stored; dy: Stored }>;
    reduce: Record<string, { y: Stored; dx: Stored }>;
  }
  const ties = fixture<Ties>('ties');
  const unary: Record<string, (x: Tensor) => Tensor> = {
    abs: (x) => x.abs(),
    relu,
    leakyRelu: (x) => leakyRelu(x, 0.2),
    sign: (x) => x.sign(),
    pow0: (x) => x.pow(0),
    pow1: (x) => x.pow(1),
    pow2: (x) => x.pow(2),
    pow3: (x) => x.pow(3),
    square,
    floor: (x) => x.floor(),
  };
  for (const [name, want] of Object.entries(ties.unary)) {
    scoped(name, async () => {
      const [x, weight] = [load(ties.x), load(ties.weight)];
      await expectClose(unary[name](x), want.y, 1e-6, 'y');
      const { grads } = valueAndGrad(() => sum(mul(unary[name](x), weight)), [x]);
      await expectClose(grads[0], want.dx, 1e-6, 'gradient');
    });
  }
  for (const [name, want] of Object.entries(ties.binary)) {
    scoped(name, async () => {
      const [x, y, weight] = [load(ties.x), load(ties.y), load(ties.weight)];
      const f = () => (name === 'maximum' ? maximum : minimum)(x, y);
      await expectClose(f(), want.y, 1e-6, 'value');
      const { grads } = valueAndGrad(() => sum(mul(f(), weight)), [x, y]);
      await expectClose(grads[0], want.dx, 1e-6, 'gradient by x');
      await expectClose(grads[1], want.dy, 1e-6, 'gradient by y');
    });
  }
  for (const [name, want] of Object.entries(ties.reduce)) {
    scoped(`${name} over an axis`, async () => {
      const rows = load(ties.rows);
      const weight = tensor(Float32Array.of(1, 2, 3), [3]);
      const f = () => (name === 'max' ? rows.max(1) : rows.min(1));
      await expectClose(f(), want.y, 1e-6, 'value');
      await expectClose(
        valueAndGrad(() => sum(mul(f(), weight)), [rows]).grads[0],
        want.dx,
        1e-6,
        'gradient',
      );
    });
  }
});

type Parameters = Record<string, Tensor>;

describe('WGAN-GP', () => {
  interface Case {
    critic: string;
    real: Stored;
    fake: Stored;
    mixed: Stored;
    parameters: Named;
    penalty: Stored;
    loss: Stored;
    grads: Named;
  }
  type Norm = (x: Tensor, gamma: Tensor, beta: Tensor) => Tensor;

  function mlp(p: Parameters, x: Tensor): Tensor {
    const h = add(matmul(x, p.w1), p.b1);
    const first = leakyRelu(p.gamma ? layerNorm(h, p.gamma, p.beta) : h, 0.2);
    return matmul(tanh(add(matmul(first, p.w2), p.b2)), p.w3);
  }

  const conv = (norm: Norm) => (p: Parameters, x: Tensor) => {
    const h = leakyRelu(conv2d(x, p.w1, { stride: 2, padding: 1 }), 0.2);
    const normed = leakyRelu(norm(conv2d(h, p.w2, { stride: 2, padding: 1 }), p.gamma, p.beta), 0.2);
    return matmul(normed.reshape([x.shape[0], -1]), p.w3);
  };

  const critics: Record<string, (p: Parameters, x: Tensor) => Tensor> = {
    mlp,
    'mlp with layerNorm': mlp,
    'conv with layerNorm': conv(layerNorm),
    'conv with instanceNorm': conv(instanceNorm),
    'conv with batchNorm': conv(batchNorm),
  };

  for (const c of fixture<Case[]>('wgan_gp')) {
    scoped(c.critic, async () => {
      const p = loadAll(c.parameters);
      const [real, fake, mixed] = [load(c.real), load(c.fake), load(c.mixed)];
      const critic = (x: Tensor) => critics[c.critic](p, x);
      const { value, grads } = valueAndGrad(() => {
        const slope = grad((x: Tensor) => sum(critic(x)))(mixed).reshape([mixed.shape[0], -1]);
        const penalty = mean(square(sub(sqrt(sum(square(slope), 1)), 1)));
        return { loss: add(sub(mean(critic(fake)), mean(critic(real))), mul(penalty, 10)), penalty };
      }, Object.values(p));
      await expectClose(value.penalty, c.penalty, 1e-5, 'penalty');
      await expectClose(value.loss, c.loss, 1e-5, 'loss');
      for (const [i, name] of Object.keys(p).entries())
        await expectClose(grads[i], c.grads[name], 1e-4, name);
    });
  }
});

describe('a DCGAN training step', () => {
  interface Step {
    generator: Named;
    discriminator: Named;
    discriminatorAfter: Named;
    real: Stored;
    zD: Stored;
    zG: Stored;
    fake: Stored;
    lossD: Stored;
    lossG: Stored;
    gradsD: Named;
    gradsG: Named;
  }
  const step = fixture<Step>('dcgan');
  const half = { stride: 2, padding: 1 };

  function generate(p: Parameters, z: Tensor): Tensor {
    const batch = z.shape[0];
    const first = batchNorm(matmul(z, p.dense).reshape([batch, 4, 4, -1]), p.gamma1, p.beta1, {
      activation: 'relu',
    });
    const second = batchNorm(convTranspose2d(first, p.up1, half), p.gamma2, p.beta2, { activation: 'relu' });
    return tanh(add(convTranspose2d(second, p.up2, half), p.bias));
  }

  function discriminate(p: Parameters, x: Tensor): Tensor {
    const first = leakyRelu(add(conv2d(x, p.down1, half), p.bias1), 0.2);
    const second = leakyRelu(batchNorm(conv2d(first, p.down2, half), p.gamma, p.beta), 0.2);
    return matmul(second.reshape([x.shape[0], -1]), p.dense);
  }

  scoped('the discriminator, on real and generated images apart', async () => {
    const [g, d] = [loadAll(step.generator), loadAll(step.discriminator)];
    const fake = generate(g, load(step.zD));
    await expectClose(fake, step.fake, 1e-5, 'generated images');
    const real = load(step.real);
    const { value, grads } = valueAndGrad(
      () => losses.nonSaturating.discriminator(discriminate(d, real), discriminate(d, fake)),
      Object.values(d),
    );
    await expectClose(value, step.lossD, 1e-5, 'loss');
    for (const [i, name] of Object.keys(d).entries())
      await expectClose(grads[i], step.gradsD[name], 5e-5, name);
  });

  scoped('the generator, through the updated discriminator', async () => {
    const [g, d] = [loadAll(step.generator), loadAll(step.discriminatorAfter)];
    const z = load(step.zG);
    const { value, grads } = valueAndGrad(
      () => mean(softplus(discriminate(d, generate(g, z)).neg())),
      Object.values(g),
    );
    await expectClose(value, step.lossG, 1e-5, 'loss');
    for (const [i, name] of Object.keys(g).entries())
      await expectClose(grads[i], step.gradsG[name], 5e-5, name);
  });
});

describe('optimisers, five steps', () => {
  interface Case {
    optimiser: string;
    options: { lr: number; betas?: [number, number]; weight_decay?: number; [option: string]: unknown };
    after: Stored[][];
  }
  const { start, grads, cases } = fixture<{ start: Stored[]; grads: Stored[][]; cases: Case[] }>('optim');
  const makers: Record<string, (parameters: Tensor[], options: object) => optim.Optimizer> = {
    sgd: (p, o) => new optim.SGD(p, o as optim.SGDOptions),
    adam: (p, o) => new optim.Adam(p, o),
    adamw: (p, o) => new optim.AdamW(p, o),
    rmsprop: (p, o) => new optim.RMSprop(p, o),
  };
  for (const { optimiser, options, after } of cases) {
    scoped(`${optimiser} ${JSON.stringify(options)}`, async () => {
      const { weight_decay: weightDecay, ...same } = options;
      const parameters = start.map(load);
      const o = makers[optimiser](parameters, weightDecay === undefined ? same : { ...same, weightDecay });
      for (const [step, want] of after.entries()) {
        o.step(grads[step].map(load));
        for (const [i, p] of parameters.entries())
          await expectClose(p, want[i], 1e-6, `parameter ${i}, step ${step}`);
      }
      for (const t of Object.values(o.stateDict().tensors)) t.dispose();
    });
  }
});
