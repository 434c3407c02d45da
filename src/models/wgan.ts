// WGAN (Arjovsky et al. 2017, algorithm 1): a critic whose weights are clipped to a small box after each of
// its five steps per generator step, RMSprop because momentum made training unstable. The networks are
// DCGAN's. Clipping keeps the critic Lipschitz only roughly: wgan-gp is the better model, this one the
// baseline that it is measured against.

import { trainingConfig } from '../train/config.js';
import type { Phase } from '../train/phase.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { defineModel, normalLatent } from './model.js';

const { lr, dSteps } = trainingConfig.fields;
const warmUpCriticSteps = 100;

/** The critic's phase in two stages, the first with more repetitions. */
function withWarmUp(phase: Phase, steps: number): Phase[] {
  if (phase.name !== 'D' || steps === 0) return [phase];
  return [
    { ...phase, until: steps, repeat: Math.max(warmUpCriticSteps, phase.repeat ?? 1) },
    { ...phase, from: steps },
  ];
}

export const wgan = defineModel({
  name: 'wgan',
  summary: 'WGAN (Arjovsky et al. 2017): a Wasserstein critic with clipped weights',
  fields: {
    ...gameFields,
    ...dcganFields,
    loss: { ...gameFields.loss, default: 'wasserstein' },
    baseWidth: { ...dcganFields.baseWidth, default: 32 },
    optimizer: { ...gameFields.optimizer, default: 'rmsprop' },
    clipWeights: { ...gameFields.clipWeights, default: 0.01 },
    lr: { ...lr, default: 5e-4 },
    dSteps: { ...dSteps, default: 5 },
    warmUpSteps: {
      type: 'integer',
      default: 0,
      min: 0,
      max: 1e6,
      help: `first steps that have ${warmUpCriticSteps} critic steps each; the authors' code: 25`,
    },
  },
  build(config, dims) {
    const networks = dcganNetworks(dims, config.zSize, config);
    const game = adversarialGame({ ...networks, latent: normalLatent(config.zSize), dims }, config);
    return { ...game, phases: game.phases.flatMap((phase) => withWarmUp(phase, config.warmUpSteps)) };
  },
});
