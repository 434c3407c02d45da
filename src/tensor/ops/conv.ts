// Two-dimensional convolution, its transpose, and the weight gradient: three ops whose gradients are one another, so
// every order of derivative runs on library kernels. Images are [N, H, W, C], weights [outC, kH, kW, inC / groups].

import { GanvasError } from '../../errors.js';
import { apply, defineOp, type SampleInput } from '../define.js';
import { autocast, nativeProduct } from '../precision.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  type ActivationAttrs,
  activationAttrs,
  activations,
  applyEpilogue,
  type EpilogueOptions,
  encodeEpilogue,
  epilogueGrads,
  sampleBias,
} from './bias.js';

/** Geometry shared by the three ops, as the kernels take it. */
export interface ConvGeometry {
  strideH: number;
  strideW: number;
  padTop: number;
  padBottom: number;
  padLeft: number;
  padRight: number;
  dilationH: number;
  dilationW: number;
  groups: number;
}

type InputGradAttrs = ConvGeometry & { height: number; width: number };
type WeightGradAttrs = ConvGeometry & { kernelH: number; kernelW: number };

export type ConvPrecision = 'fast' | 'accurate';

let precision: ConvPrecision = 'fast';

/**
 * How convolutions made from now on are rounded. 'fast' (the default) cuts k4 s2 and k3 s1 convolutions into larger
 * Winograd tiles: its largest error is about 4e-6 of the largest result, 2 to 4 times that of plain summation.
 * 'accurate' has the error of plain summation and is still faster than it. Gradients use what is set when they run.
 * @throws GanvasError ERR_ARGUMENT for any other word
 */
export function setConvPrecision(value: ConvPrecision): void {
  if (value !== 'fast' && value !== 'accurate') {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `setConvPrecision: expected 'fast' or 'accurate', got ${String(value)}`,
    );
  }
  precision = value;
}

/** @internal Whether convolutions made now keep the error of plain summation. */
export const accurateConvolutions = (): boolean => precision === 'accurate';

const geometry = (g: ConvGeometry): number[] => [
  g.strideH,
  g.strideW,
  g.padTop,
  g.padBottom,
  g.padLeft,
  g.padRight,
  g.dilationH,
  g.dilationW,
  g.groups,
  Number(accurateConvolutions()),
];

const convOp = defineOp<ConvGeometry>({
  name: 'conv2d',
  run: (inputs, attrs) => nativeProduct('conv2d', inputs, geometry(attrs)),
  vjp: ({ inputs: [x, w], attrs, needs }, gy) => [
    needs[0] ? convInputGrad(gy, w, { ...attrs, height: x.shape[1], width: x.shape[2] }) : undefined,
    needs[1] ? convWeightGrad(x, gy, { ...attrs, kernelH: w.shape[1], kernelW: w.shape[2] }) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({ inputs: [{ shape: x }, { shape: w }], attrs: g, gradient: small(x, w) })),
});

const convInputGradOp = defineOp<InputGradAttrs>({
  name: 'convInputGrad',
  run: (inputs, attrs) =>
    nativeProduct('convInputGrad', inputs, [...geometry(attrs), attrs.height, attrs.width]),
  vjp: ({ inputs: [dy, w], attrs, needs }, g) => [
    needs[0] ? convolve(g, w, attrs) : undefined,
    needs[1] ? convWeightGrad(g, dy, { ...attrs, kernelH: w.shape[1], kernelW: w.shape[2] }) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({
      inputs: [{ shape: outputShape(x, w, g) }, { shape: w }],
      attrs: { ...g, height: x[1], width: x[2] },
      gradient: small(x, w),
    })),
});

const convWeightGradOp = defineOp<WeightGradAttrs>({
  name: 'convWeightGrad',
  run: (inputs, attrs) =>
    nativeProduct('convWeightGrad', inputs, [...geometry(attrs), attrs.kernelH, attrs.kernelW]),
  vjp: ({ inputs: [x, dy], attrs, needs }, g) => [
    needs[0] ? convInputGrad(dy, g, { ...attrs, height: x.shape[1], width: x.shape[2] }) : undefined,
    needs[1] ? convolve(x, g, attrs) : undefined,
  ],
  samples: () =>
    cases.map(({ x, w, g }) => ({
      inputs: [{ shape: x }, { shape: outputShape(x, w, g) }],
      attrs: { ...g, kernelH: w[1], kernelW: w[2] },
      gradient: small(x, w),
    })),
});

