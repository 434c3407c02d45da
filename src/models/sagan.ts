// SAGAN (Zhang et al. 2019): residual networks that look over one of their feature maps with self-attention,
// spectral normalisation in both, and a discriminator that learns four times as fast. Conditional where the
// images have labels.

import { adversarialGame } from './game.js';
import { defineModel, normalLatent } from './model.js';
import { attentionUpTo, rate, residualFields, residualNetworks } from './residual-options.js';

// Of the four that the paper tries, the best.
const bestAttention = 32;

export const sagan = defineModel({
  name: 'sagan',
  summary: 'SAGAN (Zhang et al. 2019): residual networks with self-attention, with or without labels',
  fields: {
    ...residualFields,
    // The paper's 1e-4 and 4e-4 are for eight times these widths and far longer runs.
    lr: { ...rate, default: 5e-4, help: 'learning rate, unless the next two say otherwise' },
    lrDiscriminator: { ...rate, default: 2e-3, help: 'learning rate of the discriminator' },
    dSteps: { ...residualFields.dSteps, default: 1 },
    lrDecay: { ...residualFields.lrDecay, default: 'none' },
    spectral: { ...residualFields.spectral, default: 'both' },
    attention: {
      ...residualFields.attention,
      help: 'larger side of the feature map with self-attention, if not the largest of up to 32 pixels',
    },
  },
  build(config, dims) {
    const { zSize } = config;
    const attention = config.attention ?? attentionUpTo(dims, bestAttention);
    const networks = residualNetworks(dims, { ...config, attention }, { classes: dims.classes, wide: true });
    return adversarialGame({ ...networks, latent: normalLatent(zSize), classes: dims.classes, dims }, config);
  },
});
