// DCGAN (Radford et al. 2016) for any image size that is a multiple of 4 and any number of channels: the paper's
// networks (networks/dcgan.ts) and the non-saturating game with Adam(2e-4, 0.5).

import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

export const dcgan = defineModel({
  name: 'dcgan',
  summary: 'DCGAN (Radford et al. 2016): convolutions, any size that is a multiple of 4',
  fields: { ...gameFields, ...dcganFields },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
  },
});
