// The game's techniques, one option at a time: losses and gradients of its phases against the formula written
// out in ops with the same random draws; the state of techniques with a memory. What is not a loss is in
// game-rules.test.ts, whole runs in memory.test.ts.

import { describe, expect, test } from 'vitest';
import { diffAugment } from '../../src/augment/index.js';
import { adversarialLosses } from '../../src/losses/adversarial.js';
import { dragan } from '../../src/losses/gradient-penalty.js';
import type { Discriminator, PlainDiscriminator } from '../../src/networks/discriminator.js';
import { perceptronGenerator } from '../../src/networks/perceptron.js';
import { Linear } from '../../src/nn/linear.js';
import type { Module } from '../../src/nn/module.js';
import { VirtualBatchNorm } from '../../src/nn/norm_adaptive.js';
import { grad, noGrad } from '../../src/tensor/autograd.js';
import { add, mean, mul, randn, sub, tensor, uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { ReplayPool } from '../../src/train/pool.js';
import { bce, dims, expectPhase, fakes, outcome, type Played, phaseOf, play, size } from './game-play.js';

const slopes = (d: Module, x: Tensor) =>
  grad((at: Tensor) => d.forward(at).sum())(x)
    .square()
    .reshape([x.shape[0], -1])
    .sum(1);

describe('the plain game', () => {
  test('D: real against generated images; G: the non-saturating objective', async () => {
    const played = play();
    const { discriminator: d, generator: g, latent, images } = played;
    const { parts } = await expectPhase(played, 'D', () => ({
      loss: bce(d.forward(images), d.forward(fakes(played))),
    }));
    expect(Object.keys(parts).sort()).toEqual(['loss', 'scoreFake', 'scoreReal']);
    await expectPhase(played, 'G', () => ({
      loss: mean(
        d
          .forward(g.forward(latent.sample(size)))
          .neg()
          .softplus(),
      ),
    }));
    expect(played.built.phases.map(({ name }) => name)).toEqual(['D', 'G']);
    expect(Object.keys(played.built.networks)).toEqual(['generator', 'discriminator']);
  });

  test.each(Object.keys(adversarialLosses) as (keyof typeof adversarialLosses)[])('%s', async (loss) => {
    const played = play({ loss });
    const { discriminator: d, generator: g, latent, images } = played;
    const objective = adversarialLosses[loss];
    await expectPhase(played, 'D', () => ({
      loss: objective.discriminator(d.forward(images), d.forward(fakes(played))),
    }));
    await expectPhase(played, 'G', () => ({
      loss: objective.generator(
        d.forward(g.forward(latent.sample(size))),
        undefined,
        noGrad(() => d.forward(images)),
      ),
    }));
  });

  test('a batch of one image works', async () => {
    const played = play();
    const one = { images: played.images.slice([0, 0, 0, 0], [1, 4, 4, 1]), size: 1 };
    for (const { loss } of played.built.phases) {
      expect(await scope(() => loss(one, played.built.networks).loss.item())).toBeGreaterThan(0);
    }
  });

  test('labels are left alone by a game without classes', async () => {
    const played = play();
    played.batch.labels = tensor(new Int32Array(size), [size]);
    const { discriminator: d, images } = played;
    await expectPhase(played, 'D', () => ({ loss: bce(d.forward(images), d.forward(fakes(played))) }));
  });
});

describe('terms in the loss of D', () => {
  test('labelSmoothing: the target of real images is 1 - s', async () => {
    const played = play({ labelSmoothing: 0.1 });
    const { discriminator: d, images } = played;
    await expectPhase(played, 'D', () => {
      const [real, fake] = [d.forward(images), d.forward(fakes(played))];
      // -0.9 log σ(D) - 0.1 log(1 - σ(D)), and -log(1 - σ(D)).
      const smooth = add(mul(real.neg().softplus(), 0.9), mul(real.softplus(), 0.1));
      return { loss: add(mean(smooth), mean(fake.softplus())) };
    });
  });

  test('labelFlip 1: all pairs change places', async () => {
    const played = play({ labelFlip: 1 });
    const { discriminator: d, images } = played;
    await expectPhase(played, 'D', () => ({ loss: bce(d.forward(fakes(played)), d.forward(images)) }));
  });

  test('lecam: the squared distances from the averages, at first the means of the batch', async () => {
    const played = play({ lecam: 0.3 });
    const { discriminator: d, images } = played;
    const { parts } = await expectPhase(played, 'D', () => {
      const [real, fake] = [d.forward(images), d.forward(fakes(played))];
      const [alphaReal, alphaFake] = noGrad(() => [mean(real), mean(fake)]);
      const lecam = mul(add(mean(sub(real, alphaFake).square()), mean(sub(fake, alphaReal).square())), 0.3);
      return { lecam, loss: add(bce(real, fake), lecam) };
    });
    expect(parts.lecam).toBeGreaterThan(0);
    expect(played.built.networks.lecam.namedBuffers()).toHaveLength(3);
  });

  test.each([
    ['r1', (d: Module, x: Tensor, _: Tensor) => mul(mean(slopes(d, x)), 1.5)],
    ['r2', (d: Module, _: Tensor, fake: Tensor) => mul(mean(slopes(d, fake)), 1.5)],
    [
      'r1r2',
      (d: Module, x: Tensor, fake: Tensor) => mul(add(mean(slopes(d, x)), mean(slopes(d, fake))), 1.5),
    ],
    [
      'wgan-gp',
      (d: Module, x: Tensor, fake: Tensor) => {
        const epsilon = uniform([size, 1, 1, 1]);
        const between = add(mul(epsilon, x), mul(sub(1, epsilon), fake));
        return mul(mean(sub(slopes(d, between).sqrt(), 1).square()), 3);
      },
    ],
    ['dragan', (d: Module, x: Tensor, _: Tensor) => dragan((at) => d.forward(at), x, { lambda: 3 })],
  ] as const)('penalty %s', async (penalty, formula) => {
    const played = play({ penalty, penaltyWeight: 3 });
    const { discriminator: d, images } = played;
    await expectPhase(played, 'D', () => {
      const fake = fakes(played);
      const game = bce(d.forward(images), d.forward(fake));
      const weighted = formula(d, images, fake);
      return { penalty: weighted, loss: add(game, weighted) };
    });
  });

  test('penaltyEvery: a phase of its own that weighs as many times more', async () => {
    const played = play({ penalty: 'r1', penaltyWeight: 2, penaltyEvery: 4, dSteps: 3 });
    const { discriminator: d, images, built } = played;
    expect(built.phases.map(({ name, every, repeat }) => [name, every, repeat])).toEqual([
      ['D', undefined, 3],
      ['Dreg', 4, 3],
      ['G', undefined, 1],
    ]);
    await expectPhase(played, 'D', () => ({ loss: bce(d.forward(images), d.forward(fakes(played))) }));
    await expectPhase(played, 'Dreg', () => {
      const penalty = mean(slopes(d, images));
      return { penalty, loss: mul(penalty, 4) };
    });
  });
});

describe('terms in the loss of G', () => {
  const generated = ({ discriminator: d, generator: g, latent }: Played) => {
    const features = d.features(g.forward(latent.sample(size)));
    return { features, objective: mean(d.head(features).neg().softplus()) };
  };

  test('featureMatching: the squared distance of the mean features', async () => {
    const played = play({ featureMatching: 0.7 });
    const { discriminator: d, images } = played;
    const { parts } = await expectPhase(played, 'G', () => {
      const { features: fake, objective } = generated(played);
      const real = noGrad(() => d.features(images));
      const features = mul(sub(mean(fake, 0), mean(real, 0)).square().sum(), 0.7);
      return { features, loss: add(objective, features) };
    });
    expect(parts.features).toBeGreaterThan(0);
  });

  test('orthogonal: overlaps of the rows of every weight', async () => {
    const played = play({ orthogonal: 0.2 });
    const linear = played.generator.modules().filter((m) => m instanceof Linear);
    await expectPhase(played, 'G', () => {
      const overlaps = linear.map(({ weight: w }) => {
        const products = w.matmul(w, { transB: true });
        const lengths = w.square().sum(1);
        return sub(products.square().sum(), lengths.square().sum());
      });
      const orthogonal = mul(overlaps.reduce(add), 0.2);
      return { orthogonal, loss: add(generated(played).objective, orthogonal) };
    });
  });
});

test('historicalAveraging: none at first, then the squared distance of both networks from their past', async () => {
  const played = play({ historicalAveraging: 0.5 });
  const { built, batch } = played;
  for (const [phaseName, part] of [
    ['D', 'historyD'],
    ['G', 'historyG'],
  ]) {
    const phase = phaseOf(built, phaseName);
    const network = built.networks[phase.train[0]] as Module;
    const first = await outcome(network, () => phase.loss(batch, built.networks));
    expect(first.parts[part]).toBe(0);
    const parameters = network.parameters();
    scope(() =>
      assign(
        parameters,
        parameters.map((t) => add(t, 0.25)),
      ),
    );
    const second = await outcome(network, () => phase.loss(batch, built.networks));
    const count = parameters.reduce((sum, t) => sum + t.size, 0);
    expect(second.parts[part]).toBeCloseTo(0.5 * count * 0.25 ** 2, 4);
  }
});

describe('what D is shown', () => {
  test('diffaugment: real and generated images, in both phases', async () => {
    const played = play({ augment: 'diffaugment' });
    const { discriminator: d, generator: g, latent, images } = played;
    await expectPhase(played, 'D', () => {
      const fake = fakes(played);
      return { loss: bce(d.forward(diffAugment(images)), d.forward(diffAugment(fake))) };
    });
    await expectPhase(played, 'G', () => ({
      loss: mean(
        d
          .forward(diffAugment(g.forward(latent.sample(size))))
          .neg()
          .softplus(),
      ),
    }));
  });

  test('instance noise: as much as is left of it, counted in training steps', async () => {
    const played = play({ instanceNoise: 0.4, instanceNoiseSteps: 4, dSteps: 2 });
    const { discriminator: d, images, built } = played;
    const { sigma } = built.networks.noise as Module & { sigma: Tensor };
    for (let update = 0; update < 10; update++) {
      const left = 0.4 * Math.max(0, 1 - update / 8);
      expect(await sigma.item()).toBeCloseTo(left, 6);
      await expectPhase(played, 'D', () => {
        const fake = fakes(played);
        const noisy = (x: Tensor) => add(x, mul(randn(x.shape), left));
        return { loss: bce(d.forward(noisy(images)), d.forward(noisy(fake))) };
      });
      phaseOf(built, 'D').after?.();
    }
  });

  test('ada: nothing is changed at p = 0; p rises while D is sure of the real images', async () => {
    const played = play({ augment: 'ada', adaTarget: -0.5, adaKimg: 0.048 });
    const { discriminator: d, images, built } = played;
    const { probability } = built.networks.augment as Module & { probability: Tensor };
    // Large enough a bias for D to say "real" of every image.
    const sure = (network: Discriminator) =>
      assign((network as PlainDiscriminator).output.bias!, tensor([50]));
    sure(d);
    const loss = async () =>
      (await outcome(d, () => phaseOf(built, 'D').loss(played.batch, built.networks))).parts;
    const want = await outcome(d, () => ({ loss: bce(d.forward(images), d.forward(fakes(played))) }));
    expect((await loss()).loss).toBeCloseTo(want.parts.loss, 2);
    for (let update = 1; update < 8; update++) await loss();
    // Every fourth update of 6 images moves p by 24 / 48.
    expect(await probability.item()).toBeCloseTo(1, 6);
  });

  test('replayPool: half old images once it is full', async () => {
    const played = play({ replayPool: size });
    const { discriminator: d, images, built, generator, latent } = played;
    const twin = new ReplayPool(size, [4, 4, 1]);
    const shown = () => twin.forward(noGrad(() => generator.forward(latent.sample(size))));
    for (let round = 0; round < 3; round++) {
      // The formula's draws must come in the same order: latents, then the pool's.
      await expectPhase(played, 'D', () => ({ loss: bce(d.forward(images), d.forward(shown())) }));
    }
    expect(await (built.networks.pool as ReplayPool).count.item()).toBe(size);
  });

  test('virtual batch norm: an image does not depend on the others of its batch', async () => {
    manualSeed(3);
    const generator = perceptronGenerator(dims, 3, { hidden: 2, norm: 'virtual' });
    const played = play({}, { generator });
    const { reference } = played.built.networks;
    expect((reference as Module & { z: Tensor }).z.shape).toEqual([size, 3]);
    await outcome(generator, () => phaseOf(played.built, 'G').loss(played.batch, played.built.networks));
    const layers = generator.modules().filter((m) => m instanceof VirtualBatchNorm);
    for (const { referenceSize } of layers) expect(await referenceSize.item()).toBe(size);
    await scope(async () => {
      const z = randn([5, 3]);
      const all = await generator.forward(z).data();
      const one = await generator.forward(z.slice([0, 0], [1, 3])).data();
      one.forEach((v, i) => {
        expect(v).toBeCloseTo(all[i], 5);
      });
    });
  });
});
