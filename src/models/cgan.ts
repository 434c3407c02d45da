// CGAN (Mirza and Osindero 2014) in PyTorch-GAN's form: perceptrons that get an embedding of the class beside
// the latent and beside the pixels, dropout in the discriminator, squared errors. For small images with
// labels, of any size.

import { LabelledGenerator, LabelledPerceptronDiscriminator } from '../networks/conditional.js';
import { perceptronGenerator } from '../networks/perceptron.js';
import { adversarialGame } from './game.js';
import { gameFields } from './game-options.js';
import { perceptronFields } from './layer-options.js';
import { classesOf, defineModel, normalLatent } from './model.js';

const { hidden, generatorNorm, spectral } = perceptronFields;

export const cgan = defineModel({
  name: 'cgan',
  summary: 'CGAN (Mirza and Osindero 2014): perceptrons that are told the class, for images with labels',
  fields: {
    ...gameFields,
    loss: { ...gameFields.loss, default: 'leastSquares' },
    hidden,
    generatorNorm: { ...generatorNorm, choices: ['batch', 'none'] },
    spectral,
    embedding: {
      type: 'integer',
      default: 10,
      min: 1,
      max: 65536,
      help: 'numbers that stand for a class, in each network',
    },
    dropout: {
      type: 'number',
      default: 0.4,
      min: 0,
      max: 0.99,
      help: "probability of dropping a unit of D's second and third layer",
    },
  },
  build(config, dims) {
    const { zSize, hidden, generatorNorm: norm, spectral, embedding, dropout } = config;
    const classes = classesOf('cgan', dims);
    const body = perceptronGenerator(dims, zSize + embedding, {
      hidden,
      norm,
      spectralNorm: spectral === 'both',
    });
    return adversarialGame(
      {
        generator: new LabelledGenerator(body, classes, embedding, 'concat'),
        discriminator: new LabelledPerceptronDiscriminator(dims, {
          classes,
          embedding,
          hidden,
          dropout,
          spectralNorm: spectral !== 'none',
        }),
        latent: normalLatent(zSize),
        classes,
        dims,
      },
      config,
    );
  },
});
