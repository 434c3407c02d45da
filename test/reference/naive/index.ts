// All naive references by op name: one per entry of the op table. A name that two families claim is an error.

import type { References } from '../nd.js';
import { references as bias } from './bias.js';
import { references as binary } from './binary.js';
import { references as conv } from './conv.js';
import { references as gather } from './gather.js';
import { references as matmul } from './matmul.js';
import { references as norm } from './norm.js';
import { references as reduce } from './reduce.js';
import { references as shape } from './shape.js';
import { references as softmax } from './softmax.js';
import { references as unary } from './unary.js';

export const references: References = {};

for (const family of [bias, binary, conv, gather, matmul, norm, reduce, shape, softmax, unary]) {
  for (const [name, reference] of Object.entries(family)) {
    if (references[name]) throw new Error(`two references for ${name}`);
    references[name] = reference;
  }
}
