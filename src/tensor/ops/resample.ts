// Linear resampling along axes: y[i] = Σ_u w[i, u] x[from[i, u]] with weights that follow from sizes and options. One op
// under average pooling, resizing, borders and separable filters; its gradient is the same op transposed. Not public:
// pool.ts, resize.ts, shape.ts and upfirdn.ts say what the weights mean.

import { apply, defineOp, native, type OpSpec, type Sample } from '../define.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';

export const interpolations = ['nearest', 'nearest-exact', 'bilinear', 'bicubic'] as const;
export type Interpolation = (typeof interpolations)[number];

export const borderModes = ['reflect', 'replicate', 'circular'] as const;
export type BorderMode = (typeof borderModes)[number];

/** What happens along one axis, from size `in` to size `out`. native/ops/resample.h has the formulas. */
export type AxisMap = { in: number; out: number } & (
  | {
      kind: 'interpolate';
      mode: Interpolation;
      alignCorners: boolean;
      antialias: boolean;
      /** Source pixels per result pixel; 0: in / out. */
      scale: number;
    }
  | {
      kind: 'average';
      kernel: number;
      stride: number;
      before: number;
      after: number;
      countIncludePad: boolean;
    }
  | { kind: 'adaptive' }
  | { kind: 'border'; before: number; mode: BorderMode }
  | { kind: 'fir'; up: number; down: number; before: number; taps: readonly number[] }
);

const kinds = ['interpolate', 'average', 'adaptive', 'border', 'fir'] as const;

interface ResampleAttrs {
  axis: number;
  /** Of `axis` and perhaps the next one. */
  maps: readonly AxisMap[];
  transposed: boolean;
}

function parameters(m: AxisMap): number[] {
  switch (m.kind) {
    case 'interpolate':
      return [interpolations.indexOf(m.mode), Number(m.alignCorners), Number(m.antialias), m.scale];
    case 'average':
      return [m.kernel, m.stride, m.before, m.after, Number(m.countIncludePad)];
    case 'adaptive':
      return [];
    case 'border':
      return [m.before, borderModes.indexOf(m.mode)];
    case 'fir':
      return [m.up, m.down, m.before, ...m.taps];
  }
}

function encode({ axis, maps, transposed }: ResampleAttrs): number[] {
  const lists = maps.map((m) => {
    const list = parameters(m);
    return [kinds.indexOf(m.kind), m.in, m.out, list.length, ...list];
  });
  return [Number(transposed), axis, maps.length, ...lists.flat()];
}

const resampleOp: OpSpec<ResampleAttrs> = defineOp<ResampleAttrs>({
  name: 'resample',
  run: (inputs, attrs) => native('resample', inputs, encode(attrs)),
  vjp: ({ attrs }, gy) => [apply(resampleOp, [gy], { ...attrs, transposed: !attrs.transposed })],
  saves: {},
  samples: () =>
    cases.flatMap(({ outer, maps, inner }) => [false, true].map((t) => sample(outer, maps, inner, t))),
});

/**
 * @internal Resamples x along `firstAxis` and the axes after it, one map each; undefined leaves an axis as it is.
 * Neighbours are resampled in one pass.
 */
export function resample(x: Tensor, maps: readonly (AxisMap | undefined)[], firstAxis = 1): Tensor {
  return scope(() => {
    let y = x;
    for (let i = 0; i < maps.length; i++) {
      const [map, next] = [maps[i], maps[i + 1]];
      if (!map) continue;
      const axis = firstAxis + i;
      y = apply(resampleOp, [y], { axis, maps: next ? [map, next] : [map], transposed: false });
      if (next) i++;
    }
    return y;
  });
}

function sample(
  outer: number[],
  maps: AxisMap[],
  inner: number[],
  transposed: boolean,
): Sample<ResampleAttrs> {
  const sizes = maps.map((m) => (transposed ? m.out : m.in));
  return {
    inputs: [{ shape: [...outer, ...sizes, ...inner] }],
    attrs: { axis: outer.length, maps, transposed },
  };
}

