// StyleGAN2 (Karras et al. 2020): the networks of networks/stylegan2-*.ts in the non-saturating game, with
// lazy R1 and path length regularisation, and Adam corrected for the steps in between. Adaptive augmentation
// (Karras et al. 2020b) is the option `augment ada`. Defaults follow stylegan2-ada's for small images (CIFAR-10:
// two mapping layers, no path lengths, no mixing), with narrower layers, a shorter average and a larger γ.

import { pathLength } from '../losses/gradient-penalty.js';
import { StyleGAN2Discriminator } from '../networks/stylegan2-discriminator.js';
import { StyleGAN2Generator } from '../networks/stylegan2-generator.js';
import { buffer, Module } from '../nn/module.js';
import { mul, slice, zeros } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import type { Phase } from '../train/phase.js';
import { adversarialGame, gameOptimizer } from './game.js';
import { type GameConfig, gameFields } from './game-options.js';
import { classesOf, defineModel, type Latent, normalLatent } from './model.js';
import { pyramidFields } from './pyramid-options.js';

const { batch, beta1, beta2, ema, lr } = trainingConfig.fields;

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

/**
 * Path length regularisation of half a batch, as phases of their own. The first step only begins the average with the
 * lengths it finds: from 0, as in the authors' code, it would pull all lengths down until it has caught up, which a run
 * of a few thousand steps does not recover from.
 */
function pathLengthPhases(
  generator: StyleGAN2Generator,
  latent: Latent,
  average: PathLengthAverage,
  { pathWeight, pathEvery, conditional }: { pathWeight: number; pathEvery: number; conditional: boolean },
): Phase[] {
  const stage = (name: string, decay: number, weight: number): Phase => ({
    name,
    train: ['generator'],
    loss({ size, labels }) {
      const n = Math.max(1, Math.floor(size / 2));
      const own = conditional && labels ? slice(labels, [0], [n]) : undefined;
      const w = generator.mapMixed(latent.sample(n), own);
      const path = pathLength((styles) => generator.synthesize(styles), w, {
        runningMean: average.forward(),
        weight: pathWeight,
        decay,
      });
      return { loss: mul(path, weight), path };
    },
  });
  return [
    { ...stage('Gstart', 1, 1), from: 0, until: 1 },
    { ...stage('Greg', 0.01, pathEvery), from: 1, every: pathEvery },
  ];
}

export const stylegan2 = defineModel({
  name: 'stylegan2',
  summary:
    'StyleGAN2 (Karras et al. 2020): styles, any size that is 3 to 7 pixels doubled some number of times',
  fields: {
    ...gameFields,
    ...pyramidFields,
    zSize: { ...pyramidFields.zSize, default: 64 },
    batch: { ...batch, default: 32 },
    lr: { ...lr, default: 0.0025 },
    beta1: { ...beta1, default: 0 },
    beta2: { ...beta2, default: 0.99 },
    ema: { ...ema, default: 0.99 },
    penalty: { ...gameFields.penalty, default: 'r1' },
    penaltyWeight: { ...gameFields.penaltyWeight, default: 10 },
    penaltyEvery: { ...gameFields.penaltyEvery, default: 16 },
    pathWeight: {
      type: 'number',
      default: 0,
      min: 0,
      max: 1e6,
      help: 'weight of path length regularisation, 2 in the paper; 0: none',
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
      default: 0,
      min: 0,
      max: 1,
      help: 'how probable style mixing is in training, 0.9 in the paper',
    },
    wSize: { type: 'integer', default: 64, min: 1, max: 65536, help: 'numbers in a style' },
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
    const { zSize, wSize, mappingLayers, baseWidth, maxWidth, mixing, conditional } = config;
    const { penalty, penaltyEvery, pathWeight, pathEvery } = config;
    const classes = conditional ? classesOf('stylegan2 with conditional', dims) : undefined;
    const common = { mappingLayers, baseWidth, maxWidth, classes };
    const generator = new StyleGAN2Generator(dims, { ...common, zSize, wSize, mixing });
    const discriminator = new StyleGAN2Discriminator(dims, common);
    const latent = normalLatent(zSize);
    const lazyD = penalty !== 'none' && penaltyEvery > 1;
    const optimizers = {
      generator: gameOptimizer(
        generator,
        'generator',
        pathWeight > 0 ? lazyRates(config, pathEvery) : config,
      ),
      discriminator: gameOptimizer(
        discriminator,
        'discriminator',
        lazyD ? lazyRates(config, penaltyEvery) : config,
      ),
    };
    const built = adversarialGame({ generator, discriminator, latent, classes, dims, optimizers }, config);
    if (pathWeight === 0) return built;
    const average = new PathLengthAverage();
    return {
      ...built,
      networks: { ...built.networks, pathLength: average },
      phases: [...built.phases, ...pathLengthPhases(generator, latent, average, config)],
    };
  },
});
