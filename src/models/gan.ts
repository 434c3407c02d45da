// The first GAN: two perceptrons (Goodfellow et al. 2014), in the form that became usual: batch normalisation in the generator,
// leaky ReLU, the non-saturating loss and Adam. Layer sizes follow PyTorch-GAN's gan.py: G 100-128-256-512-1024-pixels,
// D pixels-512-256-1.

import { Linear } from '../nn/linear.js';
import { BatchNorm1d } from '../nn/norm.js';
import { Flatten, Reshape } from '../nn/reshape.js';
import { Sequential } from '../nn/sequential.js';
import { adversarialGame, gameFields } from './game.js';
import { defineModel, normalLatent } from './model.js';

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;

export const gan = defineModel({
  name: 'gan',
  summary: 'the perceptron GAN (Goodfellow et al. 2014), for small images of any size',
  fields: {
    ...gameFields,
    hidden: {
      type: 'integer',
      default: 128,
      min: 1,
      max: 16384,
      help: "units in the generator's first layer; the others scale with it",
    },
  },
  build(config, { height, width, channels }) {
    const { zSize, hidden } = config;
    const pixels = height * width * channels;
    const generator = new Sequential(
      new Linear(zSize, hidden, leaky),
      new Linear(hidden, 2 * hidden, { bias: false }),
      new BatchNorm1d(2 * hidden, leaky),
      new Linear(2 * hidden, 4 * hidden, { bias: false }),
      new BatchNorm1d(4 * hidden, leaky),
      new Linear(4 * hidden, 8 * hidden, { bias: false }),
      new BatchNorm1d(8 * hidden, leaky),
      new Linear(8 * hidden, pixels, { activation: 'tanh' }),
      new Reshape([height, width, channels]),
    );
    const discriminator = new Sequential(
      new Flatten(),
      new Linear(pixels, 4 * hidden, leaky),
      new Linear(4 * hidden, 2 * hidden, leaky),
      new Linear(2 * hidden, 1),
    );
    return adversarialGame({ generator, discriminator }, normalLatent(zSize), config);
  },
});
