// Progressive growing (Karras et al. 2018): the networks of networks/progressive.ts as WGAN-GP, from small
// images to large ones. Every level has phases of its own, which know only the layers up to it, so that the
// first steps are cheap; the count of steps that the networks keep moves the fading. Batch size and learning
// rate are the same at all levels.

import { wasserstein } from '../losses/adversarial.js';
import { gradientPenalty } from '../losses/gradient-penalty.js';
import { imagesAt, ProgressiveDiscriminator, ProgressiveGenerator } from '../networks/progressive.js';
import { noGrad } from '../tensor/autograd.js';
import { add, mean, mul, neg, square } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import type { Phase } from '../train/phase.js';
import { gameOptimizer } from './game.js';
import { defineModel, type Latent, normalLatent } from './model.js';
import { pyramidFields } from './pyramid-options.js';

const { batch, beta1, beta2, ema, lr } = trainingConfig.fields;
const weight = { type: 'number', min: 0, max: 1e6 } as const;

interface Networks {
  generator: ProgressiveGenerator;
  discriminator: ProgressiveDiscriminator;
}

/** Both phases of one level. */
function phasesAt(
  level: number,
  { generator, discriminator }: Networks,
  latent: Latent,
  { lambda, drift, dSteps }: { lambda: number; drift: number; dSteps: number },
): Phase[] {
  const { growth } = generator;
  const stage = { from: growth.start(level), until: growth.end(level) };
  const critic = (x: Tensor) => discriminator.at(level, x);
  // As in the authors' code, the slope is that by an image of full size, whose 4^m pixels make one of this
  // level: so the critic need not become twice as steep when a level begins.
  const scale = 2 ** (growth.levels - 1 - level);
  const penaltyOptions = { lambda: lambda / scale ** 2, target: scale };
  return [
    {
      name: 'D',
      train: ['discriminator'],
      repeat: dSteps,
      ...stage,
      loss({ images, size }) {
        const fake = noGrad(() => scope(() => generator.at(level, latent.sample(size))));
        const real = noGrad(() => scope(() => imagesAt(images, level, growth)));
        const realLogits = critic(real);
        const value = wasserstein.discriminator(realLogits, critic(fake));
        const penalty = gradientPenalty(critic, real, fake, penaltyOptions);
        const drifted = mul(mean(square(realLogits)), drift);
        const loss = add(add(value, penalty), drifted);
        const { distance, reached } = noGrad(() => ({ distance: neg(value), reached: growth.forward() }));
        return { loss, distance, penalty, level: reached };
      },
    },
    {
      name: 'G',
      train: ['generator'],
      ...stage,
      loss: ({ size }) => ({
        loss: wasserstein.generator(critic(generator.at(level, latent.sample(size)))),
      }),
      after() {
        generator.growth.advance();
        discriminator.growth.advance();
      },
    },
  ];
}

export const pggan = defineModel({
  name: 'pggan',
  summary:
    'progressive growing (Karras et al. 2018): from 3 to 7 pixels a side to the whole image, level by level',
  fields: {
    ...pyramidFields,
    batch: { ...batch, default: 32 },
    lr: { ...lr, default: 1e-3 },
    beta1: { ...beta1, default: 0 },
    beta2: { ...beta2, default: 0.99 },
    ema: { ...ema, default: 0.995 },
    lambda: { ...weight, default: 10, help: 'weight of the gradient penalty' },
    drift: { ...weight, default: 0.001, help: 'weight of E[D(x)²], which keeps the logits near 0' },
    stableSteps: {
      type: 'integer',
      default: 250,
      min: 1,
      help: 'steps at each level once it has faded in; the last one has all that remain',
    },
    fadeSteps: { type: 'integer', default: 250, min: 1, help: 'steps over which a level fades in' },
  },
  build(config, dims) {
    const { zSize, baseWidth, maxWidth, stableSteps, fadeSteps } = config;
    const options = { baseWidth, maxWidth, stableSteps, fadeSteps };
    const generator = new ProgressiveGenerator(dims, { ...options, zSize });
    const discriminator = new ProgressiveDiscriminator(dims, options);
    const latent = normalLatent(zSize);
    const { levels } = generator.growth;
    const rates = { ...config, optimizer: 'adam' } as const;
    return {
      networks: { generator, discriminator },
      latent,
      optimizers: {
        generator: gameOptimizer(generator, 'generator', rates),
        discriminator: gameOptimizer(discriminator, 'discriminator', rates),
      },
      phases: Array.from({ length: levels }, (_, level) =>
        phasesAt(level, { generator, discriminator }, latent, config),
      ).flat(),
    };
  },
});
