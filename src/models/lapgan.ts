// LAPGAN (Denton et al. 2015): one small game for the base of a Laplacian pyramid and one for the details of
// each level, all of them played in every step, each on the pyramid of the same real images. Unlike the
// authors, who trained the levels one after another with SGD, this uses Adam unless told otherwise. Networks:
// networks/lapgan.ts.

import { adversarialLosses } from '../losses/adversarial.js';
import { LapganDiscriminator, LapganGenerator, laplacianPyramid } from '../networks/lapgan.js';
import { noGrad } from '../tensor/autograd.js';
import { add } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import type { PhaseResult } from '../train/phase.js';
import { gameOptimizer } from './game.js';
import { gameFields, plainGame } from './game-options.js';
import { classesOf, defineModel, normalLatent } from './model.js';

const { lr } = trainingConfig.fields;

/** The sum of the games' losses, which have no parameters in common, and each of them under its name. */
function together(side: 'D' | 'G', losses: Tensor[]): PhaseResult {
  const parts = losses.map((loss, level) => [`${side}${level}`, loss] as const);
  return { loss: losses.reduce(add), ...Object.fromEntries(parts) };
}

export const lapgan = defineModel({
  name: 'lapgan',
  summary:
    'LAPGAN (Denton et al. 2015): a Laplacian pyramid of GANs, sides that can be halved to 4 pixels or more',
  fields: {
    loss: {
      type: 'enum',
      choices: ['nonSaturating', 'minimax', 'leastSquares', 'hinge'],
      default: 'nonSaturating',
      help: 'objective of the games',
    },
    optimizer: gameFields.optimizer,
    baseLatent: { type: 'integer', default: 100, min: 1, max: 65536, help: "numbers in the base's latent" },
    levels: {
      type: 'integer',
      default: null,
      min: 1,
      max: 12,
      help: 'doublings from the base to the image; default: down to a base of 7 pixels or a little more',
    },
    hidden: { type: 'integer', default: 512, min: 1, max: 16384, help: "units in the base's hidden layers" },
    baseWidth: { type: 'integer', default: 16, min: 1, max: 4096, help: "channels of the levels' layers" },
    lr: { ...lr, default: 5e-4 },
    conditional: { type: 'boolean', default: false, help: 'whether to learn the classes of the data' },
  },
  build(config, dims) {
    const { baseLatent, hidden, baseWidth, conditional, dSteps } = config;
    const classes = conditional ? classesOf('lapgan with conditional', dims) : undefined;
    const options = { levels: config.levels ?? undefined, baseLatent, hidden, baseWidth, classes };
    const generator = new LapganGenerator(dims, options);
    const discriminator = new LapganDiscriminator(dims, options);
    const latent = normalLatent(generator.latentSize);
    const objective = adversarialLosses[config.loss];
    const levels = generator.levels.length;

    /** What each game's generator makes of the real images one level below. */
    const generate = (coarse: readonly Tensor[], size: number, labels: Tensor | undefined): Tensor[] => {
      const [z, ...noises] = generator.split(latent.sample(size));
      const details = generator.levels.map((level, i) =>
        add(coarse[i], level.forward(coarse[i], noises[i], labels)),
      );
      return [generator.base.forward(z, labels), ...details];
    };
    const known = (labels: Tensor | undefined) => (conditional ? labels : undefined);
    return {
      networks: { generator, discriminator },
      latent,
      classes,
      optimizers: {
        generator: gameOptimizer(generator, 'generator', plainGame(config)),
        discriminator: gameOptimizer(discriminator, 'discriminator', plainGame(config)),
      },
      phases: [
        {
          name: 'D',
          train: ['discriminator'],
          repeat: dSteps,
          loss({ images, labels: all, size }) {
            const labels = known(all);
            const { coarse } = laplacianPyramid(images, levels);
            const fake = noGrad(() => scope(() => generate(coarse, size, labels)));
            const realLogits = discriminator.forward(images, labels);
            const fakeLogits = discriminator.judge(fake, labels);
            return together(
              'D',
              realLogits.map((real, i) => objective.discriminator(real, fakeLogits[i])),
            );
          },
        },
        {
          name: 'G',
          train: ['generator'],
          loss({ images, labels: all, size }) {
            const labels = known(all);
            const { coarse } = laplacianPyramid(images, levels);
            const fakeLogits = discriminator.judge(generate(coarse, size, labels), labels);
            return together(
              'G',
              fakeLogits.map((logits) => objective.generator(logits)),
            );
          },
        },
      ],
    };
  },
});
