// BigGAN (Brock et al. 2019): SAGAN made wider, with a shared class embedding and a part of the latent for
// each block of the generator. Orthogonal regularisation is the option `orthogonal`; truncation belongs to
// sampling.

import { BigganGenerator, bigganDiscriminator } from '../networks/biggan.js';
import { isSmall } from '../networks/residual.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { classesOf, defineModel, normalLatent } from './model.js';
import { attentionUpTo, baseWidth, hingeFields } from './residual-options.js';

const bestAttention = 64;

export const biggan = defineModel({
  name: 'biggan',
  summary: 'BigGAN (Brock et al. 2019): wide conditional residual networks, for images with labels',
  fields: {
    ...hingeFields,
    zSize: { ...gameFields.zSize, default: 120, help: 'numbers in a latent, shared out among the blocks' },
    beta2: { ...hingeFields.beta2, default: 0.999 },
    baseWidth: { ...baseWidth, help: "unit of all widths; the paper's is 96" },
    embedding: {
      type: 'integer',
      default: 128,
      min: 1,
      max: 65536,
      help: 'numbers that stand for a class in the generator',
    },
    attention: {
      type: 'integer',
      default: null,
      min: 1,
      help: 'larger side of the feature map with self-attention, if not that of the recipe',
    },
  },
  build(config, dims) {
    const { zSize, baseWidth, embedding } = config;
    const classes = classesOf('biggan', dims);
    const attention = config.attention ?? (isSmall(dims) ? undefined : attentionUpTo(dims, bestAttention));
    const generator = new BigganGenerator(dims, { zSize, baseWidth, embedding, attention, classes });
    const discriminator = bigganDiscriminator(dims, { baseWidth, attention, classes });
    return adversarialGame({ generator, discriminator, latent: normalLatent(zSize), classes, dims }, config);
  },
});
