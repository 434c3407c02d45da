// Pooling over one to three spatial axes. Maxima come with their positions, through which gradients of any order gather
// and scatter; averages are linear and run on resample.ts.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type Sample } from '../define.js';
import { scope } from '../scope.js';
import { type MethodsOf, methods, type Shape, type Tensor } from '../tensor.js';
import { scatterAddAlongAxis } from './along.js';
import { mean } from './reduce.js';
import { type AxisMap, resample } from './resample.js';
import { reshape } from './shape.js';
import { assertImages, type PerAxis, perAxis } from './window.js';

interface PoolAxis {
  kernel: number;
  stride: number;
  padding: number;
  dilation: number;
  out: number;
  /** Windows that divide the axis into `out` parts; the other numbers are not used. */
  adaptive: boolean;
}

interface MaxPoolAttrs {
  axes: readonly PoolAxis[];
}

/** [N, spatial..., C] as [N, pixels, C]. */
const asRows = (shape: Shape): Shape => [
  shape[0],
  shape.slice(1, -1).reduce((n, d) => n * d, 1),
  shape[shape.length - 1],
];

const maxPoolOp = defineOp<MaxPoolAttrs>({
  name: 'maxPool',
  run: (inputs, { axes }) =>
    native(
      'maxPool',
      inputs,
      axes.flatMap((a) => [a.kernel, a.stride, a.padding, a.dilation, a.out, Number(a.adaptive)]),
    ),
  vjp: ({ inputs: [x], outputs: [y, positions] }, gy) => {
    const flat = asRows(y.shape);
    const dx = scatterAddAlongAxis(reshape(positions, flat), reshape(gy, flat), asRows(x.shape), 1);
    return [reshape(dx, x.shape)];
  },
  saves: { outputs: [1] },
  samples: () => {
    const of = (shape: number[], ...axes: Partial<PoolAxis>[]): Sample<MaxPoolAttrs> => ({
      inputs: [{ shape }],
      attrs: {
        axes: axes.map((a, i) => {
          const full = { kernel: 2, stride: 2, padding: 0, dilation: 1, out: 0, adaptive: false, ...a };
          return { ...full, out: a.out ?? pooledSize(shape[1 + i], full, false) };
        }),
      },
    });
    return [
      of([2, 4, 6, 3], {}, {}),
      of([1, 7, 5, 2], { kernel: 3, padding: 1 }, { kernel: 3, stride: 1, padding: 1 }),
      of([1, 7, 7, 1], { kernel: 3, stride: 1, dilation: 2 }, { kernel: 2, dilation: 3, padding: 1 }),
      of([1, 5, 5, 2], { out: 3 }, { out: 3 }), // as ceilMode makes it: the last windows leave x
      of([2, 9, 3], { kernel: 3 }),
      of([1, 3, 4, 4, 2], { kernel: 3 }, {}, { kernel: 3, stride: 1 }),
      of([2, 7, 5, 2], { adaptive: true, out: 3 }, { adaptive: true, out: 7 }),
      of([0, 4, 4, 2], {}, {}),
      of([2, 4, 4, 0], {}, {}),
      of([2, 4, 4, 37], {}, {}),
    ];
  },
});

export interface MaxPoolOptions {
  /** Step of the window. Default: the kernel size. */
  stride?: PerAxis;
  /** Border that counts for nothing, at most half the kernel. Default 0. */
  padding?: PerAxis;
  /** Distance between the window's elements. Default 1. */
  dilation?: PerAxis;
  /** Whether a last window that leaves the image counts too. Default false. */
  ceilMode?: boolean;
}

export interface AvgPoolOptions extends Omit<MaxPoolOptions, 'dilation'> {
  /** Whether the border counts as zeros in the mean. Default true. */
  countIncludePad?: boolean;
}

function pooledSize(size: number, a: Omit<PoolAxis, 'out' | 'adaptive'>, ceilMode: boolean): number {
  const room = size + 2 * a.padding - a.dilation * (a.kernel - 1) - 1;
  const out = (ceilMode ? Math.ceil(room / a.stride) : Math.floor(room / a.stride)) + 1;
  // A window must not start in the border behind the image.
  return ceilMode && (out - 1) * a.stride >= size + a.padding ? out - 1 : out;
}

