// RaGAN (Jolicoeur-Martineau 2019): the discriminator says how much more real an image is than the average
// generated one, and the generator learns from real images too. The networks are DCGAN's. The hinge form and
// the pairing of single images (RSGAN) are the objectives `relativisticHinge` and `relativistic`.

import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

export const ragan = defineModel({
  name: 'ragan',
  summary: 'RaGAN (Jolicoeur-Martineau 2019): is this image more real than the average of the others?',
  fields: {
    ...gameFields,
    ...dcganFields,
    loss: { ...gameFields.loss, default: 'relativisticAverage' },
  },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
  },
});
