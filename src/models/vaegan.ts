// VAE/GAN (Larsen et al. 2016): a variational autoencoder whose reconstructions are compared in what the
// discriminator of a GAN sees of them, not in pixels. Encoder, decoder (the generator) and discriminator
// learn by losses of their own, in phases of their own (algorithm 1 of the paper).

import { gaussianKL } from '../losses/divergence.js';
import { bceWithLogits } from '../losses/supervised.js';
import { dcganDiscriminator, dcganGenerator } from '../networks/dcgan.js';
import { Equilibrium, GaussianEncoder, reparametrised } from '../networks/vaegan.js';
import { noGrad } from '../tensor/autograd.js';
import { add, div, mean, mul, square, sub, sum } from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import { gameOptimizer } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields } from './layer-options.js';
import { type BuiltModel, defineModel, normalLatent } from './model.js';

const { lr } = trainingConfig.fields;
const weight = { type: 'number', min: 0, max: 1e6 } as const;

/** -log N(f(x); f(x̃), I) without its constant (eq. 7): half the squared distance, summed over features. */
const unlikelihood = (real: Tensor, fake: Tensor) =>
  mul(mean(sum(square(sub(inFloat32(real), inFloat32(fake))), 1)), 0.5);

/** A loss with its gradient where `on` is 1 and none where it is 0; its value either way, to be reported. */
const gated = (loss: Tensor, on: Tensor) =>
  add(
    mul(loss, on),
    noGrad(() => mul(loss, sub(1, on))),
  );

export const vaegan = defineModel({
  name: 'vaegan',
  summary: 'VAE/GAN (Larsen et al. 2016): an autoencoder that compares what a discriminator sees',
  fields: {
    zSize: { ...gameFields.zSize, default: 32 },
    baseWidth: { ...dcganFields.baseWidth, default: 32 },
    optimizer: { ...gameFields.optimizer, default: 'rmsprop' },
    lr: { ...lr, default: 1e-3 },
    clipGradients: gameFields.clipGradients,
    reconstructionWeight: {
      ...weight,
      default: 1e-3,
      help: "γ: weight of the reconstruction in the generator's loss, beside the game",
    },
    priorWeight: { ...weight, default: 1, help: "weight of the prior in the encoder's loss" },
    equilibrium: { ...weight, default: 0.68, help: "cost at which D's judgement is balanced" },
    margin: {
      ...weight,
      default: 0.35,
      help: 'D waits while a cost lies further below the equilibrium, G while one lies further above',
    },
  },
  build(config, dims): BuiltModel {
    const { zSize, baseWidth, reconstructionWeight, priorWeight, equilibrium, margin } = config;
    const latent = normalLatent(zSize);
    const encoder = new GaussianEncoder(dims, zSize, { baseWidth });
    const generator = dcganGenerator(dims, zSize, { baseWidth });
    const discriminator = dcganDiscriminator(dims, { baseWidth });
    const balance = new Equilibrium(equilibrium, margin);
    const clip = config.clipGradients > 0 ? config.clipGradients : undefined;

    /** What reconstruction and latent of the prior cost D, the mean of both halves. */
    const costAs = (target: number, [reconstructed, sampled]: readonly Tensor[]) => {
      const halves = [reconstructed, sampled].map((features) =>
        bceWithLogits(discriminator.head(features), target),
      );
      return mul(add(halves[0], halves[1]), 0.5);
    };

    return {
      networks: { generator, discriminator, encoder, balance },
      latent,
      optimizers: {
        generator: gameOptimizer(generator, 'generator', config),
        discriminator: gameOptimizer(discriminator, 'discriminator', config),
        encoder: gameOptimizer(encoder, 'generator', config),
      },
      phases: [
        {
          name: 'D',
          train: ['discriminator'],
          clip,
          repeat: config.dSteps,
          loss({ images, size }) {
            const made = noGrad(() =>
              scope(() => [
                generator.forward(reparametrised(encoder.posterior(images))),
                generator.forward(latent.sample(size)),
              ]),
            );
            const logits = discriminator.forward(images);
            const realCost = bceWithLogits(logits, 1);
            const fakeCost = costAs(
              0,
              made.map((fake) => discriminator.features(fake)),
            );
            const learns = balance.forward(realCost, fakeCost);
            return { loss: gated(add(realCost, fakeCost), learns), realCost, fakeCost };
          },
        },
        {
          name: 'E',
          train: ['encoder'],
          clip,
          loss({ images }) {
            const real = noGrad(() => discriminator.features(images));
            const posterior = encoder.posterior(images);
            const seen = discriminator.features(generator.forward(reparametrised(posterior)));
            const reconstruction = unlikelihood(real, seen);
            const prior = mul(gaussianKL(posterior.mean, posterior.logVariance), priorWeight);
            // Sums over latent and features: per number of the latent, their gradients are of a usual size.
            return { loss: div(add(prior, reconstruction), zSize), prior, reconstruction };
          },
        },
        {
          name: 'G',
          train: ['generator'],
          clip,
          loss({ images, size }) {
            const [real, z] = noGrad(() => [
              discriminator.features(images),
              reparametrised(encoder.posterior(images)),
            ]);
            const seen = [z, latent.sample(size)].map((from) =>
              discriminator.features(generator.forward(from)),
            );
            const game = costAs(1, seen);
            const reconstruction = mul(unlikelihood(real, seen[0]), reconstructionWeight);
            return { loss: gated(add(game, reconstruction), balance.generator), game };
          },
        },
      ],
    };
  },
});