function windows(
  op: string,
  x: Tensor,
  spatial: number,
  kernel: PerAxis,
  options: MaxPoolOptions,
): PoolAxis[] {
  assertImages(op, x, spatial);
  const kernels = perAxis(op, 'the kernel size', kernel, spatial, 1);
  const strides = perAxis(op, 'stride', options.stride ?? kernels, spatial, 1);
  const paddings = perAxis(op, 'padding', options.padding ?? 0, spatial, 0);
  const dilations = perAxis(op, 'dilation', options.dilation ?? 1, spatial, 1);
  return kernels.map((k, i) => {
    const a = { kernel: k, stride: strides[i], padding: paddings[i], dilation: dilations[i] };
    if (a.padding > (a.dilation * (k - 1) + 1) / 2) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${op}: padding must be at most half the kernel size, got padding ${a.padding} for kernel ${k}`,
      );
    }
    const out = pooledSize(x.shape[1 + i], a, options.ceilMode ?? false);
    if (out < 1) {
      throw new GanvasError(
        'ERR_SHAPE',
        `${op}: the kernel [${kernels}] is larger than the padded x [${x.shape}]`,
      );
    }
    return { ...a, out, adaptive: false };
  });
}

function maxPool(op: string, x: Tensor, spatial: number, kernel: PerAxis, options: MaxPoolOptions): Tensor {
  const axes = windows(op, x, spatial, kernel, options);
  return scope(() => apply(maxPoolOp, [x], { axes }));
}

function avgPool(op: string, x: Tensor, spatial: number, kernel: PerAxis, options: AvgPoolOptions): Tensor {
  const { countIncludePad = true, ...rest } = options;
  const maps = windows(op, x, spatial, kernel, rest).map(
    ({ kernel: k, stride, padding, out }, i): AxisMap => ({
      kind: 'average',
      in: x.shape[1 + i],
      out,
      kernel: k,
      stride,
      before: padding,
      after: padding,
      countIncludePad,
    }),
  );
  return resample(x, maps);
}

function adaptiveSizes(op: string, x: Tensor, spatial: number, size: PerAxis): number[] {
  assertImages(op, x, spatial);
  const sizes = perAxis(op, 'the size', size, spatial, 0);
  if (sizes.some((n, i) => n > 0 && x.shape[1 + i] === 0)) {
    throw new GanvasError('ERR_SHAPE', `${op}: x [${x.shape}] has no pixels to pool to [${sizes}]`);
  }
  return sizes;
}

function adaptiveAvgPool(op: string, x: Tensor, spatial: number, size: PerAxis): Tensor {
  const sizes = adaptiveSizes(op, x, spatial, size);
  return resample(
    x,
    sizes.map((out, i) => ({ kind: 'adaptive', in: x.shape[1 + i], out })),
  );
}

function adaptiveMaxPool(op: string, x: Tensor, spatial: number, size: PerAxis): Tensor {
  const sizes = adaptiveSizes(op, x, spatial, size);
  const axes = sizes.map((out) => ({ kernel: 1, stride: 1, padding: 0, dilation: 1, out, adaptive: true }));
  return scope(() => apply(maxPoolOp, [x], { axes }));
}

/** maxPool2d over [N, L, C]. */
export function maxPool1d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool1d', x, 1, kernel, options);
}

/**
 * The greatest element of each window: y[n, i, j, c] = max_{u,v} x[n, i·s + u·d − p, j·s + v·d − p, c].
 *
 * x [N, H, W, C] → [N, H', W', C] with H' = ⌊(H + 2p − d(k−1) − 1) / s⌋ + 1, or ⌈…⌉ in `ceilMode`. A NaN wins; the
 * gradient goes to the first of equal elements. Throws ERR_SHAPE if the kernel is larger than the padded image,
 * ERR_ARGUMENT for impossible options, ERR_DTYPE unless x is f32 or bf16.
 */
export function maxPool2d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool2d', x, 2, kernel, options);
}

/** maxPool2d over [N, D, H, W, C]. */
export function maxPool3d(x: Tensor, kernel: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool3d', x, 3, kernel, options);
}

/** avgPool2d over [N, L, C]. */
export function avgPool1d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool1d', x, 1, kernel, options);
}

/**
 * The mean of each window, with PyTorch's counting: the border counts as zeros unless `countIncludePad` is false; what
 * `ceilMode` adds behind it never does. Sizes and errors as maxPool2d.
 */
export function avgPool2d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool2d', x, 2, kernel, options);
}

/** avgPool2d over [N, D, H, W, C]. */
export function avgPool3d(x: Tensor, kernel: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool3d', x, 3, kernel, options);
}

/** adaptiveAvgPool2d over [N, L, C]. */
export function adaptiveAvgPool1d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool1d', x, 1, size);
}

/**
 * Means over windows that divide the image into `size` parts: row i of H' reads rows ⌊i·H/H'⌋ to ⌈(i+1)·H/H'⌉ − 1.
 * x [N, H, W, C] → [N, H', W', C]. Throws ERR_ARGUMENT for impossible sizes, ERR_DTYPE unless x is f32 or bf16.
 */
export function adaptiveAvgPool2d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool2d', x, 2, size);
}

/** adaptiveAvgPool2d over [N, D, H, W, C]. */
export function adaptiveAvgPool3d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool3d', x, 3, size);
}

/** adaptiveMaxPool2d over [N, L, C]. */
export function adaptiveMaxPool1d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool1d', x, 1, size);
}

/** Maxima over the windows of adaptiveAvgPool2d; gradients as maxPool2d. */
export function adaptiveMaxPool2d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool2d', x, 2, size);
}

/** adaptiveMaxPool2d over [N, D, H, W, C]. */
export function adaptiveMaxPool3d(x: Tensor, size: PerAxis): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool3d', x, 3, size);
}

/** The mean over all pixels: [N, ..., C] with one to three spatial axes → [N, C]. */
export function globalAvgPool(x: Tensor): Tensor {
  assertImages('globalAvgPool', x);
  return scope(() => mean(reshape(x, asRows(x.shape)), 1));
}

const table = {
  maxPool1d,
  maxPool2d,
  maxPool3d,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  globalAvgPool,
} as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
