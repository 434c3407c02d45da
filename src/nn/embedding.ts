// A table of learned vectors, looked up by index: class labels and tokens.

import { gather, matmul } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Initializer, normal } from './init.js';
import { assertCount, Module, parameter } from './module.js';

export interface EmbeddingOptions {
  /** Default: N(0, 1), PyTorch's. */
  weightInit?: Initializer;
  generator?: Generator;
}

/**
 * @internal Rows of a table [count, features] by number, i32 [...], or sums of all rows with weights f32 [n,
 *   count].
 */
export function lookUp(table: Tensor, which: Tensor): Tensor {
  return which.dtype === 'f32' ? matmul(which, table) : gather(table, which, 0);
}

/**
 * y = W[indices]: indices [...] of i32 → [..., features]. An index outside the table is reported by the next
 * read. Weights f32 [n, count] instead of indices mix the vectors: y = weights W.
 */
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
    return lookUp(this.weight, indices);
  }
}
