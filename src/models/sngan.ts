// SNGAN (Miyato et al. 2018): residual networks, all weights of the discriminator divided by their largest
// singular value, the hinge loss. Knows no labels; with them it is projgan.

import { adversarialGame } from './game.js';
import { defineModel, normalLatent } from './model.js';
import { residualFields, residualNetworks } from './residual-options.js';

export const sngan = defineModel({
  name: 'sngan',
  summary:
    'SNGAN (Miyato et al. 2018): residual networks with spectral normalisation, any even size from 8 x 8',
  fields: residualFields,
  build(config, dims) {
    const networks = residualNetworks(dims, config);
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
  },
});