// The two with an epilogue. Its gradient is taken from the result, so the rest is that of the plain ones, in any order.
const convActOp = defineOp<ConvGeometry & ActivationAttrs>({
  name: 'conv2dAct',
  run: ([x, w, bias], attrs) =>
    nativeProduct('conv2dAct', [x, w], [...geometry(attrs), 0, 0, ...encodeEpilogue(attrs)], [bias]),
  vjp: (context, gy) => {
    const [dz, db] = epilogueGrads(gy, context.outputs[0], context.attrs);
    return [...convOp.vjp!(context, dz), db];
  },
  saves: { inputs: [0, 1], outputs: [0] },
  samples: () =>
    cases.map(({ x, w, g }, i) => ({
      inputs: [{ shape: x }, layerWeight(w), sampleBias(w[0], activations[i % activations.length])],
      attrs: { ...g, activation: activations[i % activations.length], slope: 0.2 },
      gradient: small(x, w),
    })),
});

const convInputGradActOp = defineOp<InputGradAttrs & ActivationAttrs>({
  name: 'convInputGradAct',
  run: ([dy, w, bias], attrs) => {
    const numbers = [...geometry(attrs), attrs.height, attrs.width, ...encodeEpilogue(attrs)];
    return nativeProduct('convInputGradAct', [dy, w], numbers, [bias]);
  },
  vjp: (context, gy) => {
    const [dz, db] = epilogueGrads(gy, context.outputs[0], context.attrs);
    return [...convInputGradOp.vjp!(context, dz), db];
  },
  saves: { inputs: [0, 1], outputs: [0] },
  samples: () =>
    cases.map(({ x, w, g }, i) => ({
      inputs: [
        { shape: outputShape(x, w, g) },
        layerWeight(w),
        sampleBias(x[3], activations[(i + 1) % activations.length]),
      ],
      attrs: {
        ...g,
        height: x[1],
        width: x[2],
        activation: activations[(i + 1) % activations.length],
        slope: 0.2,
      },
      gradient: small(x, w),
    })),
});

function convolve(x: Tensor, w: Tensor, g: ConvGeometry): Tensor {
  return apply(convOp, [x, w], g);
}

/** dL/dx of a convolution from dL/dy: also the transposed convolution. `height`, `width`: of x. */
export function convInputGrad(dy: Tensor, w: Tensor, attrs: InputGradAttrs): Tensor {
  return apply(convInputGradOp, [dy, w], attrs);
}

/** dL/dw of a convolution from x and dL/dy. `kernelH`, `kernelW`: of w. */
export function convWeightGrad(x: Tensor, dy: Tensor, attrs: WeightGradAttrs): Tensor {
  return apply(convWeightGradOp, [x, dy], attrs);
}

export type Padding =
  | number
  | readonly [number, number]
  | readonly [readonly [number, number], readonly [number, number]];

export interface Conv2dOptions extends EpilogueOptions {
  /** Step of the window; one number or [height, width]. Default 1. */
  stride?: number | readonly [number, number];
  /** Zeros around the image: a number, [height, width], [[top, bottom], [left, right]], or 'same' (stride 1). */
  padding?: Padding | 'same' | 'valid';
  /** Distance between the taps of the kernel. Default 1. */
  dilation?: number | readonly [number, number];
  /** Channels are split into this many groups that do not see one another. Default 1. */
  groups?: number;
}

export interface ConvTranspose2dOptions extends Omit<Conv2dOptions, 'padding'> {
  /** Padding of the convolution that this transposes: it shrinks the result. */
  padding?: Padding;
  /** Rows and columns added at the bottom and right, where a stride leaves the size open. Default 0. */
  outputPadding?: number | readonly [number, number];
}

