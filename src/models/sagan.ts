// SAGAN (Zhang et al. 2019): residual networks that look over one of their feature maps with self-attention, spectral
// normalisation in both, and a discriminator that learns four times as fast. Conditional where the images have labels.

import { adversarialGame } from './game.js';
import { defineModel, normalLatent } from './model.js';
import { attentionUpTo, residualFields, residualNetworks } from './residual-options.js';

// Of the four that the paper tries, the best.
const bestAttention = 32;
const rate = { type: 'number', min: 0, max: 100 } as const;

export const sagan = defineModel({
  name: 'sagan',
  summary: 'SAGAN (Zhang et al. 2019): residual networks with self-attention, with or without labels',
  fields: {
    ...residualFields,
    lrGenerator: { ...rate, default: 1e-4, help: 'learning rate of the generator' },
    lrDiscriminator: { ...rate, default: 4e-4, help: 'learning rate of the discriminator' },
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
