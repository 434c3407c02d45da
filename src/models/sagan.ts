// SAGAN (Zhang et al. 2019): residual networks that look over one of their feature maps with self-attention, and
// spectral normalisation in both. Conditional where the images have labels. Rates are SNGAN's by default: with the
// paper's, one step of D at four times the rate of G, small networks take far longer to learn the classes.

import { adversarialGame } from './game.js';
import { defineModel, normalLatent } from './model.js';
import { attentionUpTo, residualFields, residualNetworks } from './residual-options.js';

// Of the four that the paper tries, the best.
const bestAttention = 32;

export const sagan = defineModel({
  name: 'sagan',
  summary: 'SAGAN (Zhang et al. 2019): residual networks with self-attention, with or without labels',
  fields: {
    ...residualFields,
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