function pair(op: string, name: string, value: number | readonly [number, number]): [number, number] {
  const [a, b] = typeof value === 'number' ? [value, value] : value;
  if (!Number.isSafeInteger(a) || !Number.isSafeInteger(b)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: ${name} must be a whole number or a pair of them, got ${String(value)}`,
    );
  }
  return [a, b];
}

function pads(op: string, padding: Padding): [number, number, number, number] {
  if (Array.isArray(padding) && Array.isArray(padding[0])) {
    const [vertical, horizontal] = padding as readonly [readonly [number, number], readonly [number, number]];
    return [...pair(op, 'padding', vertical), ...pair(op, 'padding', horizontal)];
  }
  const [h, w] = pair(op, 'padding', padding as number | readonly [number, number]);
  return [h, h, w, w];
}

function resolve(op: string, w: Tensor, options: Conv2dOptions): ConvGeometry {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  const [strideH, strideW] = pair(op, 'stride', stride);
  const [dilationH, dilationW] = pair(op, 'dilation', dilation);
  let [padTop, padBottom, padLeft, padRight] = [0, 0, 0, 0];
  if (padding === 'same') {
    if (strideH !== 1 || strideW !== 1) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${op}: padding 'same' needs stride 1, got [${strideH}, ${strideW}]`,
      );
    }
    const totalH = dilationH * (w.shape[1] - 1);
    const totalW = dilationW * (w.shape[2] - 1);
    [padTop, padLeft] = [Math.floor(totalH / 2), Math.floor(totalW / 2)];
    [padBottom, padRight] = [totalH - padTop, totalW - padLeft];
  } else if (padding !== 'valid') {
    [padTop, padBottom, padLeft, padRight] = pads(op, padding);
  }
  return { strideH, strideW, padTop, padBottom, padLeft, padRight, dilationH, dilationW, groups };
}

/**
 * Two-dimensional convolution (cross-correlation, as in every GAN paper):
 * y[n, i, j, k] = Σ_{u,v,c} x[n, i·s + u·d − p, j·s + v·d − p, c] w[k, u, v, c].
 *
 * x [N, H, W, C], w [outC, kH, kW, C / groups] → [N, H', W', outC] with H' = ⌊(H + pads − d(kH−1) − 1) / s⌋ + 1.
 * Beside a bf16 x an f32 w is rounded to bf16 (its gradient stays f32), and the result is bf16; sums are f32.
 * With a bias [outC] and an activation the same kernel gives act(y + bias).
 * Throws ERR_SHAPE where channels, groups or sizes do not fit, ERR_ARGUMENT for impossible options.
 */
export function conv2d(x: Tensor, w: Tensor, options: Conv2dOptions = {}): Tensor {
  assertTensor(x, 'conv2d: x');
  assertTensor(w, 'conv2d: w');
  const { bias, activation, slope } = options;
  const g = resolve('conv2d', w, options);
  if (!bias) return applyEpilogue(convolve(autocast(x), w, g), { activation, slope });
  assertTensor(bias, 'conv2d: bias');
  return apply(convActOp, [autocast(x), w, bias], {
    ...g,
    ...activationAttrs('conv2d', { activation, slope }),
  });
}

/**
 * Transposed convolution, the gradient of a convolution by its input: the upsampling layer of DCGAN.
 *
 * x [N, H, W, C], w [C, kH, kW, outC / groups] (the weight of the convolution from outC to C channels that this
 * transposes) → [N, H', W', outC] with H' = (H − 1)·s − pads + d(kH−1) + outputPadding + 1.
 * Throws ERR_SHAPE or ERR_ARGUMENT as conv2d; outputPadding must be below the stride.
 */
export function convTranspose2d(x: Tensor, w: Tensor, options: ConvTranspose2dOptions = {}): Tensor {
  assertTensor(x, 'convTranspose2d: x');
  assertTensor(w, 'convTranspose2d: w');
  const op = 'convTranspose2d';
  const g = resolve(op, w, options);
  const [extraH, extraW] = pair(op, 'outputPadding', options.outputPadding ?? 0);
  if (extraH < 0 || extraW < 0 || extraH >= g.strideH || extraW >= g.strideW) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: outputPadding must be below the stride, got [${extraH}, ${extraW}]`,
    );
  }
  if (x.rank !== 4 || w.rank !== 4) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x must be [N, H, W, C] and w [C, kH, kW, outC], got [${x.shape}] and [${w.shape}]`,
    );
  }
  if (x.shape[3] !== w.shape[0]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: x [${x.shape}] has ${x.shape[3]} channels, w [${w.shape}] expects ${w.shape[0]}`,
    );
  }
  const size = (i: number, s: number, pad: number, d: number, k: number, extra: number) =>
    (i - 1) * s - pad + d * (k - 1) + extra + 1;
  const height = size(x.shape[1], g.strideH, g.padTop + g.padBottom, g.dilationH, w.shape[1], extraH);
  const width = size(x.shape[2], g.strideW, g.padLeft + g.padRight, g.dilationW, w.shape[2], extraW);
  if (height < 0 || width < 0) {
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: the padding leaves no pixels of x [${x.shape}] with w [${w.shape}]`,
    );
  }
  const { bias, activation, slope } = options;
  const attrs = { ...g, height, width };
  if (!bias) return applyEpilogue(convInputGrad(autocast(x), w, attrs), { activation, slope });
  assertTensor(bias, `${op}: bias`);
  return apply(convInputGradActOp, [autocast(x), w, bias], {
    ...attrs,
    ...activationAttrs(op, { activation, slope }),
  });
}

