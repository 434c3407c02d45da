// What the losses share: how the values of single elements become one number, and the check of their shapes.

import { GanvasError } from '../errors.js';
import { mean, sum } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** 'mean' over all elements (the default everywhere), their 'sum', or 'none': one value for each. */
export type Reduction = 'mean' | 'sum' | 'none';

export interface ReductionOptions {
  /** Default 'mean'. */
  reduction?: Reduction;
}

/** Throws ERR_ARGUMENT for another reduction. */
export function reduceLoss(loss: string, values: Tensor, reduction: Reduction = 'mean'): Tensor {
  switch (reduction) {
    case 'mean':
      return mean(values);
    case 'sum':
      return sum(values);
    case 'none':
      return values;
    default:
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${loss}: reduction must be 'mean', 'sum' or 'none', got ${String(reduction)}`,
      );
  }
}

/** Throws ERR_SHAPE unless both have one shape. */
export function assertSameShape(loss: string, a: Tensor, b: Tensor): void {
  if (a.rank !== b.rank || a.shape.some((size, i) => size !== b.shape[i])) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${loss}: both arguments must have one shape, got [${a.shape}] and [${b.shape}]`,
    );
  }
}
