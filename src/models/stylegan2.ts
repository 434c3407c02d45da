// StyleGAN2 (Karras et al. 2020): the networks of networks/stylegan2-*.ts in the non-saturating game, with
// lazy R1 and path length regularisation, and Adam corrected for the steps in between. Adaptive augmentation
// (Karras et al. 2020b) is the option `augment ada`. Defaults are those of stylegan2-ada's automatic
// configuration, with narrower layers.

import { pathLength } from '../losses/gradient-penalty.js';
import { StyleGAN2Discriminator } from '../networks/stylegan2-discriminator.js';
import { StyleGAN2Generator } from '../networks/stylegan2-generator.js';
import { buffer, Module } from '../nn/module.js';
import { mul, slice, zeros } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Phase } from '../train/phase.js';
import { adversarialGame, gameOptimizer } from './game.js';
import { type GameConfig, gameFields } from './game-options.js';
import { classesOf, defineModel, type Latent, normalLatent } from './model.js';
import { pyramidFields } from './pyramid-options.js';

const decay = { type: 'number', min: 0, max: 0.9999999 } as const;

/** R1's γ per pixel and image of the batch, the heuristic of stylegan2-ada's train.py. */
const gammaPerPixel = 0.0002;

/**
 * The rates for a network that is regularised every k-th step: with an update more in every k, r = k / (k +
 * 1) makes k + 1 updates learn and forget as much as k do (Karras et al. 2020, appendix B).
 */
function lazyRates(config: GameConfig, every: number): GameConfig {
  const r = every / (every + 1);
  const scaled = (rate: number | null) => (rate === null ? null : rate * r);
  return {
    ...config,
    lr: config.lr * r,
    lrGenerator: scaled(config.lrGenerator),
    lrDiscriminator: scaled(config.lrDiscriminator),
    beta1: config.beta1 ** r,
    beta2: config.beta2 ** r,
  };
}

/** The moving average of path lengths, a in equation 4 of Karras et al. 2020, kept with the run. */
class PathLengthAverage extends Module {
  /** []. */
  readonly value = buffer(zeros([]));

  forward(): Tensor {
    return this.value;
  }
}

/** Path length regularisation of half a batch, as a phase of its own. */
function pathLengthPhase(
  generator: StyleGAN2Generator,
  latent: Latent,
  average: PathLengthAverage,
  { pathWeight, pathEvery, conditional }: { pathWeight: number; pathEvery: number; conditional: boolean },
): Phase {
  return {
    name: 'Greg',
    train: ['generator'],
    every: pathEvery,
    loss({ size, labels }) {
      const n = Math.max(1, Math.floor(size / 2));
      const own = conditional && labels ? slice(labels, [0], [n]) : undefined;
      const w = generator.mapMixed(latent.sample(n), own);
      const path = pathLength((styles) => generator.synthesize(styles), w, {
        runningMean: average.forward(),
        weight: pathWeight,
      });
      return { loss: mul(path, pathEvery), path };
    },
  };
}

export const stylegan2 = defineModel({
  name: 'stylegan2',
  summary:
    'StyleGAN2 (Karras et al. 2020): styles, any size that is 3 to 7 pixels doubled some number of times',
  fields: {
    ...gameFields,
    ...pyramidFields,
    batch: { type: 'integer', default: 32, min: 1, max: 65536, help: 'images per step' },
    lr: { type: 'number', default: 0.0025, min: 0, max: 100, help: 'learning rate' },
    beta1: { ...decay, default: 0, help: 'decay of the gradient mean in Adam' },
    beta2: { ...decay, default: 0.99, help: 'decay of the squared gradient in Adam' },
    ema: {
      ...decay,
      default: 0.998,
      help: 'decay of the moving average of the generator, which samples are made with; 0: none',
    },
    penalty: { ...gameFields.penalty, default: 'r1' },
    penaltyWeight: {
      ...gameFields.penaltyWeight,
      default: null,
      help: 'γ of r1 and r2 (which count half), default 0.0002 · height · width / batch; λ of others, default 10',
    },
    penaltyEvery: { ...gameFields.penaltyEvery, default: 16 },
    pathWeight: {
      type: 'number',
      default: 2,
      min: 0,
      max: 1e6,
      help: 'weight of path length regularisation; 0: none',
    },
    pathEvery: {
      type: 'integer',
      default: 4,
      min: 1,
      max: 1000,
      help: 'steps between path length penalties, which then weigh as many times more',
    },
    mixing: {
      type: 'number',
      default: 0.9,
      min: 0,
      max: 1,
      help: 'how probable style mixing is in training',
    },
    wSize: { type: 'integer', default: 128, min: 1, max: 65536, help: 'numbers in a style' },
    mappingLayers: {
      type: 'integer',
      default: 2,
      min: 1,
      max: 100,
      help: "layers from latents to styles; the paper's are 8, for large images",
    },
    conditional: { type: 'boolean', default: false, help: 'whether to learn the classes of the data' },
  },
  build(config, dims) {
    const { zSize, wSize, mappingLayers, baseWidth, maxWidth, mixing, batch, conditional } = config;
    const { penalty, pathWeight, pathEvery } = config;
    const classes = conditional ? classesOf('stylegan2 with conditional', dims) : undefined;
    const common = { mappingLayers, baseWidth, maxWidth, classes };
    const generator = new StyleGAN2Generator(dims, { ...common, zSize, wSize, mixing });
    const discriminator = new StyleGAN2Discriminator(dims, common);
    const latent = normalLatent(zSize);
    const ofGradients = penalty === 'r1' || penalty === 'r2' || penalty === 'r1r2';
    const usualWeight = ofGradients
      ? (gammaPerPixel * dims.height * dims.width) / batch
      : gameFields.penaltyWeight.default;
    const game: GameConfig = { ...config, penaltyWeight: config.penaltyWeight ?? usualWeight };
    const lazyD = penalty !== 'none' && config.penaltyEvery > 1;
    const optimizers = {
      generator: gameOptimizer(generator, 'generator', pathWeight > 0 ? lazyRates(game, pathEvery) : game),
      discriminator: gameOptimizer(
        discriminator,
        'discriminator',
        lazyD ? lazyRates(game, config.penaltyEvery) : game,
      ),
    };
    const built = adversarialGame({ generator, discriminator, latent, classes, dims, optimizers }, game);
    if (pathWeight === 0) return built;
    const average = new PathLengthAverage();
    const phase = pathLengthPhase(generator, latent, average, { pathWeight, pathEvery, conditional });
    return {
      ...built,
      networks: { ...built.networks, pathLength: average },
      phases: [...built.phases, phase],
    };
  },
});
