// Stochastic gradient descent, with momentum if asked for.

import { GanvasError } from '../errors.js';
import type { AnyModule } from '../nn/module.js';
import { sgdStep } from '../tensor/ops/optim.js';
import type { Tensor } from '../tensor/tensor.js';
import { Optimizer } from './optimizer.js';

export interface SGDOptions {
  /** Learning rate. */
  lr: number;
  /** Default 0. */
  momentum?: number;
  /** Of the gradient's share in the momentum. Default 0. */
  dampening?: number;
  /** L2 penalty added to the gradient. Default 0. */
  weightDecay?: number;
  /** Look-ahead momentum. Default false. */
  nesterov?: boolean;
}

/** b ← μ b + (1 - τ) g; w ← w - η b, as torch.optim.SGD (b begins as the first gradient). */
export class SGD extends Optimizer {
  readonly #options: Required<Omit<SGDOptions, 'lr'>>;

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(parameters: AnyModule | readonly Tensor[], options: SGDOptions) {
    const { lr, momentum = 0, dampening = 0, weightDecay = 0, nesterov = false } = options;
    for (const [name, value] of Object.entries({ momentum, dampening, weightDecay })) {
      if (!(value >= 0))
        throw new GanvasError('ERR_ARGUMENT', `SGD: ${name} must be at least 0, got ${value}`);
    }
    if (nesterov && (momentum === 0 || dampening !== 0)) {
      throw new GanvasError('ERR_ARGUMENT', 'SGD: nesterov needs a momentum above 0 and no dampening');
    }
    super(parameters, lr, momentum === 0 ? [] : ['momentum']);
    this.#options = { momentum, dampening, weightDecay, nesterov };
  }

  protected override update(grads: readonly Tensor[], moments: Readonly<Record<string, Tensor[]>>): void {
    sgdStep(this.parameters, grads, moments.momentum, {
      ...this.#options,
      lr: this.liveRate,
      firstStep: this.liveStep((step) => Number(step === 1)),
    });
  }
}
