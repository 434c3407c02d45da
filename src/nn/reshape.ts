// Layers that only change the shape: the seams between convolutions and linear layers.

import { reshape } from '../tensor/ops/index.js';
import type { Shape, Tensor } from '../tensor/tensor.js';
import { Module } from './module.js';

/** [N, ...] → [N, product of the rest]. An image is flattened in the order height, width, channel. */
export class Flatten extends Module {
  forward(x: Tensor): Tensor {
    return reshape(x, [x.shape[0], x.shape.slice(1).reduce((n, d) => n * d, 1)]);
  }
}

/** [N, ...] → [N, ...shape]. Throws ERR_SHAPE where the sizes differ. */
export class Reshape extends Module {
  /** @param shape the new shape without the batch, as [height, width, channels] */
  constructor(readonly shape: Shape) {
    super();
  }

  forward(x: Tensor): Tensor {
    return reshape(x, [x.shape[0], ...this.shape]);
  }
}
