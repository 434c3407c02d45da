// Convolution and transposed convolution as layers, over sequences [N, L, C], images [N, H, W, C] and volumes
// [N, D, H, W, C]. Weights are [outC, ...kernel, inC / groups] and, transposed, [inC, ...kernel, outC / groups].

import { GanvasError } from '../errors.js';
import {
  type Conv1dOptions,
  type Conv2dOptions,
  type Conv3dOptions,
  type ConvTranspose1dOptions,
  type ConvTranspose2dOptions,
  type ConvTranspose3dOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  pad,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ActivationOptions, addBias, defaultSlope } from './activation.js';
import { type WeightedOptions, weightAndBias } from './linear.js';
import { assertCount, Module } from './module.js';
import { spectralNorm } from './spectral.js';

/** Side of a square kernel, or [height, width]. */
export type KernelSize = number | readonly [number, number];
/** Side of a cubic kernel, or [depth, height, width]. */
export type KernelSize3d = number | readonly [number, number, number];

/** What lies around the input: zeros, its mirror image without the edge, its edge repeated, or its other end. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';
const paddingModes: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular'];

/** The option of convolutions that pad. */
export interface PaddingModeOptions {
  /** Default 'zeros'. */
  paddingMode?: PaddingMode;
}

/** An op's options without what the layer has of its own. */
type Geometry<O extends { bias?: Tensor }> = Omit<O, 'bias'>;

type Options = Omit<
  Conv2dOptions & ConvTranspose2dOptions,
  'bias' | 'stride' | 'padding' | 'dilation' | 'outputPadding'
> & {
  stride?: number | readonly number[];
  padding?: number | readonly number[] | readonly (readonly [number, number])[] | 'same' | 'valid';
  dilation?: number | readonly number[];
  outputPadding?: number | readonly number[];
} & WeightedOptions;

type Operation<O> = (x: Tensor, w: Tensor, options: O) => Tensor;
type Epilogue = Partial<ActivationOptions> & { bias?: Tensor };

