// Convolution and transposed convolution as layers. Images are [N, H, W, C]; weights are [outC, kH, kW, inC / groups] and,
// transposed, [inC, kH, kW, outC / groups].

import { GanvasError } from '../errors.js';
import {
  type Conv2dOptions,
  type ConvTranspose2dOptions,
  conv2d,
  convTranspose2d,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ActivationOptions, addBias, defaultSlope } from './activation.js';
import { type WeightedOptions, weightAndBias } from './linear.js';
import { assertCount, Module } from './module.js';

/** Side of a square kernel, or [height, width]. */
export type KernelSize = number | readonly [number, number];

function shapeOfWeight(
  layer: string,
  first: number,
  last: number,
  kernelSize: KernelSize,
  groups: number,
): [number, number, number, number] {
  const [kH, kW] = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
  assertCount(first, `${layer}: the number of channels`);
  assertCount(last, `${layer}: the number of channels`);
  assertCount(kH, `${layer}: kernelSize`);
  assertCount(kW, `${layer}: kernelSize`);
  assertCount(groups, `${layer}: groups`);
  if (first % groups !== 0 || last % groups !== 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${layer}: both channel counts must be multiples of groups = ${groups}, got ${first} and ${last}`,
    );
  }
  return [first, kH, kW, last / groups];
}

/** y = act(conv2d(x, W) + b): [N, H, W, inC] → [N, H', W', outC]; sizes as in conv2d. */
export class Conv2d extends Module {
  /** [outC, kH, kW, inC / groups]. */
  readonly weight: Tensor;
  /** [outC]. */
  readonly bias: Tensor | undefined;
  readonly #activation: Required<ActivationOptions>;
  readonly #geometry: Conv2dOptions;

  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize,
    options: Conv2dOptions & WeightedOptions = {},
  ) {
    super();
    const { stride, padding, dilation, groups = 1, activation = 'none', slope = defaultSlope } = options;
    const shape = shapeOfWeight('Conv2d', outChannels, inChannels, kernelSize, groups);
    this.#geometry = { stride, padding, dilation, groups };
    this.#activation = { activation, slope };
    ({ weight: this.weight, bias: this.bias } = weightAndBias(shape, outChannels, options));
  }

  forward(x: Tensor): Tensor {
    return addBias(conv2d(x, this.weight, this.#geometry), this.bias, this.#activation);
  }
}

/** y = act(convTranspose2d(x, W) + b): [N, H, W, inC] → [N, H', W', outC]; sizes as in convTranspose2d. */
export class ConvTranspose2d extends Module {
  /** [inC, kH, kW, outC / groups]. */
  readonly weight: Tensor;
  /** [outC]. */
  readonly bias: Tensor | undefined;
  readonly #activation: Required<ActivationOptions>;
  readonly #geometry: ConvTranspose2dOptions;

  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize,
    options: ConvTranspose2dOptions & WeightedOptions = {},
  ) {
    super();
    const { stride, padding, outputPadding, dilation, groups = 1 } = options;
    const { activation = 'none', slope = defaultSlope } = options;
    const shape = shapeOfWeight('ConvTranspose2d', inChannels, outChannels, kernelSize, groups);
    this.#geometry = { stride, padding, outputPadding, dilation, groups };
    this.#activation = { activation, slope };
    ({ weight: this.weight, bias: this.bias } = weightAndBias(shape, outChannels, options));
  }

  forward(x: Tensor): Tensor {
    return addBias(convTranspose2d(x, this.weight, this.#geometry), this.bias, this.#activation);
  }
}
