// Three-dimensional convolution, its transpose, and the weight gradient: three ops whose gradients are one another, as
// in conv.ts. Volumes and clips are [N, D, H, W, C], weights [outC, kD, kH, kW, inC / groups].

import { GanvasError } from '../../errors.js';
import { apply, defineOp } from '../define.js';
import { autocast, nativeProduct } from '../precision.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { accurateConvolutions } from './conv.js';

type Triple = readonly [number, number, number];

/** Geometry shared by the three ops: per axis (depth, height, width), paddings as [before, after]. */
export interface Conv3dGeometry {
  stride: Triple;
  padding: readonly (readonly [number, number])[];
  dilation: Triple;
  groups: number;
}

type InputGradAttrs = Conv3dGeometry & { size: Triple };
type WeightGradAttrs = Conv3dGeometry & { kernel: Triple };

const axes = [0, 1, 2] as const;

const geometry = ({ stride, padding, dilation, groups }: Conv3dGeometry): number[] => [
  ...axes.flatMap((i) => [stride[i], ...padding[i], dilation[i]]),
  groups,
  Number(accurateConvolutions()),
];

/** The three sizes between the first and the last dimension. */
const spatial = ({ shape }: Tensor): Triple => [shape[1], shape[2], shape[3]];

const convOp = defineOp<Conv3dGeometry>({
  name: 'conv3d',
  run: (inputs, attrs) => nativeProduct('conv3d', inputs, geometry(attrs)),
  vjp: ({ inputs: [x, w], attrs, needs }, gy) => [
    needs[0] ? conv3dInputGrad(gy, w, { ...attrs, size: spatial(x) }) : undefined,
    needs[1] ? conv3dWeightGrad(x, gy, { ...attrs, kernel: spatial(w) }) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({ inputs: [{ shape: x }, { shape: w }], attrs: g, gradient: small(x, w) })),
});

const inputGradOp = defineOp<InputGradAttrs>({
  name: 'conv3dInputGrad',
  run: (inputs, attrs) => nativeProduct('conv3dInputGrad', inputs, [...geometry(attrs), ...attrs.size]),
  vjp: ({ inputs: [dy, w], attrs, needs }, g) => [
    needs[0] ? apply(convOp, [g, w], attrs) : undefined,
    needs[1] ? conv3dWeightGrad(g, dy, { ...attrs, kernel: spatial(w) }) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({
      inputs: [{ shape: outputShape(x, w, g) }, { shape: w }],
      attrs: { ...g, size: [x[1], x[2], x[3]] },
      gradient: small(x, w),
    })),
});

const weightGradOp = defineOp<WeightGradAttrs>({
  name: 'conv3dWeightGrad',
  run: (inputs, attrs) => nativeProduct('conv3dWeightGrad', inputs, [...geometry(attrs), ...attrs.kernel]),
  vjp: ({ inputs: [x, dy], attrs, needs }, g) => [
    needs[0] ? conv3dInputGrad(dy, g, { ...attrs, size: spatial(x) }) : undefined,
    needs[1] ? apply(convOp, [x, g], attrs) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({
      inputs: [{ shape: x }, { shape: outputShape(x, w, g) }],
      attrs: { ...g, kernel: [w[1], w[2], w[3]] },
      gradient: small(x, w),
    })),
});

/** dL/dx of conv3d from dL/dy: also the transposed convolution. `size`: depth, height and width of x. */
export function conv3dInputGrad(dy: Tensor, w: Tensor, attrs: InputGradAttrs): Tensor {
  return apply(inputGradOp, [dy, w], attrs);
}

/** dL/dw of conv3d from x and dL/dy. `kernel`: depth, height and width of w. */
export function conv3dWeightGrad(x: Tensor, dy: Tensor, attrs: WeightGradAttrs): Tensor {
  return apply(weightGradOp, [x, dy], attrs);
}

export interface Conv3dOptions {
  /** Step of the window; one number or [depth, height, width]. Default 1. */
  stride?: number | Triple;
  /** Zeros around the volume: a number, one per axis, [before, after] per axis, or 'same' (stride 1). Default 0. */
  padding?: number | Triple | readonly (readonly [number, number])[] | 'same' | 'valid';
  /** Distance between the taps of the kernel. Default 1. */
  dilation?: number | Triple;
  /** Channels are split into this many groups that do not see one another. Default 1. */
  groups?: number;
}

