// Projection GAN (Miyato and Koyama 2018): SNGAN's networks with labels. The generator has a scale and a
// shift for each class, the discriminator adds the inner product of its features with a vector of the class.

import { adversarialGame } from './game.js';
import { classesOf, defineModel, normalLatent } from './model.js';
import { residualFields, residualNetworks } from './residual-options.js';

export const projgan = defineModel({
  name: 'projgan',
  summary: 'projection GAN (Miyato and Koyama 2018): SNGAN for images with labels',
  fields: residualFields,
  build(config, dims) {
    const classes = classesOf('projgan', dims);
    const networks = residualNetworks(dims, config, { classes });
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), classes, dims }, config);
  },
});