const table = { conv2d, convTranspose2d } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}

interface ConvCase {
  x: number[];
  w: number[];
  g: ConvGeometry;
}

const small = (x: number[], w: number[]): boolean => [x, w].every((s) => s.reduce((n, d) => n * d, 1) <= 600);

/** Weights so small that sums of |x| <= 2 stay below 2 and saturate no activation. */
function layerWeight(shape: number[]): SampleInput {
  const bound = 1 / (shape[1] * shape[2] * Math.max(shape[0], shape[3]));
  return { shape, lo: -bound, hi: bound };
}

function outputShape(x: number[], w: number[], g: ConvGeometry): number[] {
  const out = (n: number, pad: number, k: number, d: number, s: number) =>
    Math.floor((n + pad - d * (k - 1) - 1) / s) + 1;
  return [
    x[0],
    out(x[1], g.padTop + g.padBottom, w[1], g.dilationH, g.strideH),
    out(x[2], g.padLeft + g.padRight, w[2], g.dilationW, g.strideW),
    w[0],
  ];
}

const unit: ConvGeometry = {
  strideH: 1,
  strideW: 1,
  padTop: 0,
  padBottom: 0,
  padLeft: 0,
  padRight: 0,
  dilationH: 1,
  dilationW: 1,
  groups: 1,
};
const padded = (p: number, more: Partial<ConvGeometry> = {}): ConvGeometry => ({
  ...unit,
  padTop: p,
  padBottom: p,
  padLeft: p,
  padRight: p,
  ...more,
});

// Geometries of the generated tests: the GAN shapes first, then the corners.
const cases: ConvCase[] = [
  { x: [2, 4, 4, 3], w: [4, 4, 4, 3], g: padded(1, { strideH: 2, strideW: 2 }) },
  { x: [1, 5, 7, 2], w: [3, 3, 3, 2], g: padded(1) },
  { x: [2, 3, 3, 1], w: [1, 1, 1, 1], g: unit },
  { x: [1, 6, 5, 2], w: [2, 2, 3, 2], g: { ...unit, strideH: 2, strideW: 3, padTop: 1, padRight: 2 } },
  { x: [1, 7, 7, 2], w: [3, 3, 3, 2], g: padded(2, { dilationH: 2, dilationW: 2 }) },
  { x: [2, 5, 5, 4], w: [6, 3, 3, 2], g: padded(1, { groups: 2 }) },
  { x: [1, 5, 5, 4], w: [4, 3, 3, 1], g: padded(1, { groups: 4, strideH: 2, strideW: 2 }) },
  { x: [1, 1, 1, 5], w: [3, 4, 4, 5], g: padded(3) },
  { x: [1, 2, 3, 1], w: [2, 5, 5, 1], g: padded(2) },
  { x: [3, 4, 4, 2], w: [1, 4, 4, 2], g: unit },
  { x: [1, 5, 5, 1], w: [2, 1, 1, 1], g: { ...unit, strideH: 3, strideW: 3 } },
  { x: [0, 4, 4, 2], w: [3, 3, 3, 2], g: padded(1) },
  { x: [2, 9, 9, 33], w: [17, 4, 4, 33], g: padded(1, { strideH: 2, strideW: 2 }) },
  { x: [2, 16, 12, 32], w: [64, 4, 4, 32], g: padded(1, { strideH: 2, strideW: 2 }) },
  { x: [1, 13, 11, 48], w: [40, 3, 3, 48], g: padded(1) },
  { x: [2, 8, 8, 64], w: [3, 5, 5, 64], g: padded(2) },
  { x: [2, 17, 17, 3], w: [64, 4, 4, 3], g: padded(1, { strideH: 2, strideW: 2 }) },
  { x: [1, 10, 10, 64], w: [64, 3, 3, 2], g: padded(1, { groups: 32 }) },
  { x: [1, 9, 10, 24], w: [24, 3, 3, 1], g: padded(1, { groups: 24 }) },
];
