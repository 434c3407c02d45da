// Dropout: random zeros while training, nothing otherwise.

import { GanvasError } from '../errors.js';
import { bernoulli, cast, mul } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

export interface DropoutOptions {
  /** Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

/** In training, each element is 0 with probability p and x / (1 - p) otherwise (Srivastava et al. 2014); else x. */
export class Dropout extends Module {
  readonly p: number;
  readonly #generator: Generator | undefined;

  /** @throws GanvasError ERR_ARGUMENT unless 0 <= p < 1 */
  constructor(p = 0.5, { generator }: DropoutOptions = {}) {
    super();
    if (!(p >= 0 && p < 1))
      throw new GanvasError('ERR_ARGUMENT', `Dropout: p must be at least 0 and below 1, got ${p}`);
    this.p = p;
    this.#generator = generator;
  }

  /** The shape in which elements are dropped; it broadcasts to x's. */
  protected unitShape(x: Tensor): readonly number[] {
    return x.shape;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.p === 0) return x;
    const kept = 1 - this.p;
    const factors = bernoulli(this.unitShape(x), kept, { value: 1 / kept, generator: this.#generator });
    const y = mul(x, factors);
    // The factors are f32: 1 / (1 - p) rounded to bf16 would change the mean.
    return x.dtype === 'bf16' ? cast(y, 'bf16') : y;
  }
}

/** Dropout of whole channels, each sample its own: x [N, ..., C] (Tompson et al. 2015). */
export class Dropout2d extends Dropout {
  protected override unitShape(x: Tensor): readonly number[] {
    if (x.rank < 2) {
      throw new GanvasError('ERR_SHAPE', `Dropout2d: x must have shape [N, ..., C], got [${x.shape}]`);
    }
    return x.shape.map((size, i) => (i === 0 || i === x.rank - 1 ? size : 1));
  }
}
