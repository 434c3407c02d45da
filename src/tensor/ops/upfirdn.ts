// Upsampling, filtering and downsampling in one op, as StyleGAN2 defines it (Karras et al. 2020), and Gaussian blur.
// Filters are constants: plain numbers, not tensors. A filter that is a product of two one-dimensional ones runs as
// such (resample.ts), others through the kernel below; either gradient is the same op with its parts exchanged.

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native, type OpSpec, type Sample, upload } from '../define.js';
import { scope } from '../scope.js';
import { type MethodsOf, methods, type Tensor } from '../tensor.js';
import { type AxisMap, resample } from './resample.js';
import { pad } from './shape.js';
import { assertImages, type PerAxis, perAxis } from './window.js';

/** A filter: one list of taps for both axes, or rows of a two-dimensional one. */
export type Filter = readonly number[] | readonly (readonly number[])[];

type Pair = readonly [number, number];

interface UpfirdnAttrs {
  taps: readonly (readonly number[])[];
  up: Pair;
  down: Pair;
  before: Pair;
  out: Pair;
}

const flipped = <T>(list: readonly T[]): T[] => [...list].reverse();

const upfirdnOp: OpSpec<UpfirdnAttrs> = defineOp<UpfirdnAttrs>({
  name: 'upfirdn',
  run: ([x], { taps, up, down, before, out }) =>
    scope(() => {
      const filter = upload(Float32Array.from(taps.flat()), [taps.length, taps[0].length], 'f32');
      return native('upfirdn', [x, filter], [...up, ...down, ...before, ...out]);
    }),
  vjp: ({ inputs: [x], attrs: { taps, up, down, before } }, gy) => [
    apply(upfirdnOp, [gy], {
      taps: flipped(taps).map(flipped),
      up: down,
      down: up,
      before: [taps.length - 1 - before[0], taps[0].length - 1 - before[1]],
      out: [x.shape[1], x.shape[2]],
    }),
  ],
  saves: {},
  samples: () => {
    const of = (
      shape: number[],
      taps: number[][],
      up: Pair,
      down: Pair,
      before: Pair,
      out: Pair,
    ): Sample<UpfirdnAttrs> => ({ inputs: [{ shape }], attrs: { taps, up, down, before, out } });
    const cross = [
      [0, 1, 0],
      [1, -4, 2],
      [0, 1, 0.5],
    ];
    return [
      of([2, 4, 5, 2], cross, [1, 1], [1, 1], [1, 1], [4, 5]),
      of([1, 3, 4, 3], cross, [2, 2], [1, 1], [2, 1], [6, 8]),
      of([1, 7, 6, 1], cross, [1, 1], [2, 3], [0, -1], [3, 2]),
      of([1, 4, 3, 2], [[1, 2, 3, -1]], [3, 1], [2, 2], [-2, 2], [4, 3]),
      of([0, 3, 3, 2], cross, [1, 1], [1, 1], [1, 1], [3, 3]),
      of([1, 2, 2, 37], cross, [2, 2], [1, 1], [4, 4], [9, 9]),
    ];
  },
});

export interface UpfirdnOptions {
  /** Zeros are put between the pixels: times by which each axis grows first, one number or [y, x]. Default 1. */
  up?: PerAxis;
  /** Every how many pixels of the filtered image are kept. Default 1. */
  down?: PerAxis;
  /** Zeros around the grown image, negative to crop: a number, [y, x], or [top, bottom, left, right]. Default 0. */
  padding?: PerAxis;
  /** The filter is multiplied by this number. Default 1. */
  gain?: number;
  /** Whether to correlate instead of convolving (which mirrors the filter). Default false. */
  flip?: boolean;
}

