// The semi-supervised GAN (Salimans et al. 2016, section 5): a classifier that learns from few labels because
// it must also tell real images from generated ones. Only `labels` labelled images are used, the labels of
// all others never.

import { crossEntropy } from '../losses/supervised.js';
import { SganDiscriminator, sganGenerator } from '../networks/sgan.js';
import { mul } from '../tensor/ops/index.js';
import { trainingConfig } from '../train/config.js';
import { LabelledImages } from '../train/labelled.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { classesOf, defineModel, uniformLatent } from './model.js';

const { lr } = trainingConfig.fields;

export const sgan = defineModel({
  name: 'sgan',
  summary: 'semi-supervised GAN (Salimans et al. 2016): a classifier from few labels and many images',
  fields: {
    ...gameFields,
    zSize: { ...gameFields.zSize, default: 100 },
    lr: { ...lr, default: 1e-3 },
    featureMatching: {
      ...gameFields.featureMatching,
      default: 0.01,
      help: "weight of matching D's mean features, all that G learns from; 0: it plays the game",
    },
    labels: {
      type: 'integer',
      default: 100,
      min: 2,
      max: 10_000_000,
      help: 'labelled images, as many of each class, chosen by the seed; other labels are not used',
    },
    labelWeight: {
      type: 'number',
      default: 1,
      min: 0,
      max: 1e6,
      help: "weight of the labelled images' cross-entropy in D's loss",
    },
    hidden: {
      type: 'integer',
      default: 500,
      min: 1,
      max: 16384,
      help: "units of G's layers; those of D scale with it",
    },
  },
  build(config, dims) {
    const { zSize, labels, labelWeight, hidden, seed, featureMatching } = config;
    const classes = classesOf('sgan', dims);
    const labelled = new LabelledImages(labels, classes, dims);
    const discriminator = new SganDiscriminator(dims, { classes, hidden });
    const built = adversarialGame(
      {
        generator: sganGenerator(dims, zSize, { hidden }),
        discriminator,
        latent: uniformLatent(zSize, 0, 1),
        dims,
        terms: {
          withoutObjective: featureMatching > 0,
          discriminator: (real) => {
            const known = labelled.forward(real.images);
            const logits = discriminator.classLogits(discriminator.features(known.images));
            return { classes: mul(crossEntropy(logits, known.labels), labelWeight) };
          },
        },
      },
      config,
    );
    return {
      ...built,
      networks: { ...built.networks, labelled },
      prepare: (dataset) => labelled.fill(dataset, seed),
    };
  },
});
