// InfoGAN (Chen et al. 2016): a part c of the latent shall be recognisable in the image, so that it comes to
// mean something, though nobody says what: with a code of ten values, the digits. DCGAN's networks with the authors'
// linear layer between codes and maps; Q(c | x) sits beside the last layer of the discriminator, and both players are
// paid for the information that it finds.

import { GanvasError } from '../errors.js';
import { crossEntropy } from '../losses/supervised.js';
import { type Code, codesAfter, RecognisingDiscriminator } from '../networks/codes.js';
import {
  add,
  concat,
  exp,
  mean,
  mul,
  neg,
  oneHot,
  randint,
  slice,
  split,
  square,
  sub,
} from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';
import { trainingConfig } from '../train/config.js';
import { adversarialGame, type JudgedFake, type Terms } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { type BuiltModel, defineModel, type Latent, uniformLatent } from './model.js';

// The authors' smallest maps of digits: 28 → 14 → 7.
const leastSide = 7;

const { batch, epochs } = trainingConfig.fields;
const rate = { type: 'number', min: 0, max: 100 } as const;
const weight = { type: 'number', default: 1, min: 0, max: 1e6 } as const;
const count = { type: 'integer', max: 1000 } as const;

/**
 * Noise ~ U(-scale, scale), continuous codes ~ U(-1, 1), categorical codes one-hot with equal probabilities.
 */
function codedLatent(noise: number, scale: number, codes: readonly Code[]): Latent {
  const size = codes.reduce((sum, code) => sum + code.size, noise);
  return {
    size,
    sample(n, generator) {
      const parts = [uniformLatent(noise, -scale, scale).sample(n, generator)];
      for (const { kind, size: values } of codes) {
        parts.push(
          kind === 'categorical'
            ? oneHot(randint([n], 0, values, { generator }), values)
            : uniformLatent(values).sample(n, generator),
        );
      }
      return concat(parts, 1);
    },
  };
}

/** -log N(c; μ, σ²), averaged over images and numbers; σ = 1 unless the parameters hold log σ² after μ. */
function gaussianNLL(parameters: Tensor, code: Tensor): Tensor {
  const [, size] = code.shape;
  const both = inFloat32(parameters);
  const constant = 0.5 * Math.log(2 * Math.PI);
  if (both.shape[1] === size) return add(mul(mean(square(sub(code, both))), 0.5), constant);
  const [mu, logVariance] = split(both, 2, 1);
  const scaled = mul(square(sub(code, mu)), exp(neg(logVariance)));
  return add(mul(mean(add(scaled, logVariance)), 0.5), constant);
}

/**
 * Minus the codes' log-likelihoods under Q, for each kind that there is; averaged over images, summed over
 * codes.
 */
function unrecognised(
  discriminator: RecognisingDiscriminator,
  { features, z }: JudgedFake,
  weights: Readonly<Record<Code['kind'], number>>,
): Partial<Record<Code['kind'], Tensor>> {
  const found = discriminator.recognise(features);
  const losses: Partial<Record<Code['kind'], Tensor>> = {};
  for (const [i, { kind, start, size }] of discriminator.codes.entries()) {
    const code = slice(z, [0, start], [z.shape[0], size]);
    const loss = kind === 'categorical' ? crossEntropy(found[i], code) : gaussianNLL(found[i], code);
    const weighted = mul(loss, weights[kind]);
    losses[kind] = losses[kind] ? add(losses[kind], weighted) : weighted;
  }
  return losses;
}

export const infogan = defineModel({
  name: 'infogan',
  summary: 'InfoGAN (Chen et al. 2016): latent codes that come to mean something, without labels',
  fields: {
    ...gameFields,
    ...dcganFields,
    batch: { ...batch, default: 100 },
    epochs: { ...epochs, default: 80 },
    baseWidth: { ...dcganFields.baseWidth, default: 16 },
    hidden: {
      type: 'integer',
      default: 256,
      min: 0,
      max: 16384,
      help: "units of the linear layer between codes and maps in G, and before D's and Q's last layers; 0: none",
    },
    zSize: { ...gameFields.zSize, default: 62, help: 'numbers of noise in a latent, before the codes' },
    lrGenerator: { ...rate, default: 1e-3, help: 'learning rate of the generator' },
    lrDiscriminator: { ...rate, default: 5e-4, help: 'learning rate of the discriminator and of Q' },
    noiseScale: {
      type: 'number',
      default: 1,
      min: 0,
      max: 1e3,
      help: 'noise is uniform from minus this to this',
    },
    categoricalCodes: { ...count, default: 1, min: 0, help: 'codes that are one of several values' },
    categories: { ...count, default: 10, min: 2, help: 'values of a categorical code' },
    continuousCodes: { ...count, default: 2, min: 0, help: 'codes that are a number from -1 to 1' },
    categoricalWeight: { ...weight, help: 'λ of the categorical codes, in both losses' },
    continuousWeight: { ...weight, default: 0.1, help: 'λ of the continuous codes, in both losses' },
    variance: {
      type: 'enum',
      choices: ['fixed', 'learned'],
      default: 'fixed',
      help: 'variance of a continuous code as Q sees it: 1, or learned',
    },
  },
  build(config, dims): BuiltModel {
    const { zSize, categoricalCodes, categories, continuousCodes, spectral } = config;
    const refuse = (problem: string) => new GanvasError('ERR_CONFIG', `infogan: ${problem}`);
    if (categoricalCodes + continuousCodes === 0) {
      throw refuse('expected at least one code, got categoricalCodes 0 and continuousCodes 0');
    }
    if (config.replayPool > 0) {
      throw refuse('replayPool keeps no latents, so nobody knows the codes of its images; use 0');
    }
    const codes = codesAfter(zSize, {
      categorical: categoricalCodes,
      categories,
      continuous: continuousCodes,
    });
    const latent = codedLatent(zSize, config.noiseScale, codes);
    const { generator, discriminator: base } = dcganNetworks(dims, latent.size, config, {
      hidden: config.hidden,
      leastSide,
    });
    const discriminator = new RecognisingDiscriminator(base, codes, {
      variance: config.variance === 'learned',
      norm: config.discriminatorNorm === 'batch',
      spectralNorm: spectral !== 'none',
    });
    const terms = (fake: JudgedFake, side: 'D' | 'G'): Terms => {
      const { categoricalWeight: categorical, continuousWeight: continuous } = config;
      const losses = unrecognised(discriminator, fake, { categorical, continuous });
      return Object.fromEntries(Object.entries(losses).map(([kind, loss]) => [`${kind}${side}`, loss]));
    };
    const game = adversarialGame(
      {
        generator,
        discriminator,
        latent,
        dims,
        terms: {
          discriminator: (_, fake) => terms(fake, 'D'),
          generator: (fake) => terms(fake, 'G'),
        },
      },
      config,
    );
    return { ...game, codes };
  },
});