export interface ConvTranspose3dOptions extends Omit<Conv3dOptions, 'padding'> {
  /** Padding of the convolution that this transposes: it shrinks the result. */
  padding?: number | Triple | readonly (readonly [number, number])[];
  /** Slices, rows and columns added at the end, where a stride leaves the size open. Default 0. */
  outputPadding?: number | Triple;
}

function triple(op: string, name: string, value: number | readonly number[]): Triple {
  const list = typeof value === 'number' ? [value, value, value] : value;
  if (!Array.isArray(list) || list.length !== 3 || !list.every((n) => Number.isSafeInteger(n))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: ${name} must be a whole number or three of them, got ${JSON.stringify(value)}`,
    );
  }
  return [list[0], list[1], list[2]];
}

function resolve(op: string, x: Tensor, w: Tensor, options: Conv3dOptions): Conv3dGeometry {
  assertTensor(x, `${op}: x`);
  assertTensor(w, `${op}: w`);
  if (x.rank !== 5 || w.rank !== 5) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x must be [N, D, H, W, C] and w [channels, kD, kH, kW, channels / groups], got [${x.shape}] and [${w.shape}]`,
    );
  }
  const { padding = 0, groups = 1 } = options;
  const stride = triple(op, 'stride', options.stride ?? 1);
  const dilation = triple(op, 'dilation', options.dilation ?? 1);
  const around = (pads: Triple) => pads.map((n): [number, number] => [n, n]);
  if (padding === 'same') {
    if (stride.some((s) => s !== 1)) {
      throw new GanvasError('ERR_ARGUMENT', `${op}: padding 'same' needs stride 1, got [${stride}]`);
    }
    const pads = axes.map((i): [number, number] => {
      const total = dilation[i] * (w.shape[i + 1] - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
    return { stride, dilation, groups, padding: pads };
  }
  if (padding === 'valid') return { stride, dilation, groups, padding: around([0, 0, 0]) };
  if (Array.isArray(padding) && padding.some((p) => Array.isArray(p))) {
    const before = triple(
      op,
      'padding',
      padding.map((p) => p[0]),
    );
    const after = triple(
      op,
      'padding',
      padding.map((p) => p[1]),
    );
    return { stride, dilation, groups, padding: axes.map((i): [number, number] => [before[i], after[i]]) };
  }
  return { stride, dilation, groups, padding: around(triple(op, 'padding', padding as number | Triple)) };
}

/**
 * Three-dimensional convolution (cross-correlation) of volumes and clips:
 * y[n, h, i, j, k] = Σ_{t,u,v,c} x[n, h·s + t·d − p, i·s + u·d − p, j·s + v·d − p, c] w[k, t, u, v, c].
 *
 * x [N, D, H, W, C], w [outC, kD, kH, kW, C / groups] → [N, D', H', W', outC], each size as in conv2d.
 * Beside a bf16 x an f32 w is rounded to bf16 (its gradient stays f32), and the result is bf16; sums are f32.
 * Throws ERR_SHAPE where channels, groups or sizes do not fit, ERR_ARGUMENT for impossible options.
 */
export function conv3d(x: Tensor, w: Tensor, options: Conv3dOptions = {}): Tensor {
  const g = resolve('conv3d', x, w, options);
  return apply(convOp, [autocast(x), w], g);
}

/**
 * Transposed convolution, the gradient of conv3d by its input: the upsampling layer of 3D-GAN and VGAN.
 *
 * x [N, D, H, W, C], w [C, kD, kH, kW, outC / groups] → [N, D', H', W', outC], each size as in convTranspose2d.
 * Throws ERR_SHAPE or ERR_ARGUMENT as conv3d; outputPadding must be below the stride.
 */
export function convTranspose3d(x: Tensor, w: Tensor, options: ConvTranspose3dOptions = {}): Tensor {
  const op = 'convTranspose3d';
  const g = resolve(op, x, w, options);
  const extra = triple(op, 'outputPadding', options.outputPadding ?? 0);
  if (axes.some((i) => extra[i] < 0 || extra[i] >= g.stride[i])) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: outputPadding must be below the stride, got [${extra}]`);
  }
  if (x.shape[4] !== w.shape[0]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x [${x.shape}] has ${x.shape[4]} channels, w [${w.shape}] expects ${w.shape[0]}`,
    );
  }
  const sizes = axes.map(
    (i) =>
      (x.shape[i + 1] - 1) * g.stride[i] -
      (g.padding[i][0] + g.padding[i][1]) +
      g.dilation[i] * (w.shape[i + 1] - 1) +
      extra[i] +
      1,
  );
  if (sizes.some((n) => n < 0)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: the padding leaves no voxels of x [${x.shape}] with w [${w.shape}]`,
    );
  }
  return conv3dInputGrad(autocast(x), w, { ...g, size: [sizes[0], sizes[1], sizes[2]] });
}

const table = { conv3d, convTranspose3d } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}

interface Conv3dCase {
  x: number[];
  w: number[];
  g: Conv3dGeometry;
}

const small = (x: number[], w: number[]): boolean => [x, w].every((s) => s.reduce((n, d) => n * d, 1) <= 500);

function outputShape(x: number[], w: number[], g: Conv3dGeometry): number[] {
  const out = axes.map(
    (i) =>
      Math.floor(
        (x[i + 1] + g.padding[i][0] + g.padding[i][1] - g.dilation[i] * (w[i + 1] - 1) - 1) / g.stride[i],
      ) + 1,
  );
  return [x[0], ...out, w[0]];
}

const uniform = (padding: number, stride = 1, more: Partial<Conv3dGeometry> = {}): Conv3dGeometry => ({
  stride: [stride, stride, stride],
  padding: axes.map(() => [padding, padding] as const),
  dilation: [1, 1, 1],
  groups: 1,
  ...more,
});

// Geometries of the generated tests: the GAN shapes, then the two that need no unfolding, then the corners.
const cases: Conv3dCase[] = [
  { x: [1, 4, 4, 4, 2], w: [3, 4, 4, 4, 2], g: uniform(1, 2) },
  { x: [2, 3, 4, 3, 2], w: [3, 3, 3, 3, 2], g: uniform(1) },
  { x: [2, 2, 3, 2, 3], w: [4, 1, 1, 1, 3], g: uniform(0) },
  { x: [2, 2, 3, 3, 2], w: [3, 2, 3, 3, 2], g: uniform(0) },
  {
    x: [1, 3, 4, 5, 2],
    w: [2, 1, 3, 3, 2],
    g: uniform(0, 1, {
      padding: [
        [0, 0],
        [1, 1],
        [1, 0],
      ],
    }),
  },
  { x: [1, 5, 3, 4, 1], w: [1, 3, 2, 1, 1], g: uniform(1, 1, { stride: [2, 1, 3] }) },
  { x: [1, 6, 3, 3, 1], w: [2, 3, 2, 2, 1], g: uniform(2, 1, { dilation: [2, 2, 1] }) },
  { x: [1, 3, 3, 3, 4], w: [4, 2, 3, 2, 2], g: uniform(1, 1, { groups: 2 }) },
  { x: [1, 3, 3, 4, 3], w: [3, 3, 3, 3, 1], g: uniform(1, 1, { groups: 3 }) },
  { x: [2, 1, 1, 1, 3], w: [2, 2, 2, 2, 3], g: uniform(1) },
  { x: [1, 7, 1, 2, 1], w: [2, 2, 1, 1, 1], g: uniform(0, 4) },
  { x: [0, 3, 3, 3, 2], w: [3, 3, 3, 3, 2], g: uniform(1) },
  { x: [2, 9, 8, 7, 17], w: [19, 4, 4, 4, 17], g: uniform(1, 2) },
  { x: [1, 6, 9, 9, 16], w: [16, 3, 3, 3, 16], g: uniform(1) },
  { x: [2, 8, 8, 8, 1], w: [16, 4, 4, 4, 1], g: uniform(1, 2) },
];
