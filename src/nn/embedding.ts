// A table of learned vectors, looked up by index: class labels and tokens.

import { gather } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Initializer, normal } from './init.js';
import { assertCount, Module, parameter } from './module.js';

export interface EmbeddingOptions {
  /** Default: N(0, 1), PyTorch's. */
  weightInit?: Initializer;
  generator?: Generator;
}

/** y = W[indices]: indices [...] of i32 → [..., features]. An index outside the table is reported by the next read. */
export class Embedding extends Module {
  /** [count, features]. */
  readonly weight: Tensor;

  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers */
  constructor(count: number, features: number, options: EmbeddingOptions = {}) {
    super();
    assertCount(count, 'Embedding: count');
    assertCount(features, 'Embedding: features');
    const { weightInit = normal(), generator } = options;
    this.weight = parameter(weightInit([count, features], generator));
  }

  forward(indices: Tensor): Tensor {
    return gather(this.weight, indices, 0);
  }
}
