// One step of R3GAN, second-order penalties included, and of LAPGAN, against PyTorch's
// (test/reference/make/steps_pyramids.py).

import { lapgan } from '../../src/models/lapgan.js';
import { r3gan } from '../../src/models/r3gan.js';
import { stepTest } from './step.js';

stepTest({
  model: r3gan,
  config: { zSize: 5, baseWidth: 2, maxWidth: 4, blocks: 1, cardinality: 2, gamma: 0.7, conditional: true },
  dims: { height: 6, width: 8, channels: 2, classes: 3 },
});
stepTest({
  model: lapgan,
  config: { baseLatent: 5, hidden: 4, baseWidth: 2, conditional: true },
  dims: { height: 8, width: 12, channels: 2, classes: 3 },
});
