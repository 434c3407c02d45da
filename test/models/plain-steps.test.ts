// Steps of the models made of perceptrons and of DCGAN's convolutions; PyTorch's side is make/steps_plain.py.

import { dcgan } from '../../src/models/dcgan.js';
import { gan } from '../../src/models/gan.js';
import { wganGp } from '../../src/models/wgan_gp.js';
import { stepTest } from './step.js';

const dims = { height: 8, width: 8, channels: 1 };

stepTest({ model: gan, config: { hidden: 4, zSize: 5 }, dims });
stepTest({ model: dcgan, config: { baseWidth: 4, zSize: 5 }, dims: { ...dims, channels: 3 } });
stepTest({ model: wganGp, config: { baseWidth: 4, zSize: 5 }, dims });
