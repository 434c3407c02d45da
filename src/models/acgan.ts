// ACGAN (Odena et al. 2017): the discriminator is not told the class but must name it, and the generator must
// make images whose class it names. DCGAN's networks; the class enters the generator as an embedding that the
// latent is multiplied by, or one beside it.

import { crossEntropy } from '../losses/supervised.js';
import { ClassifyingDiscriminator, LabelledGenerator, labelJoins } from '../networks/conditional.js';
import { mul } from '../tensor/ops/index.js';
import { adversarialGame, type Judged } from './game.js';
import { gameFields } from './game-options.js';
import { dcganFields, dcganNetworks } from './layer-options.js';
import { classesOf, defineModel, normalLatent } from './model.js';

const { generatorNorm } = dcganFields;
const weight = { type: 'number', default: 1, min: 0, max: 1e6 } as const;

export const acgan = defineModel({
  name: 'acgan',
  summary: 'ACGAN (Odena et al. 2017): a discriminator that also names the class, for images with labels',
  fields: {
    ...gameFields,
    ...dcganFields,
    generatorNorm: { ...generatorNorm, choices: ['batch', 'instance', 'none'] },
    baseWidth: { ...dcganFields.baseWidth, default: 32 },
    labelSmoothing: { ...gameFields.labelSmoothing, default: 0.05 },
    join: {
      type: 'enum',
      choices: labelJoins,
      default: 'product',
      help: 'how the vector of a class, as long as a latent, meets it in the generator: beside it or times it',
    },
    classWeight: { ...weight, help: "weight of naming the class of real images, in D's loss" },
    classWeightFake: {
      ...weight,
      default: 0,
      help: "weight of naming the class of generated images, in D's loss",
    },
    classWeightGenerator: { ...weight, help: "weight of D's naming the class asked for, in G's loss" },
  },
  build(config, dims) {
    const { zSize, join, classWeight, classWeightFake, classWeightGenerator } = config;
    const classes = classesOf('acgan', dims);
    const inputSize = join === 'concat' ? 2 * zSize : zSize;
    const { generator, discriminator: base } = dcganNetworks(dims, inputSize, config);
    const discriminator = new ClassifyingDiscriminator(base, classes, {
      spectralNorm: config.spectral !== 'none',
    });
    const classLoss = ({ features, labels }: Judged, weight: number) =>
      mul(crossEntropy(discriminator.classify(features), labels!), weight);
    return adversarialGame(
      {
        generator: new LabelledGenerator(generator, classes, zSize, join),
        discriminator,
        latent: normalLatent(zSize),
        classes,
        dims,
        terms: {
          discriminator: (real, fake) => ({
            classReal: classLoss(real, classWeight),
            classFake: classLoss(fake, classWeightFake),
          }),
          generator: (fake) => ({ classG: classLoss(fake, classWeightGenerator) }),
        },
      },
      config,
    );
  },
});