/** The sizes of the kernel along each of `rank` axes. */
function kernelOf(layer: string, rank: number, size: number | readonly number[]): readonly number[] {
  const kernel = typeof size === 'number' ? Array<number>(rank).fill(size) : size;
  if (kernel.length !== rank) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${layer}: kernelSize must be a number or ${rank} of them, got [${kernel}]`,
    );
  }
  for (const side of kernel) assertCount(side, `${layer}: kernelSize`);
  return kernel;
}

/** Both sides' padding along each axis, worked out from what the convolutions take. */
function sidesOf(kernel: readonly number[], { padding = 0, dilation = 1 }: Options): [number, number][] {
  return kernel.map((side, axis): [number, number] => {
    if (padding === 'valid') return [0, 0];
    if (padding === 'same') {
      const total = (typeof dilation === 'number' ? dilation : dilation[axis]) * (side - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    }
    const along = typeof padding === 'number' ? padding : padding[axis];
    return typeof along === 'number' ? [along, along] : [along[0], along[1]];
  });
}

type LayerArguments = [weight: Tensor, bias: Tensor | undefined, activation: Required<ActivationOptions>];

/** What the six layers share: y = act(op(x, W) + b). */
export abstract class Convolution extends Module {
  /** [outC, ...kernel, inC / groups], transposed [inC, ...kernel, outC / groups]. */
  readonly weight: Tensor;
  /** [outC]. */
  readonly bias: Tensor | undefined;
  readonly groups: number;
  /** Whether the weight is [inputs, ..., outputs]: for spectralNorm and folding. */
  readonly outputsLast: boolean;
  /** What follows the bias. */
  readonly activation: Required<ActivationOptions>;
  readonly #apply: (x: Tensor, w: Tensor, epilogue: Epilogue) => Tensor;
  /** Whether the op itself adds the bias and applies the activation. */
  readonly #fused: boolean;

  protected constructor(
    layer: string,
    op: Operation<never>,
    [first, last]: readonly [number, number],
    outChannels: number,
    kernel: readonly number[],
    options: Options,
  ) {
    super();
    const { stride, padding, outputPadding, dilation, groups = 1 } = options;
    const { activation = 'none', slope = defaultSlope } = options;
    assertCount(first, `${layer}: the number of channels`);
    assertCount(last, `${layer}: the number of channels`);
    assertCount(groups, `${layer}: groups`);
    if (first % groups !== 0 || last % groups !== 0) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${layer}: both channel counts must be multiples of groups = ${groups}, got ${first} and ${last}`,
      );
    }
    this.groups = groups;
    const geometry = { stride, padding, outputPadding, dilation, groups };
    this.#apply = (x, w, epilogue) => op(x, w, { ...geometry, ...epilogue } as never);
    this.#fused = kernel.length < 3;
    this.activation = { activation, slope };
    const shape = [first, ...kernel, last / groups];
    ({ weight: this.weight, bias: this.bias } = weightAndBias(shape, outChannels, options));
    this.outputsLast = layer.startsWith('ConvTranspose');
    if (options.spectralNorm) spectralNorm(this, { generator: options.generator });
  }

  forward(x: Tensor): Tensor {
    return this.forwardWith(x, this.weight, this.bias, this.activation);
  }

  /** @internal This layer's function with another weight, bias and activation: see fold.ts. */
  forwardWith(x: Tensor, ...[weight, bias, activation]: LayerArguments): Tensor {
    if (this.#fused) return this.#apply(x, weight, { bias, ...activation });
    return addBias(this.#apply(x, weight, {}), bias, activation);
  }
}

/** A convolution whose input is padded by something else than zeros first, where that is asked for. */
abstract class PaddedConvolution extends Convolution {
  readonly #border: [number, number][] | undefined;
  readonly #mode: Exclude<PaddingMode, 'zeros'>;

  protected constructor(
    layer: string,
    op: Operation<never>,
    inChannels: number,
    outChannels: number,
    kernel: readonly number[],
    { paddingMode = 'zeros', ...options }: Options & PaddingModeOptions,
  ) {
    const zeros = paddingMode === 'zeros';
    super(
      layer,
      op,
      [outChannels, inChannels],
      outChannels,
      kernel,
      zeros ? options : { ...options, padding: 0 },
    );
    if (!paddingModes.includes(paddingMode)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${layer}: paddingMode must be one of ${paddingModes.join(', ')}, got ${String(paddingMode)}`,
      );
    }
    this.#mode = zeros ? 'reflect' : paddingMode;
    if (!zeros) this.#border = [[0, 0], ...sidesOf(kernel, options), [0, 0]];
  }

  override forwardWith(x: Tensor, ...rest: LayerArguments): Tensor {
    return super.forwardWith(this.#border ? pad(x, this.#border, this.#mode) : x, ...rest);
  }
}

/** y = act(conv1d(x, W) + b): [N, L, inC] → [N, L', outC]; sizes as in conv1d. W is [outC, kL, inC / groups]. */
export class Conv1d extends PaddedConvolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: Geometry<Conv1dOptions> & PaddingModeOptions & WeightedOptions = {},
  ) {
    const { padding } = options;
    const kernel = kernelOf('Conv1d', 1, kernelSize);
    // Where the layer pads by itself, [before, after] is the pair of the one axis, not a number for each of two.
    const own = options.paddingMode !== undefined && options.paddingMode !== 'zeros';
    const sides = own && typeof padding === 'object' ? { padding: [padding] } : {};
    super('Conv1d', conv1d, inChannels, outChannels, kernel, { ...options, ...sides });
  }
}

/** y = act(conv2d(x, W) + b): [N, H, W, inC] → [N, H', W', outC]; sizes as in conv2d. W is [outC, kH, kW, inC / groups]. */
export class Conv2d extends PaddedConvolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize,
    options: Geometry<Conv2dOptions> & PaddingModeOptions & WeightedOptions = {},
  ) {
    super('Conv2d', conv2d, inChannels, outChannels, kernelOf('Conv2d', 2, kernelSize), options);
  }
}

/** y = act(conv3d(x, W) + b): [N, D, H, W, inC] → [N, D', H', W', outC]; sizes as in conv3d. */
export class Conv3d extends PaddedConvolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize3d,
    options: Conv3dOptions & PaddingModeOptions & WeightedOptions = {},
  ) {
    super('Conv3d', conv3d, inChannels, outChannels, kernelOf('Conv3d', 3, kernelSize), options);
  }
}

/** y = act(convTranspose1d(x, W) + b): [N, L, inC] → [N, L', outC]. W is [inC, kL, outC / groups]. */
export class ConvTranspose1d extends Convolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: Geometry<ConvTranspose1dOptions> & WeightedOptions = {},
  ) {
    const [layer, channels] = ['ConvTranspose1d', [inChannels, outChannels] as const];
    super(layer, convTranspose1d, channels, outChannels, kernelOf(layer, 1, kernelSize), options);
  }
}

/** y = act(convTranspose2d(x, W) + b): [N, H, W, inC] → [N, H', W', outC]. W is [inC, kH, kW, outC / groups]. */
export class ConvTranspose2d extends Convolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize,
    options: Geometry<ConvTranspose2dOptions> & WeightedOptions = {},
  ) {
    const [layer, channels] = ['ConvTranspose2d', [inChannels, outChannels] as const];
    super(layer, convTranspose2d, channels, outChannels, kernelOf(layer, 2, kernelSize), options);
  }
}

/** y = act(convTranspose3d(x, W) + b): [N, D, H, W, inC] → [N, D', H', W', outC]; sizes as in convTranspose3d. */
export class ConvTranspose3d extends Convolution {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or do not divide into the groups */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: KernelSize3d,
    options: ConvTranspose3dOptions & WeightedOptions = {},
  ) {
    const [layer, channels] = ['ConvTranspose3d', [inChannels, outChannels] as const];
    super(layer, convTranspose3d, channels, outChannels, kernelOf(layer, 3, kernelSize), options);
  }
}
