// Activations: as modules, and as the `activation` option of layers, which selects a fused kernel.

import { type Activation, activate } from '../tensor/ops/bias.js';
import {
  biasAct,
  celu,
  elu,
  type GeluOptions,
  gelu,
  glu,
  hardtanh,
  leakyRelu,
  logSigmoid,
  mish,
  prelu,
  relu,
  selu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { constant } from './init.js';
import { assertCount, Module, parameter } from './module.js';

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

/** The Gaussian error linear unit x Φ(x), or its approximation by tanh. */
export class GELU extends Module {
  constructor(readonly options: GeluOptions = {}) {
    super();
  }

  forward(x: Tensor): Tensor {
    return gelu(x, this.options);
  }
}

/** x σ(x). */
export class SiLU extends Module {
  forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x where x > 0, else alpha (exp(x) - 1). */
export class ELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

/** ELU with the constants that keep mean 0 and variance 1. */
export class SELU extends Module {
  forward(x: Tensor): Tensor {
    return selu(x);
  }
}

/** x where x > 0, else alpha (exp(x / alpha) - 1). */
export class CELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return celu(x, this.alpha);
  }
}

/** x tanh(log(1 + exp(x))). */
export class Mish extends Module {
  forward(x: Tensor): Tensor {
    return mish(x);
  }
}

/** log(1 / (1 + exp(-x))). */
export class LogSigmoid extends Module {
  forward(x: Tensor): Tensor {
    return logSigmoid(x);
  }
}

/** x between two bounds, -1 and 1 by default. */
export class Hardtanh extends Module {
  constructor(
    readonly low = -1,
    readonly high = 1,
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return hardtanh(x, this.low, this.high);
  }
}

/** x where x > 0, else a · x with a learned slope a, one for all or one per channel (the last dimension). */
export class PReLU extends Module {
  /** [channels]. */
  readonly weight: Tensor;

  /** @throws GanvasError ERR_ARGUMENT unless `channels` is a positive integer */
  constructor(channels = 1, slope = 0.25) {
    super();
    assertCount(channels, 'PReLU: channels');
    this.weight = parameter(constant(slope)([channels]));
  }

  forward(x: Tensor): Tensor {
    return prelu(x, this.weight);
  }
}

/** The first half of x along the axis (default: the last) times σ of the second. */
export class GLU extends Module {
  constructor(readonly axis = -1) {
    super();
  }

  forward(x: Tensor): Tensor {
    return glu(x, this.axis);
  }
}
