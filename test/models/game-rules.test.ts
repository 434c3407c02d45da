// The game around its techniques: what follows a step, turns, rates and limits; labels; a model's own terms;
// options that contradict each other. The techniques themselves are in game.test.ts.

import { describe, expect, test } from 'vitest';
import type { GameConfig } from '../../src/models/game-options.js';
import { modelEntry } from '../../src/models/index.js';
import { Discriminator, PlainDiscriminator } from '../../src/networks/discriminator.js';
import { perceptronGenerator } from '../../src/networks/perceptron.js';
import { Embedding } from '../../src/nn/embedding.js';
import { Linear } from '../../src/nn/linear.js';
import { Module } from '../../src/nn/module.js';
import { VirtualBatchNorm } from '../../src/nn/norm_adaptive.js';
import { Flatten } from '../../src/nn/reshape.js';
import { Sequential } from '../../src/nn/sequential.js';
import { Adam } from '../../src/optim/adam.js';
import { RMSprop } from '../../src/optim/rmsprop.js';
import { SGD } from '../../src/optim/sgd.js';
import { grad, noGrad } from '../../src/tensor/autograd.js';
import { add, mean, mul, reshape, sub, tensor } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { bce, dims, expectPhase, fakes, phaseOf, play, rates, size } from './game-play.js';

const code = (c: string) => expect.objectContaining({ code: c });

describe('what follows a step', () => {
  test('clipWeights keeps the weights of D within bounds', async () => {
    const { built, discriminator } = play({ clipWeights: 0.05 });
    phaseOf(built, 'D').after!();
    const values = await Promise.all(discriminator.parameters().map((t) => t.data()));
    const largest = Math.max(...values.flatMap((v) => Array.from(v, Math.abs)));
    expect(largest).toBeCloseTo(0.05, 6);
    expect(phaseOf(built, 'G').after).toBeUndefined();
  });

  test('clipGradients is the limit of every phase', () => {
    const clip = (options: Partial<GameConfig>) => play(options).built.phases.map((phase) => phase.clip);
    expect(clip({})).toEqual([undefined, undefined]);
    expect(clip({ clipGradients: 2, penalty: 'r1', penaltyEvery: 2 })).toEqual([2, 2, 2]);
  });

  test('dSteps and gSteps are the turns of the phases', () => {
    expect(play({ dSteps: 5, gSteps: 2 }).built.phases.map(({ repeat }) => repeat)).toEqual([5, 2]);
  });

  test('the optimisers have the rates of their network', () => {
    const { optimizers } = play({ lr: 0.1, lrGenerator: 0.2, lrDiscriminator: 0 }).built;
    expect([optimizers.generator.lr, optimizers.discriminator.lr]).toEqual([0.2, 0]);
    for (const [optimizer, kind] of [
      ['adam', Adam],
      ['rmsprop', RMSprop],
      ['sgd', SGD],
    ] as const) {
      const made = play({ optimizer }).built.optimizers;
      expect(made.generator).toBeInstanceOf(kind);
      expect(made.discriminator.lr).toBe(rates.lr);
    }
  });
});

class ConditionalGenerator extends Module {
  readonly classes = new Embedding(4, 3);
  readonly body = perceptronGenerator(dims, 3, { hidden: 2, norm: 'none' });
  forward(z: Tensor, labels: Tensor): Tensor {
    return this.body.forward(add(z, this.classes.forward(labels)));
  }
}

class ConditionalDiscriminator extends Discriminator {
  readonly body = new Linear(16, 5);
  readonly classes = new Embedding(4, 5);
  features(x: Tensor): Tensor {
    return this.body.forward(reshape(x, [x.shape[0], 16]));
  }
  head(features: Tensor, labels: Tensor): Tensor {
    return mul(features, this.classes.forward(labels)).sum(1, true);
  }
}

