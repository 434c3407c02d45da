// Steps of the models that play with classes or codes, against PyTorch's
// (test/reference/make/steps_conditional.py).

import { acgan } from '../../src/models/acgan.js';
import { cgan } from '../../src/models/cgan.js';
import { infogan } from '../../src/models/infogan.js';
import { stepTest } from './step.js';

const dims = { height: 12, width: 16, channels: 3 };

stepTest({
  model: cgan,
  config: { hidden: 4, zSize: 5, embedding: 3 },
  dims: { height: 4, width: 5, channels: 1, classes: 3 },
});
stepTest({ model: acgan, config: { baseWidth: 2, zSize: 5 }, dims: { ...dims, classes: 3 } });
stepTest({
  model: acgan,
  name: 'acgan-concat',
  config: {
    baseWidth: 2,
    zSize: 5,
    join: 'concat',
    classWeight: 2,
    classWeightFake: 0.5,
    classWeightGenerator: 3,
  },
  dims: { ...dims, classes: 3 },
});
stepTest({
  model: infogan,
  config: { baseWidth: 2, hidden: 4, zSize: 5, noiseScale: 0.5, categories: 3 },
  dims,
});
stepTest({
  model: infogan,
  name: 'infogan-learned',
  config: {
    baseWidth: 2,
    hidden: 4,
    zSize: 5,
    categoricalCodes: 2,
    categories: 3,
    continuousWeight: 2,
    variance: 'learned',
  },
  dims: { ...dims, channels: 1 },
});
