// Gradient clipping by the norm of all gradients together.

import { GanvasError } from '../errors.js';
import { add, concat, div, minimum, mul, reshape, sqrt, square, sum } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** √(Σ x²) over all elements of all tensors, a scalar. */
export function globalNorm(tensors: readonly Tensor[]): Tensor {
  return sqrt(sum(concat(tensors.map((t) => reshape(sum(square(t)), [1])))));
}

/**
 * g · min(1, maxNorm / (‖g‖ + 1e-6)) with the norm over all gradients (Pascanu et al. 2013), computed on the device.
 * @returns new gradients, and the norm before clipping, a scalar
 * @throws GanvasError ERR_ARGUMENT unless maxNorm is above 0 and there is a gradient
 */
export function clipGradNorm(grads: readonly Tensor[], maxNorm: number): { grads: Tensor[]; norm: Tensor } {
  if (!(maxNorm > 0) || grads.length === 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `clipGradNorm: expected gradients and a norm above 0, got ${grads.length} gradients and ${maxNorm}`,
    );
  }
  const norm = globalNorm(grads);
  const factor = minimum(div(maxNorm, add(norm, 1e-6)), 1);
  return { grads: grads.map((g) => mul(g, factor)), norm };
}
