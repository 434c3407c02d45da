// WGAN-GP (Gulrajani et al. 2017, algorithm 1): a critic whose gradient is pulled to norm one between real and generated
// images, several critic steps per generator step, Adam(1e-4, 0, 0.9). The generator is DCGAN's; the critic is DCGAN's
// discriminator without batch normalisation, because the penalty looks at each image by itself.

import { wasserstein } from '../losses/adversarial.js';
import { gradientPenalty } from '../losses/gradient-penalty.js';
import { noGrad } from '../tensor/autograd.js';
import { sub } from '../tensor/ops/index.js';
import { dcganDiscriminator, dcganGenerator } from './dcgan.js';
import { twoPlayerGame } from './game.js';
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
    const { zSize, baseWidth, lambda } = config;
    const networks = {
      generator: dcganGenerator(dims, zSize, baseWidth),
      discriminator: dcganDiscriminator(dims, baseWidth, { norm: 'none' }),
    };
    return twoPlayerGame(networks, normalLatent(zSize), config, {
      discriminator(critic, real, fake) {
        const loss = wasserstein.discriminator(critic(real), critic(fake));
        const penalty = gradientPenalty(critic, real, fake, { lambda });
        // Minus the critic's loss estimates the distance between the two distributions.
        return { loss: loss.add(penalty), distance: noGrad(() => sub(0, loss)), penalty };
      },
      generator: (fakeLogits) => wasserstein.generator(fakeLogits),
    });
  },
});
