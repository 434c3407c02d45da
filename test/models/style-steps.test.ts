// One step of StyleGAN2 and of progressive growing, against PyTorch's (test/reference/make/steps_style.py).
// The levels that fade in are compared in test/reference/style.test.ts: their phases have the same names
// here.

import { pggan } from '../../src/models/pggan.js';
import { stylegan2 } from '../../src/models/stylegan2.js';
import { stepTest } from './step.js';

const widths = { zSize: 5, baseWidth: 3, maxWidth: 4 };

stepTest({
  model: stylegan2,
  config: { ...widths, wSize: 4, conditional: true, penaltyWeight: 3, pathWeight: 2, mixing: 0.9 },
  dims: { height: 6, width: 8, channels: 2, classes: 3 },
});
stepTest({
  model: pggan,
  config: { ...widths, baseWidth: 4 },
  dims: { height: 4, width: 5, channels: 3 },
});
