// BiGAN (Donahue et al. 2017): beside the generator an encoder learns its inverse, because the discriminator
// judges pairs: real images with their code E(x), against generated images with the latent z that they were
// made from.

import { nonSaturating } from '../losses/adversarial.js';
import { biganEncoder, biganGenerator, biganKinds, JointDiscriminator } from '../networks/bigan.js';
import { noGrad } from '../tensor/autograd.js';
import { mean, sigmoid } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import { gameOptimizer } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields } from './layer-options.js';
import { type BuiltModel, defineModel, uniformLatent } from './model.js';

const { batch, lr } = trainingConfig.fields;

export const bigan = defineModel({
  name: 'bigan',
  summary: 'BiGAN (Donahue et al. 2017): a generator and its inverse, an encoder, against one discriminator',
  fields: {
    zSize: { ...gameFields.zSize, default: 50 },
    batch: { ...batch, default: 128 },
    // With three times this rate and half the images D wins after some 1,200 steps, and G collapses.
    lr: { ...lr, default: 1e-4 },
    optimizer: gameFields.optimizer,
    clipGradients: gameFields.clipGradients,
    networks: {
      type: 'enum',
      choices: biganKinds,
      default: 'perceptron',
      help: "perceptrons, for any size, or DCGAN's convolutions, for multiples of 4",
    },
    hidden: { type: 'integer', default: 1024, min: 1, max: 16384, help: 'units of fully connected layers' },
    baseWidth: { ...dcganFields.baseWidth, default: 32 },
  },
  build(config, dims): BuiltModel {
    const { zSize, hidden, baseWidth, networks: kind } = config;
    const options = { kind, hidden, baseWidth };
    const latent = uniformLatent(zSize);
    const generator = biganGenerator(dims, zSize, options);
    const encoder = biganEncoder(dims, zSize, options);
    const discriminator = new JointDiscriminator(dims, zSize, options);
    const clip = config.clipGradients > 0 ? config.clipGradients : undefined;

    /** Codes of real images, latents, and the images made from them. */
    const play = (images: Tensor, size: number) => {
      const z = latent.sample(size);
      return { code: encoder.forward(images), z, generated: generator.forward(z) };
    };

    return {
      networks: { generator, discriminator, encoder },
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
          repeat: config.dSteps,
          clip,
          loss({ images, size }) {
            const { code, z, generated } = noGrad(() => scope(() => play(images, size)));
            const real = discriminator.forward(images, code);
            const fake = discriminator.forward(generated, z);
            const [scoreReal, scoreFake] = noGrad(() => [mean(sigmoid(real)), mean(sigmoid(fake))]);
            return { loss: nonSaturating.discriminator(real, fake), scoreReal, scoreFake };
          },
        },
        {
          name: 'GE',
          train: ['generator', 'encoder'],
          clip,
          loss({ images, size }) {
            const { code, z, generated } = play(images, size);
            const real = discriminator.forward(images, code);
            const fake = discriminator.forward(generated, z);
            // The targets exchanged, which has the same fixed point and stronger gradients (section 3.4 of
            // the paper).
            return { loss: nonSaturating.discriminator(fake, real) };
          },
        },
      ],
    };
  },
});
