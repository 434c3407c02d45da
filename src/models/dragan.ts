// DRAGAN (Kodali et al. 2017): the non-saturating game whose discriminator has a gradient of norm one around
// real images, where sharp gradients were seen to precede mode collapse. The networks are DCGAN's, without
// normalisation in the discriminator, because the penalty looks at each image by itself.

import { trainingConfig } from '../train/config.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

export const dragan = defineModel({
  name: 'dragan',
  summary: 'DRAGAN (Kodali et al. 2017): a gradient penalty around the real images',
  fields: {
    ...gameFields,
    ...dcganFields,
    // Without batch norm in the discriminator the usual 2e-4 is slow.
    lr: { ...trainingConfig.fields.lr, default: 5e-4 },
    penalty: { ...gameFields.penalty, default: 'dragan' },
    discriminatorNorm: { ...dcganFields.discriminatorNorm, default: 'none' },
  },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
  },
});
