// The options of the game: every technique that models may take besides their architecture, with its default off. What
// each does is in game.ts, which reads them; a model lists `gameFields` among its own fields, with defaults of its own.

import type { ConfigOf } from '../config/schema.js';
import { adversarialLosses } from '../losses/adversarial.js';
import type { TrainingConfig } from '../train/config.js';

const weight = { type: 'number', default: 0, min: 0, max: 1e6 } as const;
const probability = { type: 'number', default: 0, min: 0, max: 1 } as const;

export const optimizerNames = ['adam', 'rmsprop', 'sgd'] as const;
export const penaltyNames = ['none', 'wgan-gp', 'r1', 'r2', 'r1r2', 'dragan'] as const;
export const augmentNames = ['none', 'diffaugment', 'ada'] as const;

/** Options of the game itself, for a model's fields. */
export const gameFields = {
  loss: {
    type: 'enum',
    choices: Object.keys(adversarialLosses) as (keyof typeof adversarialLosses)[],
    default: 'nonSaturating',
    help: 'objective of the game',
  },
  zSize: { type: 'integer', default: 100, min: 1, max: 65536, help: 'numbers in a latent' },
  gSteps: { type: 'integer', default: 1, min: 1, max: 1000, help: 'generator steps per training step' },
  optimizer: { type: 'enum', choices: optimizerNames, default: 'adam', help: 'of both networks' },
  penalty: { type: 'enum', choices: penaltyNames, default: 'none', help: "on the slope of D's logits" },
  penaltyWeight: {
    type: 'number',
    default: 10,
    min: 0,
    max: 1e6,
    help: 'λ of wgan-gp and dragan, γ of r1 and r2 (which count half)',
  },
  penaltyEvery: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 1000,
    help: 'steps between penalties, which then weigh as many times more (lazy regularisation)',
  },
  labelSmoothing: {
    ...probability,
    max: 0.9999,
    help: 'one-sided: the target of real images is 1 minus this (nonSaturating and minimax only)',
  },
  labelFlip: { ...probability, help: 'share of pairs whose real and generated image change places for D' },
  instanceNoise: {
    ...weight,
    help: 'standard deviation of the noise added to all images D sees, at the start',
  },
  instanceNoiseSteps: {
    type: 'integer',
    default: 1000,
    min: 1,
    help: 'training steps after which the instance noise has faded to nothing',
  },
  featureMatching: { ...weight, help: "weight of matching the mean of D's features, in G's loss" },
  historicalAveraging: { ...weight, help: 'weight of the distance of both networks from their past means' },
  lecam: { ...weight, help: "weight of LeCam's regulariser of D, for few images" },
  orthogonal: { ...weight, help: "weight of orthogonal regularisation of G's weights, for truncation" },
  augment: {
    type: 'enum',
    choices: augmentNames,
    default: 'none',
    help: 'augments what D sees, for few images',
  },
  adaTarget: {
    type: 'number',
    default: 0.6,
    min: -1,
    max: 1,
    help: 'ada: the mean sign of D(real) that the probability of augmenting is steered to',
  },
  adaKimg: {
    type: 'number',
    default: 500,
    min: 0.001,
    max: 1e6,
    help: 'ada: thousands of images in which the probability can go from 0 to 1',
  },
  replayPool: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 100_000,
    help: 'generated images kept to show D half old ones; 0: none',
  },
  clipWeights: { ...weight, help: "D's weights are kept within ± this after each step; 0: free" },
  clipGradients: { ...weight, help: 'gradients are scaled down to at most this norm; 0: no limit' },
} as const;

type RateConfig = Pick<
  TrainingConfig,
  'lr' | 'lrGenerator' | 'lrDiscriminator' | 'beta1' | 'beta2' | 'dSteps' | 'batch'
>;

/** What `adversarialGame` reads: the options above and the shared ones of rates and rounds. */
export type GameConfig = Omit<ConfigOf<typeof gameFields>, 'zSize'> & RateConfig;

/** A config with every technique off, for games made without a model's schema. */
export function plainGame(config: RateConfig & Partial<GameConfig>): GameConfig {
  const defaults = Object.fromEntries(Object.entries(gameFields).map(([key, field]) => [key, field.default]));
  return { ...(defaults as unknown as GameConfig), ...config };
}
