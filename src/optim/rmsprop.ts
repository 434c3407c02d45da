// RMSprop, the optimiser of the original Wasserstein GAN.

import { GanvasError } from '../errors.js';
import type { AnyModule } from '../nn/module.js';
import { rmspropStep } from '../tensor/ops/optim.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertDecay, Optimizer } from './optimizer.js';

export interface RMSpropOptions {
  /** Learning rate. Default 1e-2. */
  lr?: number;
  /** Decay of the squared gradient. Default 0.99. */
  alpha?: number;
  /** Added to the root. Default 1e-8. */
  eps?: number;
  /** L2 penalty added to the gradient. Default 0. */
  weightDecay?: number;
  /** Default 0. */
  momentum?: number;
  /** Divide by the standard deviation of the gradient rather than its root mean square. Default false. */
  centered?: boolean;
}

/** s ← α s + (1 - α) g²; w ← w - η g / (√s + ε) (Hinton, lecture 6e of the Coursera course, 2012), as torch.optim.RMSprop. */
export class RMSprop extends Optimizer {
  readonly #options: Required<Omit<RMSpropOptions, 'lr'>>;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(parameters: AnyModule | readonly Tensor[], options: RMSpropOptions = {}) {
    const { lr = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0, centered = false } = options;
    assertDecay(alpha, 'RMSprop: alpha');
    for (const [name, value] of Object.entries({ eps, weightDecay, momentum })) {
      if (!(value >= 0))
        throw new GanvasError('ERR_ARGUMENT', `RMSprop: ${name} must be at least 0, got ${value}`);
    }
    super(parameters, lr, ['square', ...(momentum > 0 ? ['momentum'] : []), ...(centered ? ['mean'] : [])]);
    this.#options = { alpha, eps, weightDecay, momentum, centered };
  }

  protected override update(grads: readonly Tensor[], moments: Readonly<Record<string, Tensor[]>>): void {
    const { square, momentum, mean } = moments;
    rmspropStep(this.parameters, grads, { square, momentum, mean }, { ...this.#options, lr: this.liveRate });
  }
}
