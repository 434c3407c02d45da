// Adam and AdamW, all parameters in one kernel.

import { GanvasError } from '../errors.js';
import type { AnyModule } from '../nn/module.js';
import { adamStep } from '../tensor/ops/optim.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertDecay, Optimizer } from './optimizer.js';

export interface AdamOptions {
  /** Learning rate. Default 1e-3. */
  lr?: number;
  /** Decay of the mean and of the square of the gradient. Default [0.9, 0.999]; GANs mostly use [0.5, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root. Default 1e-8. */
  eps?: number;
  /** Adam: L2 penalty added to the gradient, default 0. AdamW: decay of the weights themselves, default 0.01. */
  weightDecay?: number;
}

/**
 * m ← β₁ m + (1 - β₁) g; v ← β₂ v + (1 - β₂) g²; w ← w - η m̂ / (√v̂ + ε) with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)
 * (Kingma and Ba 2015, algorithm 1), as torch.optim.Adam.
 */
export class Adam extends Optimizer {
  readonly #options: Required<Omit<AdamOptions, 'lr' | 'betas'>> & { beta1: number; beta2: number };

  /** @throws GanvasError ERR_ARGUMENT for impossible options */
  constructor(parameters: AnyModule | readonly Tensor[], options: AdamOptions = {}) {
    const { lr = 1e-3, betas: [beta1, beta2] = [0.9, 0.999], eps = 1e-8, weightDecay = 0 } = options;
    assertDecay(beta1, 'Adam: betas[0]');
    assertDecay(beta2, 'Adam: betas[1]');
    for (const [name, value] of Object.entries({ eps, weightDecay })) {
      if (!(value >= 0))
        throw new GanvasError('ERR_ARGUMENT', `Adam: ${name} must be at least 0, got ${value}`);
    }
    super(parameters, lr, ['m', 'v']);
    this.#options = { beta1, beta2, eps, weightDecay };
  }

  /** Whether the decay shrinks the weights (AdamW) or adds to the gradient (Adam). */
  protected get decoupled(): boolean {
    return false;
  }

  protected override update(grads: readonly Tensor[], { m, v }: Readonly<Record<string, Tensor[]>>): void {
    const { decoupled, liveRate: lr } = this;
    adamStep(this.parameters, grads, m, v, { ...this.#options, lr, decoupled, step: this.liveStep() });
  }
}

/** Adam with decoupled decay, w ← (1 - η λ) w before the step (Loshchilov and Hutter 2019), as torch.optim.AdamW. */
export class AdamW extends Adam {
  constructor(parameters: AnyModule | readonly Tensor[], options: AdamOptions = {}) {
    super(parameters, { weightDecay: 0.01, ...options });
  }

  protected override get decoupled(): boolean {
    return true;
  }
}
