// LSGAN (Mao et al. 2017): DCGAN's networks with squared errors instead of cross-entropy, so that images on
// the right side of the boundary but far from it still get a gradient. The targets a, b and c are options.

import { type AdversarialLoss, leastSquares } from '../losses/adversarial.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

const target = { type: 'number', min: -1e3, max: 1e3 } as const;

export const lsgan = defineModel({
  name: 'lsgan',
  summary: 'LSGAN (Mao et al. 2017): squared errors, which do not saturate',
  fields: {
    ...gameFields,
    ...dcganFields,
    loss: { ...gameFields.loss, choices: ['leastSquares'], default: 'leastSquares' },
    targetFake: {
      ...target,
      default: 0,
      help: "a: D's target for generated images; -1 for the χ² divergence",
    },
    targetReal: { ...target, default: 1, help: "b: D's target for real images" },
    targetGenerator: {
      ...target,
      default: 1,
      help: 'c: what G wants D to say of generated images; 0 for the χ² divergence',
    },
  },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    const targets = { a: config.targetFake, b: config.targetReal, c: config.targetGenerator };
    const objective: AdversarialLoss = {
      discriminator: (real, fake) => leastSquares.discriminator(real, fake, targets),
      generator: (fake) => leastSquares.generator(fake, targets),
    };
    return adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims, objective }, config);
  },
});
