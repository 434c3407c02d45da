// WGAN-GP (Gulrajani et al. 2017, algorithm 1): a critic whose gradient is pulled to norm one between real and generated
// images, several critic steps per generator step, Adam(1e-4, 0, 0.9). The generator is DCGAN's; the critic is DCGAN's
// discriminator without batch normalisation, because the penalty looks at each image by itself.

import { wasserstein } from '../losses/adversarial.js';
import { gradientPenalty } from '../losses/gradient-penalty.js';
import { Adam } from '../optim/adam.js';
import { noGrad } from '../tensor/autograd.js';
import { sub } from '../tensor/ops/index.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { dcganDiscriminator, dcganGenerator } from './dcgan.js';
import { defineModel, normalLatent } from './model.js';

const rate = { type: 'number', min: 0, max: 100 } as const;
const decay = { type: 'number', min: 0, max: 0.9999999 } as const;

export const wganGp = defineModel({
  name: 'wgan-gp',
  summary: 'WGAN-GP (Gulrajani et al. 2017): a Wasserstein critic with a gradient penalty',
  fields: {
    lr: { ...rate, default: 1e-4, help: 'learning rate' },
    beta1: { ...decay, default: 0, help: 'decay of the gradient mean in Adam' },
    beta2: { ...decay, default: 0.9, help: 'decay of the squared gradient in Adam' },
    dSteps: { type: 'integer', default: 5, min: 1, max: 1000, help: 'critic steps per generator step' },
    zSize: { type: 'integer', default: 128, min: 1, max: 65536, help: 'numbers in a latent' },
    lambda: { type: 'number', default: 10, min: 0, max: 1e6, help: 'weight of the gradient penalty' },
    baseWidth: {
      type: 'integer',
      default: 64,
      min: 1,
      max: 4096,
      help: 'channels of the layer nearest to the image; doubles with each halving, up to 8 times',
    },
  },
  build(config, dims) {
    const { zSize, baseWidth, lambda, lr, lrGenerator, lrDiscriminator, beta1, beta2, dSteps } = config;
    const latent = normalLatent(zSize);
    const generator = dcganGenerator(dims, zSize, baseWidth);
    const discriminator = dcganDiscriminator(dims, baseWidth, { norm: 'none' });
    const critic = (x: Tensor) => discriminator.forward(x);
    const betas: [number, number] = [beta1, beta2];
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
            const loss = wasserstein.discriminator(critic(images), critic(fake));
            const penalty = gradientPenalty(critic, images, fake, { lambda });
            // Minus the critic's loss estimates the distance between the two distributions.
            return { loss: loss.add(penalty), distance: noGrad(() => sub(0, loss)), penalty };
          },
        },
        {
          name: 'G',
          train: ['generator'],
          loss: ({ size }) => ({
            loss: wasserstein.generator(critic(generator.forward(latent.sample(size)))),
          }),
        },
      ],
    };
  },
});
