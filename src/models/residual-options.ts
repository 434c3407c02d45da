// The options that the models with residual networks share (SNGAN, projection GAN, SAGAN; BigGAN takes those of the
// game), and the networks that they describe. Default widths are those that a laptop can train, and the rates fit them.

import type { ConfigOf } from '../config/schema.js';
import type { ImageDims } from '../networks/dims.js';
import {
  attentionSides,
  type ResidualDiscriminator,
  type ResidualGenerator,
  residualDiscriminator,
  residualGenerator,
} from '../networks/residual.js';
import { trainingConfig } from '../train/config.js';
import { gameFields } from './game-options.js';

const { beta1, beta2, dSteps, lr, lrDecay } = trainingConfig.fields;

/** The game of all residual models: hinge loss, an Adam without momentum, rates that fall to nothing. */
export const hingeFields = {
  ...gameFields,
  loss: { ...gameFields.loss, default: 'hinge' },
  beta1: { ...beta1, default: 0 },
  beta2: { ...beta2, default: 0.9 },
  // SNGAN's 2e-4 and 5 steps of D are for eight times these widths and far longer runs.
  lr: { ...lr, default: 1e-3 },
  dSteps: { ...dSteps, default: 2 },
  lrDecay: { ...lrDecay, default: 'linear' },
} as const;

export const baseWidth = {
  type: 'integer',
  default: 8,
  min: 1,
  max: 4096,
  help: 'channels nearest to images of more than 32 pixels, and a share of all others; the paper: 64',
} as const;

/** Options of residual networks. */
export const residualFields = {
  ...hingeFields,
  zSize: { ...gameFields.zSize, default: 128 },
  baseWidth,
  spectral: {
    type: 'enum',
    choices: ['none', 'd', 'both'],
    default: 'd',
    help: 'spectral normalisation of the weights of D, or of G and D',
  },
  attention: {
    type: 'integer',
    default: null,
    min: 1,
    help: 'larger side of the feature map that both networks look over with self-attention',
  },
  pool: {
    type: 'enum',
    choices: ['sum', 'mean'],
    default: 'sum',
    help: "how D's features are gathered from the pixels of its last map",
  },
} as const;

/** What of the networks is the model's own. */
export interface ResidualShape {
  /** Makes both networks conditional. */
  classes?: number;
  /** See ResidualDiscriminatorOptions. */
  wide?: boolean;
}

/** The two networks as these options say. */
export function residualNetworks(
  dims: ImageDims,
  config: ConfigOf<typeof residualFields>,
  { classes, wide }: ResidualShape = {},
): { generator: ResidualGenerator; discriminator: ResidualDiscriminator } {
  const { zSize, baseWidth, spectral, pool } = config;
  const common = { baseWidth, classes, attention: config.attention ?? undefined };
  return {
    generator: residualGenerator(dims, { ...common, zSize, spectralNorm: spectral === 'both' }),
    discriminator: residualDiscriminator(dims, {
      ...common,
      spectralNorm: spectral !== 'none',
      pool,
      wide,
    }),
  };
}

/**
 * The largest feature map of at most `most` pixels, or the smallest if all are larger. Throws as mapSizes.
 */
export function attentionUpTo(dims: ImageDims, most: number): number {
  const sides = attentionSides(dims);
  return sides.find((side) => side <= most) ?? sides[sides.length - 1];
}
