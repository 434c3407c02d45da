// Pooling as layers, over images [N, H, W, C].

import {
  type AvgPoolOptions,
  adaptiveAvgPool2d,
  adaptiveMaxPool2d,
  avgPool2d,
  globalAvgPool,
  type MaxPoolOptions,
  maxPool2d,
  type PerAxis,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** The greatest element of each window; sizes and errors as maxPool2d. */
export class MaxPool2d extends Module {
  constructor(
    readonly kernelSize: PerAxis,
    readonly options: MaxPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window; sizes and errors as avgPool2d. */
export class AvgPool2d extends Module {
  constructor(
    readonly kernelSize: PerAxis,
    readonly options: AvgPoolOptions = {},
  ) {
    super();
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** Means over windows that divide an image of any size into `size` parts. */
export class AdaptiveAvgPool2d extends Module {
  constructor(readonly size: PerAxis) {
    super();
  }

  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.size);
  }
}

/** Maxima over the windows of AdaptiveAvgPool2d. */
export class AdaptiveMaxPool2d extends Module {
  constructor(readonly size: PerAxis) {
    super();
  }

  forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.size);
  }
}

/** The mean over all pixels: [N, ..., C] → [N, C]. */
export class GlobalAvgPool extends Module {
  forward(x: Tensor): Tensor {
    return globalAvgPool(x);
  }
}
