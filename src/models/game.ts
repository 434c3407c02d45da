// The game that most GANs play: a discriminator phase D and a generator phase G over any pair of networks,
// with the techniques of game-options.ts. Real and generated images go through the discriminator in batches
// of their own, so that batch normalisation never mixes them. What belongs to one model only comes in through
// `terms`.

import { AdaptiveAugment, diffAugment } from '../augment/index.js';
import { GanvasError } from '../errors.js';
import {
  type AdversarialLoss,
  adversarialLosses,
  type LeastSquaresOptions,
  type SmoothingOptions,
} from '../losses/adversarial.js';
import { meanFeatureMatching } from '../losses/divergence.js';
import { type Critic, dragan, gradientPenalty, r1, r2 } from '../losses/gradient-penalty.js';
import { flipLabels, HistoricalAverage, LeCam, orthogonalRegularisation } from '../losses/regularisers.js';
import type { ImageDims } from '../networks/dims.js';
import type { Discriminator } from '../networks/discriminator.js';
import { type AnyModule, buffer, Module } from '../nn/module.js';
import { BatchNorm1d, BatchNorm2d } from '../nn/norm.js';
import { setReference, VirtualBatchNorm } from '../nn/norm_adaptive.js';
import { Adam } from '../optim/adam.js';
import type { Optimizer } from '../optim/optimizer.js';
import { RMSprop } from '../optim/rmsprop.js';
import { SGD } from '../optim/sgd.js';
import { noGrad } from '../tensor/autograd.js';
import { add, mean, mul, neg, sigmoid } from '../tensor/ops/index.js';
import { clampInPlace } from '../tensor/ops/optim.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Phase, PhaseResult } from '../train/phase.js';
import { InstanceNoise, ReplayPool } from '../train/pool.js';
import type { GameConfig } from './game-options.js';
import type { BuiltModel, Latent } from './model.js';

/** Images that the discriminator has looked at. */
export interface Judged {
  /** [n, height, width, channels], as they came from the data or the generator. */
  images: Tensor;
  /** i32 [n], where the data has classes: of real images their own, of generated ones those asked for. */
  labels: Tensor | undefined;
  /** [n, F], from the discriminator. */
  features: Tensor;
  /** [n, 1]. */
  logits: Tensor;
}

/** Generated images, with the latents [n, size] that they were made from. */
export interface JudgedFake extends Judged {
  z: Tensor;
}

/** Scalars that are added to a loss and reported under their names. */
export type Terms = Record<string, Tensor>;

export interface Game {
  /** Latents, and labels if `classes` is given → images [n, height, width, channels] in [-1, 1]. */
  generator: Module;
  discriminator: Discriminator;
  latent: Latent;
  /** How many classes; both networks are then given labels. */
  classes?: number;
  dims: ImageDims;
  /** An objective that differs from the one that the options ask for. */
  objective?: (typeof adversarialLosses)[keyof typeof adversarialLosses];
  /** Optimisers that differ from those that the options ask for. */
  optimizers?: { generator?: Optimizer; discriminator?: Optimizer };
  /** What the model adds to the two losses. */
  terms?: {
    discriminator?(real: Judged, fake: JudgedFake): Terms;
    generator?(fake: JudgedFake, real: Judged | undefined): Terms;
    /** Whether the generator's terms need the real images judged too. */
    generatorSeesReal?: boolean;
    /** Whether the generator minimises terms alone (its own, or those of options), without the objective. */
    withoutObjective?: boolean;
  };
}

/** An optimiser with the rates of one of the two networks. */
export function gameOptimizer(
  network: AnyModule,
  side: 'generator' | 'discriminator',
  config: Pick<GameConfig, 'optimizer' | 'lr' | 'lrGenerator' | 'lrDiscriminator' | 'beta1' | 'beta2'>,
): Optimizer {
  const lr = (side === 'generator' ? config.lrGenerator : config.lrDiscriminator) ?? config.lr;
  if (config.optimizer === 'rmsprop') return new RMSprop(network, { lr });
  if (config.optimizer === 'sgd') return new SGD(network, { lr, momentum: config.beta1 });
  return new Adam(network, { lr, betas: [config.beta1, config.beta2] });
}

const has = (network: AnyModule, ...kinds: (abstract new (...args: never[]) => AnyModule)[]) =>
  network.modules().some((module) => kinds.some((kind) => module instanceof kind));

