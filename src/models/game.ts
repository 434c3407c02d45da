// The game that most GANs play: a discriminator phase D and a generator phase G over any pair of networks. Real and
// generated images go through the discriminator in batches of their own, so that batch normalisation never mixes them.

import { type AdversarialLoss, hinge, leastSquares, minimax, nonSaturating } from '../losses/adversarial.js';
import type { Module } from '../nn/module.js';
import { Adam } from '../optim/adam.js';
import { noGrad } from '../tensor/autograd.js';
import { mean, sigmoid } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { TrainingConfig } from '../train/config.js';
import type { PhaseResult } from '../train/phase.js';
import type { BuiltModel, Latent } from './model.js';

export interface GameNetworks {
  /** Latents [n, zSize] → images [n, height, width, channels] in [-1, 1]. */
  generator: Module;
  /** Images → logits [n, 1]. */
  discriminator: Module;
}

const objectives: Readonly<Record<string, AdversarialLoss>> = { nonSaturating, minimax, leastSquares, hinge };

/** Options of the game itself, for a model's fields. */
export const gameFields = {
  loss: {
    type: 'enum',
    choices: ['nonSaturating', 'minimax', 'leastSquares', 'hinge'],
    default: 'nonSaturating',
    help: 'objective of the game',
  },
  zSize: { type: 'integer', default: 100, min: 1, max: 65536, help: 'numbers in a latent' },
} as const;

type RoundConfig = Pick<
  TrainingConfig,
  'lr' | 'lrGenerator' | 'lrDiscriminator' | 'beta1' | 'beta2' | 'dSteps'
>;

/** What each side minimises; `judge` is the discriminator. */
export interface GameObjective {
  /** From real and generated images; other parts of the result are only reported. */
  discriminator(judge: (x: Tensor) => Tensor, real: Tensor, fake: Tensor): PhaseResult;
  /** From the logits of generated images. */
  generator(fakeLogits: Tensor): Tensor;
}

/** The two phases of any objective, with an Adam for each network. */
export function twoPlayerGame(
  networks: GameNetworks,
  latent: Latent,
  config: RoundConfig,
  objective: GameObjective,
): BuiltModel {
  const { generator, discriminator } = networks;
  const { lr, lrGenerator, lrDiscriminator, beta1, beta2, dSteps } = config;
  const betas: [number, number] = [beta1, beta2];
  const judge = (x: Tensor) => discriminator.forward(x);
  return {
    networks: { generator, discriminator },
    latent,
    optimizers: {
      generator: new Adam(generator, { lr: lrGenerator ?? lr, betas }),
      discriminator: new Adam(discriminator, { lr: lrDiscriminator ?? lr, betas }),
    },
    phases: [
      {
        name: 'D',
        train: ['discriminator'],
        repeat: dSteps,
        loss({ images, size }) {
          const fake = noGrad(() => scope(() => generator.forward(latent.sample(size))));
          return objective.discriminator(judge, images, fake);
        },
      },
      {
        name: 'G',
        train: ['generator'],
        loss: ({ size }) => ({
          loss: objective.generator(judge(generator.forward(latent.sample(size)))),
        }),
      },
    ],
  };
}

/** The game with one of `gameFields`' objectives; the scores σ(D) are reported. */
export function adversarialGame(
  networks: GameNetworks,
  latent: Latent,
  config: RoundConfig & { loss: string },
): BuiltModel {
  const objective = objectives[config.loss];
  return twoPlayerGame(networks, latent, config, {
    discriminator(judge, real, fake) {
      const realLogits = judge(real);
      const fakeLogits = judge(fake);
      return {
        loss: objective.discriminator(realLogits, fakeLogits),
        scoreReal: noGrad(() => mean(sigmoid(realLogits))),
        scoreFake: noGrad(() => mean(sigmoid(fakeLogits))),
      };
    },
    generator: (fakeLogits) => objective.generator(fakeLogits),
  });
}
