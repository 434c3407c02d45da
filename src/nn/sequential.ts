// Modules one after the other. Fuses nothing by itself: a layer's `activation` option is what selects a fused kernel.

import { GanvasError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { type AnyModule, Module } from './module.js';

/**
 * y = f_n(... f_2(f_1(x))). Its state is named by position: `0.weight`, `1.runningMean`.
 *
 *     new Sequential(new Linear(2, 64, { activation: 'relu' }), new Linear(64, 1));
 */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  /** @throws GanvasError ERR_ARGUMENT when something other than a Module is given */
  constructor(...layers: Module[]) {
    super();
    layers.forEach((layer: unknown, i) => {
      if (!(layer instanceof Module)) {
        throw new GanvasError('ERR_ARGUMENT', `Sequential: layer ${i} must be a Module, got ${typeof layer}`);
      }
    });
    this.layers = layers;
  }

  override children(): [string, AnyModule][] {
    return this.layers.map((layer, i) => [String(i), layer]);
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => layer.forward(y), x);
  }
}