/** Says which options do not go together. */
function assertConsistent({ discriminator, classes }: Game, config: GameConfig): void {
  const refuse = (problem: string) => new GanvasError('ERR_CONFIG', problem);
  const { loss, labelSmoothing, penalty, replayPool, augment } = config;
  if (labelSmoothing > 0 && loss !== 'nonSaturating' && loss !== 'minimax') {
    throw refuse(`labelSmoothing moves the targets of nonSaturating and minimax; the loss is ${loss}`);
  }
  if (penalty !== 'none' && has(discriminator, BatchNorm1d, BatchNorm2d)) {
    throw refuse(
      `the penalty ${penalty} looks at each image by itself, so D must not normalise over the batch: ` +
        'use --discriminator-norm none or instance',
    );
  }
  if (augment === 'ada' && (loss === 'wasserstein' || loss === 'leastSquares')) {
    throw refuse(
      `augment ada goes by how many real images D gives a logit above 0, which means nothing with the loss ${loss}: ` +
        'use --augment diffaugment',
    );
  }
  if (has(discriminator, VirtualBatchNorm)) {
    throw refuse('virtual batch normalisation is for the generator: D has no reference batch to show it');
  }
  if (replayPool > 0 && classes !== undefined) {
    throw refuse('replayPool keeps no labels, so it does not go with a conditional model');
  }
}

/**
 * The latents whose images fix the statistics of virtual batch normalisation (Salimans et al. 2016, section
 * 3.4).
 */
class ReferenceLatents extends Module<void> {
  readonly z: Tensor;
  readonly #generator: Module;

  constructor(generator: Module, latent: Latent, batch: number) {
    super();
    this.z = buffer(latent.sample(batch));
    this.#generator = generator;
  }

