// R3GAN (Huang et al. 2024): a relativistic game in which real and generated images are paired, with both
// zero-centred gradient penalties in every step, and no other trick. Beside game.ts because here the
// discriminator looks at both halves of a batch once, for its logits and for their slopes, and because γ can
// fall as training goes on. The networks are in networks/r3gan.ts.

import { AdaptiveAugment, diffAugment } from '../augment/index.js';
import { relativistic } from '../losses/adversarial.js';
import { R3ganDiscriminator, R3ganGenerator } from '../networks/r3gan.js';
import { buffer, Module } from '../nn/module.js';
import { Adam } from '../optim/adam.js';
import { cosine } from '../optim/schedules.js';
import { noGrad, valueAndGrad } from '../tensor/autograd.js';
import {
  add,
  concat,
  cos,
  mean,
  minimum,
  mul,
  reshape,
  slice,
  square,
  sub,
  sum,
  zeros,
} from '../tensor/ops/index.js';
import { assign } from '../tensor/ops/optim.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import { classesOf, defineModel, normalLatent } from './model.js';

const { batch, beta1, beta2, lr } = trainingConfig.fields;

// What is left of γ and of the learning rates when they have been annealed, in the authors' configurations.
const gammaLeft = 0.1;
const rateLeft = 0.25;

/**
 * A number that goes from 1 to 0 along a half cosine while D's steps are counted on the device, and so saved
 * and replayed.
 */
class Annealing extends Module {
  /** D's steps so far, one number. */
  readonly step = buffer(zeros([]));
  readonly #end: number;

  /** @param end the step from which it is 0 */
  constructor(end: number) {
    super();
    this.#end = end;
  }

