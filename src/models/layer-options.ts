// The options of the plain networks, perceptrons and DCGAN's convolutions, that several models share: normalisation,
// spectral norm, attention, and letting D compare the images of a batch.

import type { ConfigOf } from '../config/schema.js';
import { type DcganOptions, dcganDiscriminator, dcganGenerator, dcganNorms } from '../networks/dcgan.js';
import type { ImageDims } from '../networks/dims.js';
import { minibatchKinds, type PlainDiscriminator } from '../networks/discriminator.js';
import type { Sequential } from '../nn/sequential.js';

const spectral = {
  type: 'enum',
  choices: ['none', 'd', 'both'],
  default: 'none',
  help: 'spectral normalisation of the weights of D, or of G and D',
} as const;
const minibatch = {
  type: 'enum',
  choices: minibatchKinds,
  default: 'none',
  help: 'lets D compare the images of a batch, against mode collapse',
} as const;

/** Options of networks of perceptrons. */
export const perceptronFields = {
  hidden: {
    type: 'integer',
    default: 128,
    min: 1,
    max: 16384,
    help: "units in the generator's first layer; the others scale with it",
  },
  generatorNorm: {
    type: 'enum',
    choices: ['batch', 'virtual', 'none'],
    default: 'batch',
    help: "normalisation of the generator's hidden layers",
  },
  spectral,
  minibatch,
} as const;

/** Options of DCGAN's networks. */
export const dcganFields = {
  baseWidth: {
    type: 'integer',
    default: 64,
    min: 1,
    max: 4096,
    help: 'channels of the layer nearest to the image; doubles with each halving, up to 8 times',
  },
  generatorNorm: {
    type: 'enum',
    choices: dcganNorms,
    default: 'batch',
    help: "normalisation of the generator's hidden layers",
  },
  discriminatorNorm: {
    type: 'enum',
    choices: ['batch', 'instance', 'none'],
    default: 'batch',
    help: "normalisation of the discriminator's hidden layers",
  },
  spectral,
  attention: {
    type: 'integer',
    default: null,
    min: 1,
    help: 'larger side of the feature map that both networks look over with self-attention',
  },
  minibatch,
} as const;

/** DCGAN's two networks as these options say, in the shape that a model gives them. */
export function dcganNetworks(
  dims: ImageDims,
  inputSize: number,
  config: ConfigOf<typeof dcganFields>,
  shape: Pick<DcganOptions, 'leastSide' | 'hidden'> = {},
): { generator: Sequential; discriminator: PlainDiscriminator } {
  const { baseWidth, generatorNorm, discriminatorNorm, spectral, minibatch } = config;
  const attention = config.attention ?? undefined;
  return {
    generator: dcganGenerator(dims, inputSize, {
      baseWidth,
      norm: generatorNorm,
      spectralNorm: spectral === 'both',
      attention,
      ...shape,
    }),
    discriminator: dcganDiscriminator(dims, {
      baseWidth,
      norm: discriminatorNorm,
      spectralNorm: spectral !== 'none',
      attention,
      minibatch,
      ...shape,
    }),
  };
}
