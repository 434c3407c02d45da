// All naive references by op name: one per entry of the op table. A name that two families claim is an error.

import type { References } from '../nd.js';
import { references as activation } from './activation.js';
import { references as along } from './along.js';
import { references as attention } from './attention.js';
import { references as bias } from './bias.js';
import { references as binary } from './binary.js';
import { references as conv } from './conv.js';
import { references as conv3d } from './conv3d.js';
import { references as cumsum } from './cumsum.js';
import { references as gather } from './gather.js';
import { references as linalg } from './linalg.js';
import { references as matmul } from './matmul.js';
import { references as minibatch } from './minibatch.js';
import { references as modulatedConv } from './modulated_conv.js';
import { references as norm } from './norm.js';
import { references as reduce } from './reduce.js';
import { references as resample } from './resample.js';
import { references as rnn } from './rnn.js';
import { references as shape } from './shape.js';
import { references as softmax } from './softmax.js';
import { references as sort } from './sort.js';
import { references as spatial } from './spatial.js';
import { references as spectral } from './spectral.js';
import { references as unary } from './unary.js';

export const references: References = {};

for (const family of [
  activation,
  along,
  attention,
  bias,
  binary,
  conv,
  conv3d,
  cumsum,
  gather,
  linalg,
  matmul,
  minibatch,
  modulatedConv,
  norm,
  reduce,
  resample,
  rnn,
  shape,
  softmax,
  sort,
  spatial,
  spectral,
  unary,
]) {
  for (const [name, reference] of Object.entries(family)) {
    if (references[name]) throw new Error(`two references for ${name}`);
    references[name] = reference;
  }
}