  /** (1 + cos(π min(1, step / end))) / 2, as optim.schedules.cosine. */
  forward(): Tensor {
    return mul(add(cos(mul(minimum(this.step, this.#end), Math.PI / this.#end)), 1), 0.5);
  }

  advance(): void {
    noGrad(() => scope(() => assign(this.step, add(this.step, 1))));
  }
}

export const r3gan = defineModel({
  name: 'r3gan',
  summary: 'R3GAN (Huang et al. 2024): steady and simple, any size that is 3 to 7 pixels doubled a few times',
  fields: {
    batch: { ...batch, default: 32 },
    lr: { ...lr, default: 1e-3 },
    beta1: { ...beta1, default: 0 },
    beta2: { ...beta2, default: 0.99 },
    zSize: { type: 'integer', default: 64, min: 1, max: 65536, help: 'numbers in a latent' },
    baseWidth: {
      type: 'integer',
      default: 16,
      min: 1,
      max: 4096,
      help: 'channels of the layer nearest to the image',
    },
    widthGrowth: {
      type: 'integer',
      default: 2,
      min: 1,
      max: 16,
      help: 'how many times as many channels half as many pixels a side have, up to maxWidth',
    },
    maxWidth: { type: 'integer', default: 64, min: 1, max: 16384, help: 'the most channels of a stage' },
    blocks: { type: 'integer', default: 1, min: 1, max: 100, help: 'residual blocks at each size' },
    // The paper's 96 groups have 16 channels each; at this width that would be two at most.
    cardinality: { type: 'integer', default: 1, min: 1, max: 4096, help: 'groups of the 3 x 3 convolutions' },
    gamma: {
      type: 'number',
      default: 100,
      min: 0,
      max: 1e6,
      help: 'weight γ of both gradient penalties (which count half): larger for larger images and for few',
    },
    annealSteps: {
      type: 'integer',
      default: null,
      min: 1,
      help: 'steps in which γ falls to a tenth, the learning rates to a quarter, and augmentation sets in',
    },
    augment: {
      type: 'enum',
      choices: ['none', 'diffaugment', 'ada'],
      default: 'none',
      help: 'augments what D sees, for few images; ada with a fixed probability, as in the paper',
    },
    augmentProbability: {
      type: 'number',
      default: 0.3,
      min: 0,
      max: 1,
      help: 'ada: how probable each change of an image is (after annealSteps, if given)',
    },
    conditional: { type: 'boolean', default: false, help: 'whether to learn the classes of the data' },
  },
  build(config, dims) {
    const {
      zSize,
      baseWidth,
      widthGrowth,
      maxWidth,
      cardinality,
      blocks,
      gamma,
      conditional,
      augmentProbability,
    } = config;
    const classes = conditional ? classesOf('r3gan with conditional', dims) : undefined;
    const options = {
      baseWidth,
      widthGrowth,
      maxWidth,
      blocks,
      cardinality,
      classes,
    };
    const generator = new R3ganGenerator(dims, zSize, options);
    const discriminator = new R3ganDiscriminator(dims, options);
    const latent = normalLatent(zSize);
    const annealing = config.annealSteps === null ? undefined : new Annealing(config.annealSteps);
    const ada =
      config.augment === 'ada'
        ? new AdaptiveAugment({ probability: annealing ? 0 : augmentProbability })
        : undefined;

    const known = (labels: Tensor | undefined) => (conditional ? labels : undefined);
    const generate = (size: number, labels: Tensor | undefined) =>
      generator.forward(latent.sample(size), labels);
    const judge = (images: Tensor, labels: Tensor | undefined): Tensor => {
      const shown = ada
        ? ada.forward(images)
        : config.augment === 'diffaugment'
          ? diffAugment(images)
          : images;
      return inFloat32(discriminator.forward(shown, labels));
    };
    const betas: [number, number] = [config.beta1, config.beta2];
    const optimizer = (network: Module, rate: number | null) =>
      new Adam(network, { lr: rate ?? config.lr, betas });
    const falling = annealing && cosine({ end: config.annealSteps!, to: rateLeft });

    return {
      networks: {
        generator,
        discriminator,
        ...(annealing && { annealing }),
        ...(ada && { augment: ada }),
      },
      latent,
      classes,
      optimizers: {
        generator: optimizer(generator, config.lrGenerator),
        discriminator: optimizer(discriminator, config.lrDiscriminator),
      },
      ...(falling && { schedules: { generator: falling, discriminator: falling } }),
      phases: [
        {
          name: 'D',
          train: ['discriminator'],
          repeat: config.dSteps,
          loss({ images, labels: all, size }) {
            const labels = known(all);
            const fake = noGrad(() => scope(() => generate(size, labels)));
            // Nothing in the discriminator mixes images, so real and generated ones may share a batch.
            const both = concat([images, fake], 0);
            const twice = labels && concat([labels, labels], 0);
            const { value, grads } = valueAndGrad(() => {
              const logits = judge(both, twice);
              return { loss: sum(logits), logits };
            }, [both]);
            const [realLogits, fakeLogits] = [0, size].map((start) =>
              slice(value.logits, [start, 0], [size, 1]),
            );
            const slopes = sum(square(reshape(grads[0], [2 * size, -1])), 1);
            // γ/2 times the mean over real images and γ/2 times that over generated ones: γ times the mean
            // over both.
            const share = annealing && add(mul(annealing.forward(), 1 - gammaLeft), gammaLeft);
            const penalty = mul(mean(slopes), share ? mul(share, gamma) : gamma);
            if (annealing) {
              if (ada) {
                noGrad(() => assign(ada.probability, mul(sub(1, annealing.forward()), augmentProbability)));
              }
              annealing.advance();
            }
            return {
              loss: add(relativistic.discriminator(realLogits, fakeLogits), penalty),
              penalty,
              logitReal: noGrad(() => mean(realLogits)),
              logitFake: noGrad(() => mean(fakeLogits)),
            };
          },
        },
        {
          name: 'G',
          train: ['generator'],
          loss({ images, labels: all, size }) {
            const labels = known(all);
            const realLogits = noGrad(() => judge(images, labels));
            const fakeLogits = judge(generate(size, labels), labels);
            return { loss: relativistic.generator(fakeLogits, undefined, realLogits) };
          },
        },
      ],
    };
  },
});
