// Dropout: random zeros while training, nothing otherwise.

import { GanvasError } from '../errors.js';
import { bernoulli, mul } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** In training, each element is 0 with probability p and x / (1 - p) otherwise (Srivastava et al. 2014); else x. */
export class Dropout extends Module {
  readonly p: number;
  readonly #generator: Generator | undefined;

  /** @throws GanvasError ERR_ARGUMENT unless 0 <= p < 1 */
  constructor(p = 0.5, { generator }: { generator?: Generator } = {}) {
    super();
    if (!(p >= 0 && p < 1))
      throw new GanvasError('ERR_ARGUMENT', `Dropout: p must be at least 0 and below 1, got ${p}`);
    this.p = p;
    this.#generator = generator;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    const kept = bernoulli(x.shape, 1 - this.p, { generator: this.#generator });
    return mul(x, mul(kept, 1 / (1 - this.p)));
  }
}
