// One step of the models with residual networks, against PyTorch's (test/reference/make/steps_residual.py).

import { biggan } from '../../src/models/biggan.js';
import { projgan } from '../../src/models/projgan.js';
import { sagan } from '../../src/models/sagan.js';
import { sngan } from '../../src/models/sngan.js';
import { stepTest } from './step.js';

const small = { height: 16, width: 16, channels: 3 };
const tiny = { height: 8, width: 12, channels: 1 };

// Maps of 18 x 20 and 9 x 10: larger than the CIFAR-10 networks, not square, odd at the end.
stepTest({
  model: sngan,
  config: { zSize: 5, baseWidth: 1 },
  dims: { height: 36, width: 40, channels: 1 },
  batch: 2,
});
stepTest({ model: projgan, config: { zSize: 5, baseWidth: 1 }, dims: { ...tiny, classes: 3 } });
stepTest({ model: sagan, config: { zSize: 5, baseWidth: 1 }, dims: { ...small, classes: 3 } });
stepTest({
  model: sagan,
  name: 'sagan-unconditional',
  config: { zSize: 5, baseWidth: 1 },
  dims: tiny,
});
stepTest({
  model: biggan,
  config: { zSize: 8, baseWidth: 1, embedding: 4, attention: 8 },
  dims: { ...small, classes: 3 },
});
