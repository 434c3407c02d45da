// WGAN-GP (Gulrajani et al. 2017, algorithm 1): a critic whose gradient is pulled to norm one between real and generated
// images, several critic steps per generator step, Adam(1e-4, 0, 0.9). The networks are DCGAN's, without normalisation
// in the critic, because the penalty looks at each image by itself.

import { trainingConfig } from '../train/config.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

const { lr, beta1, beta2, dSteps } = trainingConfig.fields;

export const wganGp = defineModel({
  name: 'wgan-gp',
  summary: 'WGAN-GP (Gulrajani et al. 2017): a Wasserstein critic with a gradient penalty',
  fields: {
    ...gameFields,
    ...dcganFields,
    loss: { ...gameFields.loss, default: 'wasserstein' },
    penalty: { ...gameFields.penalty, default: 'wgan-gp' },
    discriminatorNorm: { ...dcganFields.discriminatorNorm, default: 'none' },
    lr: { ...lr, default: 1e-4 },
    beta1: { ...beta1, default: 0 },
    beta2: { ...beta2, default: 0.9 },
    dSteps: { ...dSteps, default: 5 },
    zSize: { ...gameFields.zSize, default: 128 },
  },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
  },
});
