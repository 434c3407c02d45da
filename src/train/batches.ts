// From a loader's bytes to tensors: uploads u8 images and converts them on the device, a quarter of the traffic of floats.

import type { BatchLoader, LoaderState } from '../data/loader.js';
import { cast, div, sub, tensor } from '../tensor/ops/index.js';
import { inFloat32 } from '../tensor/precision.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import type { BatchSource, TrainBatch } from './phase.js';

/** Pixels u8 [...] in [0, 255] to f32 in [-1, 1]: x / 127.5 - 1. */
export function toUnitRange(pixels: Tensor): Tensor {
  return scope(() => sub(div(cast(pixels, 'f32'), 127.5), 1));
}

/** Values in [-1, 1] to pixels u8: round(127.5 (x + 1)), clamped; NaN becomes 0. */
export function toPixels(images: Tensor): Tensor {
  // The cast saturates.
  return scope(() => cast(inFloat32(images).add(1).mul(127.5).round(), 'u8'));
}

/** The batches of a loader as tensors. */
export class LoaderBatches implements BatchSource {
  readonly loader: BatchLoader;

  constructor(loader: BatchLoader) {
    this.loader = loader;
  }

  async next(): Promise<TrainBatch> {
    const { images, labels } = await this.loader.next();
    const { height, width, channels } = this.loader.dataset;
    const size = this.loader.batch;
    const converted = scope(() => toUnitRange(tensor(images, [size, height, width, channels])));
    this.loader.recycle(images); // tensor() has copied them
    return {
      images: converted,
      labels: labels && tensor(labels, [size]),
      size,
    };
  }

  state(): LoaderState {
    return this.loader.state();
  }

  restore(state: unknown): void {
    this.loader.restore(state as LoaderState);
  }
}
