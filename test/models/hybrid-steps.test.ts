// Steps of the models that are a GAN and something else, a classifier or an encoder; PyTorch's side is
// make/steps_hybrids.py.

import { bigan } from '../../src/models/bigan.js';
import { sgan } from '../../src/models/sgan.js';
import { vaegan } from '../../src/models/vaegan.js';
import { stepTest } from './step.js';

const dims = { height: 4, width: 8, channels: 1 };

stepTest({ model: sgan, config: { hidden: 6, zSize: 5, labels: 7 }, dims: { ...dims, classes: 3 } });
stepTest({
  model: sgan,
  name: 'sgan-game',
  config: { hidden: 6, zSize: 5, labels: 7, labelWeight: 2, featureMatching: 0 },
  dims: { ...dims, classes: 3 },
});

const coloured = { height: 16, width: 12, channels: 3 };
const small = { baseWidth: 3, zSize: 5 };
stepTest({ model: vaegan, config: small, dims: coloured });
// Costs as near to the equilibrium as this make one of the players wait, or both: then both learn.
stepTest({ model: vaegan, name: 'vaegan-behind', config: { ...small, equilibrium: 0.3 }, dims: coloured });
stepTest({ model: vaegan, name: 'vaegan-ahead', config: { ...small, equilibrium: 4 }, dims: coloured });
stepTest({ model: vaegan, name: 'vaegan-both', config: { ...small, margin: 0.001 }, dims: coloured });

stepTest({ model: bigan, config: { hidden: 6, zSize: 5 }, dims });
stepTest({
  model: bigan,
  name: 'bigan-convolution',
  config: { networks: 'convolution', hidden: 6, baseWidth: 3, zSize: 5 },
  dims: coloured,
});