function assertTaps(op: string, filter: Filter): readonly number[][] {
  const rows = (typeof filter?.[0] === 'number' ? [filter] : filter) as readonly number[][];
  const fits =
    Array.isArray(rows) &&
    rows.length > 0 &&
    rows.every(
      (r) => Array.isArray(r) && r.length > 0 && r.length === rows[0].length && r.every(Number.isFinite),
    );
  if (!fits) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: the filter must be a list of finite numbers, or rows of equal length, got ${JSON.stringify(filter)}`,
    );
  }
  return rows;
}

/** The two one-dimensional filters whose product the rows are, or undefined. */
function factors(rows: readonly number[][]): [number[], number[]] | undefined {
  const sizes = rows.map((r) => Math.max(...r.map(Math.abs)));
  const top = sizes.indexOf(Math.max(...sizes));
  const column = rows[top].findIndex((v) => Math.abs(v) === sizes[top]);
  const pivot = rows[top][column];
  if (pivot === 0) return [rows.map(() => 0), rows[0].map(() => 0)];
  const vertical = rows.map((r) => r[column] / pivot);
  const close = rows.every((r, i) =>
    r.every((v, j) => Math.abs(v - vertical[i] * rows[top][j]) <= 1e-7 * sizes[top]),
  );
  return close ? [vertical, rows[top]] : undefined;
}

/** [top, bottom, left, right] from a number, [y, x] or all four; may be negative. */
function sides(op: string, padding: PerAxis): number[] {
  const list = typeof padding === 'number' ? [padding, padding] : padding;
  const four = list.length === 2 ? [list[0], list[0], list[1], list[1]] : list;
  return perAxis(op, 'padding', four, 4, -(2 ** 24));
}

interface Plan {
  up: Pair;
  down: Pair;
  /** [top, bottom, left, right]. */
  sides: readonly number[];
  gain: number;
  flip: boolean;
}

const sizeOf = (filter: Filter): Pair =>
  typeof filter[0] === 'number' ? [filter.length, filter.length] : [filter.length, filter[0].length];

function run(op: string, x: Tensor, filter: Filter, plan: Plan): Tensor {
  const { up, down, gain, flip } = plan;
  const rows = assertTaps(op, filter);
  const oneDimensional = typeof filter[0] === 'number';
  const separate: [number[], number[]] | undefined = oneDimensional ? [rows[0], rows[0]] : factors(rows);
  const [fH, fW] = sizeOf(filter);
  const [top, bottom, left, right] = plan.sides;
  const size = (n: number, axis: 0 | 1, pads: number, taps: number) => {
    const out = Math.floor((n * up[axis] + pads - taps) / down[axis]) + 1;
    if (out >= 1) return out;
    throw new GanvasError(
      'ERR_SHAPE',
      `${op}: the filter of ${fH} by ${fW} is larger than the padded image x [${x.shape}]`,
    );
  };
  const out: Pair = [size(x.shape[1], 0, top + bottom, fH), size(x.shape[2], 1, left + right, fW)];
  if (separate) {
    const before = [top, left];
    const maps = separate.map((taps, axis): AxisMap => {
      const scaled = taps.map((v) => v * (axis === 0 ? gain : 1));
      return {
        kind: 'fir',
        in: x.shape[1 + axis],
        out: out[axis],
        up: up[axis],
        down: down[axis],
        before: before[axis],
        taps: flip ? scaled : flipped(scaled),
      };
    });
    return resample(x, maps);
  }
  const scaled = rows.map((r) => r.map((v) => v * gain));
  const taps = flip ? scaled : flipped(scaled).map(flipped);
  return apply(upfirdnOp, [x], { taps, up, down, before: [top, left], out });
}

function plan(op: string, x: Tensor, options: UpfirdnOptions): Plan {
  assertImages(op, x, 2);
  const { up = 1, down = 1, padding = 0, gain = 1, flip = false } = options;
  if (!Number.isFinite(gain)) {
    throw new GanvasError('ERR_ARGUMENT', `${op}: gain must be a finite number, got ${String(gain)}`);
  }
  return {
    up: perAxis(op, 'up', up, 2, 1) as unknown as Pair,
    down: perAxis(op, 'down', down, 2, 1) as unknown as Pair,
    sides: sides(op, padding),
    gain,
    flip,
  };
}

/**
 * A filter ready for upfirdn2d: normalised to sum 1, multiplied by `gain` (its root for a one-dimensional one, which is
 * applied twice), mirrored if `flip`. StyleGAN2's default is setupFilter([1, 3, 3, 1]).
 */
export function setupFilter(
  filter: Filter,
  options: { normalize?: boolean; flip?: boolean; gain?: number } = {},
): Filter {
  const { normalize = true, flip = false, gain = 1 } = options;
  const rows = assertTaps('setupFilter', filter);
  const total = rows.flat().reduce((a, b) => a + b, 0);
  if (normalize && total === 0) {
    throw new GanvasError('ERR_ARGUMENT', 'setupFilter: a filter whose sum is 0 cannot be normalised');
  }
  const oneDimensional = typeof filter[0] === 'number';
  const scale = (oneDimensional ? Math.sqrt(gain) : gain) / (normalize ? total : 1);
  const scaled = rows.map((r) => r.map((v) => v * scale));
  const result = flip ? flipped(scaled).map(flipped) : scaled;
  return oneDimensional ? result[0] : result;
}

/**
 * Puts up − 1 zeros after each pixel, pads, convolves with the filter and keeps every down-th pixel (StyleGAN2).
 *
 * x [N, H, W, C] → [N, H', W', C], H' = ⌊(H·up + pads − taps) / down⌋ + 1. Throws ERR_SHAPE where the filter is larger
 * than the padded image, ERR_ARGUMENT for impossible options, ERR_DTYPE unless x is f32 or bf16.
 */
export function upfirdn2d(x: Tensor, filter: Filter, options: UpfirdnOptions = {}): Tensor {
  const p = plan('upfirdn2d', x, options);
  return run('upfirdn2d', x, filter, p);
}

/** Filters and keeps the size: upfirdn2d with the padding that needs, to which `padding` is added. */
export function filter2d(
  x: Tensor,
  filter: Filter,
  options: Omit<UpfirdnOptions, 'up' | 'down'> = {},
): Tensor {
  const p = plan('filter2d', x, options);
  assertTaps('filter2d', filter);
  const more = sizeOf(filter).flatMap((n) => [Math.floor(n / 2), Math.floor((n - 1) / 2)]);
  return run('filter2d', x, filter, { ...p, sides: p.sides.map((v, i) => v + more[i]) });
}

/**
 * Enlarges `up` times (default 2) and filters; brightness is kept. [N, H, W, C] → [N, H·up, W·up, C], to which
 * `padding` adds.
 */
export function upsample2d(x: Tensor, filter: Filter, options: Omit<UpfirdnOptions, 'down'> = {}): Tensor {
  const p = plan('upsample2d', x, { up: 2, ...options });
  assertTaps('upsample2d', filter);
  const more = sizeOf(filter).flatMap((n, i) => [
    Math.floor((n + p.up[i] - 1) / 2),
    Math.floor((n - p.up[i]) / 2),
  ]);
  const gain = p.gain * p.up[0] * p.up[1];
  return run('upsample2d', x, filter, { ...p, gain, sides: p.sides.map((v, i) => v + more[i]) });
}

/** Filters and shrinks `down` times (default 2): [N, H, W, C] → [N, H/down, W/down, C], to which `padding` adds. */
export function downsample2d(x: Tensor, filter: Filter, options: Omit<UpfirdnOptions, 'up'> = {}): Tensor {
  const p = plan('downsample2d', x, { down: 2, ...options });
  assertTaps('downsample2d', filter);
  const more = sizeOf(filter).flatMap((n, i) => [
    Math.floor((n - p.down[i] + 1) / 2),
    Math.floor((n - p.down[i]) / 2),
  ]);
  return run('downsample2d', x, filter, { ...p, sides: p.sides.map((v, i) => v + more[i]) });
}

/** @internal exp(−t² / 2σ²) at whole t around the middle, normalised to sum 1. */
export function gaussianTaps(size: number, sigma: number): number[] {
  const values = Array.from({ length: size }, (_, i) => Math.exp(-(((i - (size - 1) / 2) / sigma) ** 2) / 2));
  const total = values.reduce((a, b) => a + b, 0);
  return values.map((v) => v / total);
}

export interface GaussianBlurOptions {
  /** Standard deviation in pixels, one number or [y, x]. */
  sigma: PerAxis;
  /** Odd number of taps, one number or [y, x]. Default 2⌈3σ⌉ + 1. */
  kernelSize?: PerAxis;
}

/**
 * Gaussian blur with a mirrored border, as torchvision's: x [N, H, W, C] → the same shape.
 * Throws ERR_ARGUMENT for a σ that is not positive or an even kernel, ERR_SHAPE for an image no larger than half the kernel.
 */
export function gaussianBlur(x: Tensor, options: GaussianBlurOptions): Tensor {
  assertImages('gaussianBlur', x, 2);
  const { sigma, kernelSize } = options;
  const sigmas = typeof sigma === 'number' ? [sigma, sigma] : sigma;
  if (!Array.isArray(sigmas) || sigmas.length !== 2 || !sigmas.every((s) => s > 0 && Number.isFinite(s))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `gaussianBlur: sigma must be a positive number or two, got ${JSON.stringify(sigma)}`,
    );
  }
  const sizes = perAxis(
    'gaussianBlur',
    'kernelSize',
    kernelSize ?? sigmas.map((s) => 2 * Math.ceil(3 * s) + 1),
    2,
    1,
  );
  if (sizes.some((k) => k % 2 === 0)) {
    throw new GanvasError('ERR_ARGUMENT', `gaussianBlur: kernelSize must be odd, got [${sizes}]`);
  }
  const border = sizes.map((k): [number, number] => [(k - 1) / 2, (k - 1) / 2]);
  return scope(() => {
    const padded = pad(x, [[0, 0], ...border, [0, 0]], 'reflect');
    const maps = sizes.map(
      (k, i): AxisMap => ({
        kind: 'fir',
        in: padded.shape[1 + i],
        out: x.shape[1 + i],
        up: 1,
        down: 1,
        before: 0,
        taps: gaussianTaps(k, sigmas[i]),
      }),
    );
    return resample(padded, maps);
  });
}

const table = { upfirdn2d, filter2d, upsample2d, downsample2d, gaussianBlur } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