describe('a conditional game', () => {
  const conditional = (options: Partial<GameConfig> = {}) => {
    const networks = { generator: new ConditionalGenerator(), discriminator: new ConditionalDiscriminator() };
    const played = play(options, { ...networks, classes: 4 });
    played.batch.labels = tensor(
      Int32Array.from({ length: size }, (_, i) => i % 4),
      [size],
    );
    return played;
  };

  test('gives both networks the labels of the batch, for the penalty too', async () => {
    const played = conditional({ penalty: 'r1', penaltyWeight: 2 });
    const { discriminator: d, generator: g, latent, images, batch } = played;
    const labels = batch.labels!;
    await expectPhase(played, 'D', () => {
      const fake = noGrad(() => g.forward(latent.sample(size), labels));
      const squares = grad((at: Tensor) => d.forward(at, labels).sum())(images)
        .square()
        .sum();
      const penalty = mul(squares, 1 / size);
      return { penalty, loss: add(bce(d.forward(images, labels), d.forward(fake, labels)), penalty) };
    });
    await expectPhase(played, 'G', () => ({
      loss: mean(
        d
          .forward(g.forward(latent.sample(size), labels), labels)
          .neg()
          .softplus(),
      ),
    }));
    expect(played.built.classes).toBe(4);
  });
});

describe("a model's own terms", () => {
  test('are added to the losses and reported, with what was judged', async () => {
    const seen: (readonly number[])[] = [];
    const played = play(
      {},
      {
        terms: {
          generatorSeesReal: true,
          discriminator: (real, fake) => {
            seen.push(real.features.shape, real.logits.shape, fake.z.shape, fake.images.shape);
            return { apart: mul(mean(sub(real.logits, fake.logits)), 0.1) };
          },
          generator: (fake, real) => ({ near: mul(mean(sub(real!.logits, fake.logits)), 0.2) }),
        },
      },
    );
    const { discriminator: d, generator: g, latent, images } = played;
    await expectPhase(played, 'D', () => {
      const [real, fake] = [d.forward(images), d.forward(fakes(played))];
      const apart = mul(mean(sub(real, fake)), 0.1);
      return { apart, loss: add(bce(real, fake), apart) };
    });
    expect(seen).toEqual([
      [size, 6],
      [size, 1],
      [size, 3],
      [size, 4, 4, 1],
    ]);
    await expectPhase(played, 'G', () => {
      const fake = d.forward(g.forward(latent.sample(size)));
      const near = mul(sub(mean(noGrad(() => d.forward(images))), mean(fake)), 0.2);
      return { near, loss: add(mean(fake.neg().softplus()), near) };
    });
  });

  test('may stand in place of the objective of G', async () => {
    const played = play(
      { featureMatching: 2 },
      { terms: { withoutObjective: true, generator: (fake) => ({ low: mean(fake.images) }) } },
    );
    const { discriminator: d, generator: g, latent, images } = played;
    await expectPhase(played, 'G', () => {
      const fake = g.forward(latent.sample(size));
      const real = noGrad(() => d.features(images));
      const features = mul(
        sub(mean(d.features(fake), 0), mean(real, 0))
          .square()
          .sum(),
        2,
      );
      return { loss: add(mean(fake), features) };
    });
  });
});

describe('options that contradict each other are refused', () => {
  test.each([
    [
      'labels smoothed that the loss has not',
      { labelSmoothing: 0.1, loss: 'hinge' },
      /labelSmoothing.*hinge/,
    ],
    ['ada with a critic that has no zero', { augment: 'ada', loss: 'wasserstein' }, /ada.*wasserstein/],
    ['ada with targets 0 and 1', { augment: 'ada', loss: 'leastSquares' }, /ada.*leastSquares/],
  ] as [string, Partial<GameConfig>, RegExp][])('%s', (_, options, message) => {
    expect(() => play(options)).toThrow(code('ERR_CONFIG'));
    expect(() => play(options)).toThrow(message);
  });

  test('a discriminator with a reference batch', () => {
    const body = new VirtualBatchNorm(16);
    const discriminator = new PlainDiscriminator(new Sequential(new Flatten(), body), 16);
    expect(() => play({}, { discriminator })).toThrow(/is for the generator/);
  });

  test('a pool without labels for a conditional game', () => {
    const networks = { generator: new ConditionalGenerator(), discriminator: new ConditionalDiscriminator() };
    expect(() => play({ replayPool: 4 }, { ...networks, classes: 4 })).toThrow(/replayPool keeps no labels/);
  });

  test.each([
    ['dcgan', { penalty: 'r1' }, /must not normalise over the batch/],
    ['wgan-gp', { discriminatorNorm: 'batch' }, /must not normalise over the batch/],
  ])('%s with %j', (model, options, message) => {
    const { schema, build } = modelEntry(model);
    const config = schema.resolve({ baseWidth: 2, zSize: 3, ...options }, 'test');
    const attempt = () => build(config, { height: 16, width: 16, channels: 1 });
    expect(attempt).toThrow(code('ERR_CONFIG'));
    expect(attempt).toThrow(message);
  });
});
