// Layers that let a discriminator see how much a batch varies, against mode collapse. Formulas: tensor/ops/minibatch.ts.

import {
  type MinibatchStddevOptions,
  minibatchDiscrimination,
  minibatchStddev,
} from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type Initializer, normal } from './init.js';
import { assertCount, Module, parameter } from './module.js';

/** Minibatch standard deviation (Karras et al. 2018): x [N, ..., C] → [N, ..., C + features]. */
export class MinibatchStdDev extends Module {
  readonly #options: MinibatchStddevOptions;

  constructor(options: MinibatchStddevOptions = {}) {
    super();
    this.#options = { ...options };
  }

  forward(x: Tensor): Tensor {
    return minibatchStddev(x, this.#options);
  }
}

export interface MinibatchDiscriminationOptions {
  /** Default: N(0, 1). */
  weightInit?: Initializer;
  generator?: Generator;
}

/** Minibatch discrimination (Salimans et al. 2016): x [N, inFeatures] → [N, inFeatures + kernels]. */
export class MinibatchDiscrimination extends Module {
  /** [inFeatures, kernels, kernelSize]: the tensor T of the paper. */
  readonly weight: Tensor;

  /**
   * @param kernels how many features are added (B of the paper, 100 there)
   * @param kernelSize over how many numbers each distance is taken (C, 5 in the authors' code)
   */
  constructor(
    inFeatures: number,
    kernels: number,
    kernelSize: number,
    options: MinibatchDiscriminationOptions = {},
  ) {
    super();
    assertCount(inFeatures, 'MinibatchDiscrimination: inFeatures');
    assertCount(kernels, 'MinibatchDiscrimination: kernels');
    assertCount(kernelSize, 'MinibatchDiscrimination: kernelSize');
    const { weightInit = normal(), generator } = options;
    this.weight = parameter(weightInit([inFeatures, kernels, kernelSize], generator));
  }

  forward(x: Tensor): Tensor {
    return minibatchDiscrimination(x, this.weight);
  }
}
