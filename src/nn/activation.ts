// Activations: as modules, and as the `activation` option of layers, which selects a fused kernel.

import { type Activation, activate } from '../tensor/ops/bias.js';
import { biasAct, leakyRelu, relu, sigmoid, softplus, tanh } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** The option of layers that end in an activation. */
export interface ActivationOptions {
  /** Applied to the result by the same kernel that adds the bias or normalises. Default 'none'. */
  activation?: Activation;
  /** Of leakyRelu below zero. Default 0.2, as in DCGAN. */
  slope?: number;
}

/** The slope of leaky ReLU that DCGAN uses (Radford et al. 2016, section 3). */
export const defaultSlope = 0.2;

/** act(x + bias), in one kernel where there is a bias. */
export function addBias(x: Tensor, bias: Tensor | undefined, options: Required<ActivationOptions>): Tensor {
  return bias ? biasAct(x, bias, options) : activate(x, options);
}

/** max(x, 0). */
export class ReLU extends Module {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** x where x > 0, else slope · x. */
export class LeakyReLU extends Module {
  constructor(readonly slope = defaultSlope) {
    super();
  }

  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope);
  }
}

export class Tanh extends Module {
  forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Module {
  forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** log(1 + exp(x)). */
export class Softplus extends Module {
  forward(x: Tensor): Tensor {
    return softplus(x);
  }
}