const interpolate = (
  from: number,
  to: number,
  mode: Interpolation,
  alignCorners = false,
  antialias = false,
  scale = 0,
): AxisMap => ({ kind: 'interpolate', in: from, out: to, mode, alignCorners, antialias, scale });
const average = (
  from: number,
  to: number,
  kernel: number,
  stride: number,
  before = 0,
  after = before,
  countIncludePad = true,
): AxisMap => ({ kind: 'average', in: from, out: to, kernel, stride, before, after, countIncludePad });
const adaptive = (from: number, to: number): AxisMap => ({ kind: 'adaptive', in: from, out: to });
const border = (from: number, before: number, after: number, mode: BorderMode): AxisMap => ({
  kind: 'border',
  in: from,
  out: before + from + after,
  before,
  mode,
});
const fir = (from: number, taps: number[], up = 1, down = 1, before = 0, after = before): AxisMap => ({
  kind: 'fir',
  in: from,
  out: Math.floor((from * up + before + after - taps.length) / down) + 1,
  up,
  down,
  before,
  taps,
});

// What the generated tests resample: each kind, up and down, one and two axes, few and many channels.
const cases: { outer: number[]; maps: AxisMap[]; inner: number[] }[] = [
  { outer: [2], maps: [interpolate(3, 7, 'nearest'), interpolate(4, 2, 'nearest')], inner: [3] },
  { outer: [1], maps: [interpolate(5, 3, 'nearest-exact'), interpolate(3, 8, 'nearest-exact')], inner: [2] },
  { outer: [], maps: [interpolate(6, 9, 'nearest', false, false, 0.7)], inner: [] },
  { outer: [1], maps: [interpolate(3, 6, 'bilinear'), interpolate(5, 4, 'bilinear')], inner: [2] },
  {
    outer: [2],
    maps: [interpolate(3, 5, 'bilinear', true), interpolate(4, 1, 'bilinear', true)],
    inner: [1],
  },
  { outer: [1], maps: [interpolate(5, 11, 'bilinear', false, false, 0.45)], inner: [3] },
  { outer: [1], maps: [interpolate(4, 7, 'bicubic'), interpolate(5, 3, 'bicubic')], inner: [2] },
  { outer: [1], maps: [interpolate(3, 5, 'bicubic', true), interpolate(1, 3, 'bicubic', true)], inner: [2] },
  {
    outer: [1],
    maps: [interpolate(9, 4, 'bilinear', false, true), interpolate(7, 3, 'bilinear', false, true)],
    inner: [1],
  },
  {
    outer: [1],
    maps: [interpolate(9, 4, 'bicubic', false, true), interpolate(3, 5, 'bicubic', true, true)],
    inner: [2],
  },
  { outer: [2], maps: [average(6, 3, 2, 2), average(4, 2, 2, 2)], inner: [3] },
  { outer: [1], maps: [average(7, 4, 3, 2, 1), average(5, 3, 3, 2, 1, 1, false)], inner: [2] },
  { outer: [1], maps: [average(6, 4, 2, 2, 1, 1), average(5, 3, 2, 2, 0, 1, false)], inner: [1] },
  { outer: [3], maps: [adaptive(7, 3)], inner: [2] },
  { outer: [1], maps: [adaptive(5, 1), adaptive(3, 5)], inner: [4] },
  { outer: [2], maps: [border(4, 3, 1, 'reflect'), border(3, 0, 2, 'reflect')], inner: [2] },
  { outer: [1], maps: [border(2, 3, 1, 'replicate'), border(3, 1, 4, 'replicate')], inner: [1] },
  { outer: [1], maps: [border(3, 3, 2, 'circular'), border(2, 0, 1, 'circular')], inner: [3] },
  { outer: [1], maps: [fir(5, [1, 3, -2, 1], 2, 1, 2, 1), fir(4, [1, 3, -2, 1], 1, 2, 1, 1)], inner: [2] },
  { outer: [2], maps: [fir(6, [0.5, 2, -1], 3, 2, -1, 2)], inner: [1] },
  { outer: [1], maps: [fir(7, [1, 2, 4], 1, 1, -1, -2), fir(3, [1], 2, 3, 5, 4)], inner: [1] },
  { outer: [0], maps: [fir(4, [1, 1]), fir(4, [1, 1])], inner: [2] },
  { outer: [2], maps: [interpolate(3, 0, 'bilinear')], inner: [3] },
  { outer: [1], maps: [interpolate(5, 10, 'bilinear'), interpolate(4, 8, 'bilinear')], inner: [37] },
  { outer: [1], maps: [fir(5, [1, 3, 3, 1], 1, 2, 1, 1), fir(6, [1, 3, 3, 1], 1, 2, 1, 1)], inner: [70] },
];