  /** Shows them to the generator as it is now. */
  forward(): void {
    setReference(this.#generator, () => this.#generator.forward(this.z));
  }
}

/** The techniques with a memory, which is saved with the run as that of any network. */
function stateOf({ generator, discriminator, latent, classes, dims }: Game, config: GameConfig) {
  const { augment, adaTarget, adaKimg, instanceNoise, instanceNoiseSteps, replayPool, dSteps } = config;
  if (classes !== undefined && has(generator, VirtualBatchNorm)) {
    throw new GanvasError(
      'ERR_CONFIG',
      'virtual batch normalisation knows no labels; use --generator-norm batch',
    );
  }
  return {
    augment:
      augment === 'ada' ? new AdaptiveAugment({ target: adaTarget, rampImages: 1000 * adaKimg }) : undefined,
    noise: instanceNoise > 0 ? new InstanceNoise(instanceNoise, instanceNoiseSteps * dSteps) : undefined,
    lecam: config.lecam > 0 ? new LeCam() : undefined,
    pool: replayPool > 0 ? new ReplayPool(replayPool, [dims.height, dims.width, dims.channels]) : undefined,
    pastDiscriminator: config.historicalAveraging > 0 ? new HistoricalAverage(discriminator) : undefined,
    pastGenerator: config.historicalAveraging > 0 ? new HistoricalAverage(generator) : undefined,
    reference: has(generator, VirtualBatchNorm)
      ? new ReferenceLatents(generator, latent, config.batch)
      : undefined,
  };
}

function slopePenalty(config: GameConfig, critic: Critic, real: Tensor, fake: () => Tensor): Tensor {
  const { penalty, penaltyWeight } = config;
  switch (penalty) {
    case 'wgan-gp':
      return gradientPenalty(critic, real, fake(), { lambda: penaltyWeight });
    case 'dragan':
      return dragan(critic, real, { lambda: penaltyWeight });
    case 'r1':
      return r1(critic, real, { gamma: penaltyWeight });
    case 'r2':
      return r2(critic, fake(), { gamma: penaltyWeight });
    default:
      return add(r1(critic, real, { gamma: penaltyWeight }), r2(critic, fake(), { gamma: penaltyWeight }));
  }
}

/** What is reported of the logits, in the terms of the objective. */
function logitReport(loss: string, real: Tensor, fake: Tensor, value: Tensor): Terms {
  return noGrad((): Terms => {
    // Minus the critic's loss estimates the distance between the two distributions.
    if (loss === 'wasserstein') return { distance: neg(value) };
    if (loss === 'nonSaturating' || loss === 'minimax') {
      return { scoreReal: mean(sigmoid(real)), scoreFake: mean(sigmoid(fake)) };
    }
    return { logitReal: mean(real), logitFake: mean(fake) };
  });
}

const total = (terms: Terms, loss?: Tensor): PhaseResult => ({
  ...terms,
  loss: [...(loss ? [loss] : []), ...Object.values(terms)].reduce(add),
});

/**
 * The phases of the game, with an optimiser for each network.
 *
 * D, `dSteps` times a step, minimises the objective on real and generated images plus the penalty, the
 * regularisers and `terms.discriminator`; G, `gSteps` times, the objective's other side plus
 * `terms.generator`. With `penaltyEvery` above 1 the penalty has a phase of its own, Dreg. Generated images
 * get the labels of the batch, and so their distribution.
 * @throws GanvasError ERR_CONFIG for options that do not go together
 */
export function adversarialGame(game: Game, config: GameConfig): BuiltModel {
  assertConsistent(game, config);
  const { generator, discriminator, latent, classes, terms = {} } = game;
  const objective: AdversarialLoss<SmoothingOptions & LeastSquaresOptions> =
    game.objective ?? adversarialLosses[config.loss];
  const state = stateOf(game, config);
  const clip = config.clipGradients > 0 ? config.clipGradients : undefined;
  const known = (labels: Tensor | undefined) => (classes === undefined ? undefined : labels);

  const generate = (z: Tensor, labels: Tensor | undefined) =>
    labels ? generator.forward(z, labels) : generator.forward(z);
  const shown = (images: Tensor): Tensor => {
    const augmented = state.augment
      ? state.augment.forward(images)
      : config.augment === 'diffaugment'
        ? diffAugment(images)
        : images;
    return state.noise ? state.noise.forward(augmented) : augmented;
  };
  const judge = (images: Tensor, labels: Tensor | undefined): Judged => {
    const features = discriminator.features(shown(images));
    return { images, labels, features, logits: discriminator.head(features, labels) };
  };
  /** Generated images that no gradient flows into. */
  const constantFakes = (size: number, labels: Tensor | undefined) =>
    noGrad(() => {
      state.reference?.forward();
      const z = latent.sample(size);
      const images = scope(() => generate(z, labels));
      return { z, images: state.pool ? state.pool.forward(images) : images };
    });
  const penaltyOf = (images: Tensor, labels: Tensor | undefined, fake: () => Tensor): Tensor => {
    const critic = (x: Tensor) => discriminator.forward(shown(x), labels);
    return slopePenalty(config, critic, images, fake);
  };

  const phases: Phase[] = [
    {
      name: 'D',
      train: ['discriminator'],
      repeat: config.dSteps,
      clip,
      loss({ images, labels: all, size }) {
        const labels = known(all);
        const { z, images: fakeImages } = constantFakes(size, labels);
        const real = judge(images, labels);
        const fake: JudgedFake = { z, ...judge(fakeImages, labels) };
        const [asReal, asFake] =
          config.labelFlip > 0
            ? flipLabels(real.logits, fake.logits, config.labelFlip)
            : [real.logits, fake.logits];
        const smoothing = config.labelSmoothing;
        const loss = objective.discriminator(asReal, asFake, smoothing > 0 ? { smoothing } : undefined);
        const own = terms.discriminator?.(real, fake) ?? {};
        if (state.augment) noGrad(() => state.augment!.update(real.logits));
        if (config.penalty !== 'none' && config.penaltyEvery === 1) {
          own.penalty = penaltyOf(images, labels, () => fakeImages);
        }
        if (state.lecam) own.lecam = mul(state.lecam.forward(real.logits, fake.logits), config.lecam);
        if (state.pastDiscriminator) {
          own.historyD = mul(state.pastDiscriminator.forward(), config.historicalAveraging);
        }
        return { ...logitReport(config.loss, real.logits, fake.logits, loss), ...total(own, loss) };
      },
      after() {
        state.noise?.step();
        const most = config.clipWeights;
        if (most > 0) clampInPlace(discriminator.parameters(), -most, most);
      },
    },
  ];
  if (config.penalty !== 'none' && config.penaltyEvery > 1) {
    phases.push({
      name: 'Dreg',
      train: ['discriminator'],
      every: config.penaltyEvery,
      repeat: config.dSteps,
      clip,
      loss({ images, labels: all, size }) {
        const labels = known(all);
        const penalty = penaltyOf(images, labels, () => constantFakes(size, labels).images);
        return { loss: mul(penalty, config.penaltyEvery), penalty };
      },
    });
  }
  phases.push({
    name: 'G',
    train: ['generator'],
    repeat: config.gSteps,
    clip,
    loss({ images, labels: all, size }) {
      const labels = known(all);
      state.reference?.forward();
      const z = latent.sample(size);
      const fake: JudgedFake = { z, ...judge(generate(z, labels), labels) };
      const seesReal = objective.relativistic || config.featureMatching > 0 || terms.generatorSeesReal;
      const real = seesReal ? noGrad(() => judge(images, labels)) : undefined;
      const own = terms.generator?.(fake, real) ?? {};
      if (config.featureMatching > 0) {
        own.features = mul(meanFeatureMatching(real!.features, fake.features), config.featureMatching);
      }
      if (config.orthogonal > 0) {
        own.orthogonal = orthogonalRegularisation(generator, { beta: config.orthogonal });
      }
      if (state.pastGenerator) {
        own.historyG = mul(state.pastGenerator.forward(), config.historicalAveraging);
      }
      if (terms.withoutObjective) return total(own);
      return total(own, objective.generator(fake.logits, undefined, real?.logits));
    },
  });
  const memory = Object.entries<AnyModule | undefined>(state).filter(([, module]) => module !== undefined);
  return {
    networks: { generator, discriminator, ...(Object.fromEntries(memory) as Record<string, AnyModule>) },
    latent,
    classes,
    optimizers: {
      generator: game.optimizers?.generator ?? gameOptimizer(generator, 'generator', config),
      discriminator: game.optimizers?.discriminator ?? gameOptimizer(discriminator, 'discriminator', config),
    },
    phases,
  };
}
