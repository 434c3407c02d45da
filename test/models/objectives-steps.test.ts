// Steps of the models that are DCGAN's networks with another objective, penalty or optimiser, against
// PyTorch's (test/reference/make/steps_objectives.py).

import { dragan } from '../../src/models/dragan.js';
import { lsgan } from '../../src/models/lsgan.js';
import { ragan } from '../../src/models/ragan.js';
import { wgan } from '../../src/models/wgan.js';
import { stepTest } from './step.js';

const config = { baseWidth: 2, zSize: 5 };
// Maps of 6 x 8 and 3 x 4.
const dims = { height: 12, width: 16, channels: 3 };

stepTest({ model: lsgan, config, dims });
stepTest({
  model: lsgan,
  name: 'lsgan-chi2',
  config: { ...config, targetFake: -1, targetReal: 1, targetGenerator: 0 },
  dims,
});
stepTest({ model: wgan, config, dims });
stepTest({ model: dragan, config, dims });
stepTest({ model: ragan, config, dims });
