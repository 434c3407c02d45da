// StyleGAN2 and progressive growing against PyTorch: styles, images, logits, and the gradients of both sides'
// losses with their penalties (fixtures of make/style.py).

import { describe, expect } from 'vitest';
import { nonSaturating, pathLength, r1, slopePenalty, wasserstein } from '../../src/losses/index.js';
import { imagesAt, ProgressiveDiscriminator, ProgressiveGenerator } from '../../src/networks/progressive.js';
import { StyleGAN2Discriminator } from '../../src/networks/stylegan2-discriminator.js';
import { StyleGAN2Generator } from '../../src/networks/stylegan2-generator.js';
import type { Module } from '../../src/nn/module.js';
import { noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { add, mean, mul, slice, square, tensor } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { expectClose, fixture, load, loadAll, type Named, type Stored, scoped } from './fixtures.js';

/** Loads the parameters of the fixture; buffers that it has not keep their values. */
function loaded<M extends Module>(network: M, values: Named): M {
  const own = network.stateDict();
  network.loadStateDict({ ...own, ...loadAll(values) });
  const missing = network.namedParameters().filter(([name]) => !Object.hasOwn(values, name));
  expect(missing.map(([name]) => name)).toEqual([]);
  return network;
}

/** Compares the loss and its gradient by each parameter of the network. */
async function expectGradients(
  network: Module,
  loss: () => Tensor,
  want: Stored,
  grads: Named,
  relative = 5e-5,
) {
  const named = network.namedParameters();
  const found = valueAndGrad(
    loss,
    named.map(([, t]) => t),
  );
  await expectClose(found.value, want, 1e-5, 'loss');
  for (const [i, [name]] of named.entries()) await expectClose(found.grads[i], grads[name], relative, name);
}

describe('StyleGAN2', () => {
  interface Fixture {
    generator: Named;
    discriminator: Named;
    z: Stored;
    labels: number[];
    real: Stored;
    noise: Stored;
    w: Stored;
    fake: Stored;
    realLogits: Stored;
    fakeLogits: Stored;
    lossD: Stored;
    r1: Stored;
    lossG: Stored;
    average: Stored;
    averageAfter: Stored;
    path: Stored;
    gradsD: Named;
    gradsR1: Named;
    gradsG: Named;
    gradsPath: Named;
  }
  const f = fixture<Fixture>('stylegan2');
  const dims = { height: 6, width: 8, channels: 2 };
  const options = { zSize: 5, wSize: 4, mappingLayers: 2, baseWidth: 3, maxWidth: 4, classes: 3 };
  // In evaluation the noise is a constant of the network, which the fixture has too.
  const networks = () => ({
    g: loaded(new StyleGAN2Generator(dims, options), f.generator).eval(),
    d: loaded(new StyleGAN2Discriminator(dims, options), f.discriminator),
    z: load(f.z),
    labels: tensor(Int32Array.from(f.labels), [4]),
    real: load(f.real),
  });

  scoped('styles, images and logits', async () => {
    const { g, d, z, labels, real } = networks();
    const w = g.map(z, labels);
    await expectClose(slice(w, [0, 3, 0], [4, 1, 4]).reshape([4, 4]), f.w, 1e-5, 'styles');
    const fake = g.synthesize(w);
    await expectClose(fake, f.fake, 1e-5, 'images');
    await expectClose(d.forward(real, labels), f.realLogits, 1e-5, 'logits of real images');
    await expectClose(d.forward(fake, labels), f.fakeLogits, 1e-5, 'logits of generated images');
  });

  scoped('the discriminator: its loss, and R1', async () => {
    const { g, d, z, labels, real } = networks();
    const fake = noGrad(() => g.forward(z, labels));
    const judge = (x: Tensor) => d.forward(x, labels);
    const loss = () => nonSaturating.discriminator(judge(real), judge(fake));
    await expectGradients(d, loss, f.lossD, f.gradsD);
    await expectGradients(d, () => r1(judge, real, { gamma: 2.5 }), f.r1, f.gradsR1);
  });

  scoped('the generator: its loss, and path length', async () => {
    const { g, d, z, labels } = networks();
    const loss = () => nonSaturating.generator(d.forward(g.forward(z, labels), labels));
    await expectGradients(g, loss, f.lossG, f.gradsG);
    const runningMean = load(f.average);
    const path = () =>
      pathLength((w) => g.synthesize(w), g.map(z, labels), { runningMean, noise: load(f.noise) });
    await expectGradients(g, path, f.path, f.gradsPath);
    await expectClose(runningMean, f.averageAfter, 1e-5, 'moving average');
  });
});

describe('progressive growing', () => {
  interface Fixture {
    generator: Named;
    discriminator: Named;
    z: Stored;
    real: Stored;
    cases: {
      steps: number;
      level: number;
      whole: Stored;
      fake: Stored;
      seen: Stored;
      mixed: Stored;
      realLogits: Stored;
      wholeLogits: Stored;
      penalty: Stored;
      lossD: Stored;
      lossG: Stored;
      gradsD: Named;
      gradsG: Named;
    }[];
  }
  const f = fixture<Fixture>('progressive');
  const dims = { height: 12, width: 16, channels: 2 };
  const options = { zSize: 5, baseWidth: 3, maxWidth: 4, stableSteps: 2, fadeSteps: 4 };

  for (const c of f.cases) {
    const { steps, level } = c;
    scoped(`step ${steps}, at level ${level} of 2`, async () => {
      const g = loaded(new ProgressiveGenerator(dims, options), f.generator);
      const d = loaded(new ProgressiveDiscriminator(dims, options), f.discriminator);
      const count = tensor(Int32Array.of(steps), []);
      assign([g.growth.steps, d.growth.steps], [count, count]);
      const [z, real] = [load(f.z), load(f.real)];
      await expectClose(g.forward(z), c.whole, 1e-5, 'images of full size');
      await expectClose(d.forward(real), c.wholeLogits, 1e-5, 'logits of full size');
      const fake = noGrad(() => g.at(level, z));
      await expectClose(fake, c.fake, 1e-5, 'images');
      const seen = imagesAt(real, level, d.growth);
      await expectClose(seen, c.seen, 1e-6, 'real images as the level sees them');
      const critic = (x: Tensor) => d.at(level, x);
      await expectClose(critic(seen), c.realLogits, 1e-5, 'logits');
      const factor = 2 ** (2 - level);
      const penalty = () => slopePenalty(critic, load(c.mixed), { lambda: 10 / factor ** 2, target: factor });
      await expectClose(noGrad(penalty), c.penalty, 1e-5, 'penalty');
      const loss = () => {
        const realLogits = critic(seen);
        const base = wasserstein.discriminator(realLogits, critic(fake));
        return add(add(base, penalty()), mul(mean(square(realLogits)), 0.5));
      };
      await expectGradients(d, loss, c.lossD, c.gradsD);
      await expectGradients(g, () => wasserstein.generator(critic(g.at(level, z))), c.lossG, c.gradsG);
    });
  }
});
