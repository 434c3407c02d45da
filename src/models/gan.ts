// The first GAN: two perceptrons (Goodfellow et al. 2014), in the form that became usual: batch normalisation in the
// generator, leaky ReLU, the non-saturating loss and Adam.

import { perceptronDiscriminator, perceptronGenerator } from '../networks/perceptron.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { perceptronFields } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

export const gan = defineModel({
  name: 'gan',
  summary: 'the perceptron GAN (Goodfellow et al. 2014), for small images of any size',
  fields: { ...gameFields, ...perceptronFields },
  build(config, dims) {
    const { zSize, hidden, generatorNorm, spectral, minibatch } = config;
    return adversarialGame(
      {
        generator: perceptronGenerator(dims, zSize, {
          hidden,
          norm: generatorNorm,
          spectralNorm: spectral === 'both',
        }),
        discriminator: perceptronDiscriminator(dims, {
          hidden,
          minibatch,
          spectralNorm: spectral !== 'none',
        }),
        latent: normalLatent(zSize),
        dims,
      },
      config,
    );
  },
});
