// References of the spatial ops that are not linear in everything: max pooling and grid sampling.

import { build, type Nd, offset, type References } from '../nd.js';

interface PoolAxis {
  kernel: number;
  stride: number;
  padding: number;
  dilation: number;
  out: number;
  adaptive: boolean;
}

/** The positions inside an axis of n that output i sees. */
function seen(a: PoolAxis, i: number, n: number): number[] {
  if (a.adaptive) {
    const begin = Math.floor((i * n) / a.out);
    const end = Math.ceil(((i + 1) * n) / a.out);
    return Array.from({ length: end - begin }, (_, k) => begin + k);
  }
  const all = Array.from({ length: a.kernel }, (_, k) => i * a.stride - a.padding + k * a.dilation);
  return all.filter((j) => j >= 0 && j < n);
}

interface GridAttrs {
  mode: 'bilinear' | 'nearest';
  paddingMode: 'zeros' | 'border' | 'reflection';
  alignCorners: boolean;
}

/** A grid number in pixels of an axis of n, moved inside as the padding mode says. */
function place(g: number, n: number, { paddingMode, alignCorners }: GridAttrs): number {
  let p = alignCorners ? ((g + 1) / 2) * (n - 1) : ((g + 1) * n - 1) / 2;
  if (paddingMode === 'reflection') {
    const [low, high] = alignCorners ? [0, n - 1] : [-0.5, n - 0.5];
    if (low === high) return 0;
    while (p < low || p > high) p = p < low ? 2 * low - p : 2 * high - p;
  }
  return paddingMode === 'zeros' ? p : Math.min(Math.max(p, 0), n - 1);
}

const toEven = (v: number): number => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v));

export const references: References = {
  maxPool: ([x]: Nd[], { axes }: { axes: PoolAxis[] }) => {
    const channels = x.shape[x.shape.length - 1];
    return build([x.shape[0], ...axes.map((a) => a.out), channels], (index) => {
      let places: number[][] = [[]];
      axes.forEach((a, d) => {
        places = places.flatMap((p) => seen(a, index[d + 1], x.shape[d + 1]).map((j) => [...p, j]));
      });
      return Math.max(
        ...places.map((p) => x.data[offset(x.shape, [index[0], ...p, index[index.length - 1]])]),
      );
    });
  },

  gridSample: ([x, grid]: Nd[], attrs: GridAttrs) => {
    const [, height, width, channels] = x.shape;
    const [n, h, w] = grid.shape;
    return build([n, h, w, channels], ([b, i, j, c]) => {
      const column = place(grid.data[offset(grid.shape, [b, i, j, 0])], width, attrs);
      const line = place(grid.data[offset(grid.shape, [b, i, j, 1])], height, attrs);
      const at = (r: number, q: number) =>
        r < 0 || q < 0 || r >= height || q >= width ? 0 : x.data[offset(x.shape, [b, r, q, c])];
      if (attrs.mode === 'nearest') return at(toEven(line), toEven(column));
      let total = 0;
      for (const r of [Math.floor(line), Math.floor(line) + 1])
        for (const q of [Math.floor(column), Math.floor(column) + 1])
          total += (1 - Math.abs(line - r)) * (1 - Math.abs(column - q)) * at(r, q);
      return total;
    });
  },
};
