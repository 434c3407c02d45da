// Reference of resampling along axes: each kind of axis as a dense matrix of weights, row by row from its definition, and
// sums over the whole matrix. Conventions as PyTorch's documentation gives them.

import type { AxisMap } from '../../../src/tensor/ops/resample.js';
import { build, forEachIndex, make, type Nd, offset, type References } from '../nd.js';

const cubic = (distance: number, a: number): number => {
  const t = Math.abs(distance);
  if (t <= 1) return (a + 2) * t ** 3 - (a + 3) * t ** 2 + 1;
  return t < 2 ? a * t ** 3 - 5 * a * t ** 2 + 8 * a * t - 4 * a : 0;
};

type Row = (i: number, add: (j: number, w: number) => void) => void;

function interpolation(m: Extract<AxisMap, { kind: 'interpolate' }>): Row {
  const ratio = m.scale > 0 && !m.alignCorners ? m.scale : m.in / m.out;
  const scale = m.alignCorners ? (m.out > 1 ? (m.in - 1) / (m.out - 1) : 0) : ratio;
  const last = m.in - 1;
  const clip = (j: number) => Math.min(Math.max(j, 0), last);
  if (m.mode === 'nearest') return (i, add) => add(clip(Math.floor(i * scale)), 1);
  if (m.mode === 'nearest-exact') return (i, add) => add(clip(Math.floor((i + 0.5) * scale)), 1);
  const source = (i: number) => (m.alignCorners ? i * scale : (i + 0.5) * scale - 0.5);
  if (m.antialias) {
    const wide = Math.max(scale, 1);
    const kernel = (t: number) => (m.mode === 'bilinear' ? Math.max(0, 1 - Math.abs(t)) : cubic(t, -0.5));
    return (i, add) => {
      const weights = Array.from({ length: m.in }, (_, j) => kernel((j + 0.5 - (i + 0.5) * scale) / wide));
      const total = weights.reduce((a, b) => a + b, 0);
      weights.forEach((w, j) => {
        add(j, w / total);
      });
    };
  }
  return (i, add) => {
    const at = m.mode === 'bilinear' ? clip(source(i)) : source(i);
    const kernel = (t: number) => (m.mode === 'bilinear' ? Math.max(0, 1 - Math.abs(t)) : cubic(t, -0.75));
    for (let j = Math.floor(at) - 1; j <= Math.floor(at) + 2; j++) add(clip(j), kernel(at - j));
  };
}

function row(m: AxisMap): Row {
  switch (m.kind) {
    case 'interpolate':
      return interpolation(m);
    case 'average':
      return (i, add) => {
        const inside: number[] = [];
        let counted = 0;
        for (let j = i * m.stride - m.before; j < i * m.stride - m.before + m.kernel; j++) {
          const real = j >= 0 && j < m.in;
          if (real) inside.push(j);
          if (real || (m.countIncludePad && j < m.in + m.after)) counted++;
        }
        for (const j of inside) add(j, 1 / counted);
      };
    case 'adaptive':
      return (i, add) => {
        const [begin, end] = [Math.floor((i * m.in) / m.out), Math.ceil(((i + 1) * m.in) / m.out)];
        for (let j = begin; j < end; j++) add(j, 1 / (end - begin));
      };
    case 'border':
      return (i, add) => {
        let j = i - m.before;
        if (m.mode === 'circular') j = (j + m.in) % m.in;
        if (m.mode === 'replicate') j = Math.min(Math.max(j, 0), m.in - 1);
        if (m.mode === 'reflect') j = m.in - 1 - Math.abs(m.in - 1 - Math.abs(j));
        add(j, 1);
      };
    case 'fir':
      return (i, add) => {
        m.taps.forEach((f, k) => {
          const at = i * m.down + k - m.before;
          if (at >= 0 && at % m.up === 0 && at / m.up < m.in) add(at / m.up, f);
        });
      };
  }
}

/** The weights, [out, in]. */
function matrix(m: AxisMap): Nd {
  const w = make([m.out, m.in]);
  const visit = row(m);
  for (let i = 0; i < m.out; i++) {
    visit(i, (j, weight) => {
      w.data[i * m.in + j] += weight;
    });
  }
  return w;
}

function alongAxis(x: Nd, axis: number, m: AxisMap, transposed: boolean): Nd {
  const w = matrix(m);
  const shape = [...x.shape];
  shape[axis] = transposed ? m.in : m.out;
  const y = make(shape);
  forEachIndex(shape, (index, flat) => {
    const source = [...index];
    for (let j = 0; j < x.shape[axis]; j++) {
      source[axis] = j;
      const weight = transposed ? w.data[j * m.in + index[axis]] : w.data[index[axis] * m.in + j];
      if (weight !== 0) y.data[flat] += weight * x.data[offset(x.shape, source)];
    }
  });
  return y;
}

interface UpfirdnAttrs {
  taps: number[][];
  up: [number, number];
  down: [number, number];
  before: [number, number];
  out: [number, number];
}

export const references: References = {
  resample: ([x]: Nd[], { axis, maps, transposed }: { axis: number; maps: AxisMap[]; transposed: boolean }) =>
    maps.reduce((y, m, i) => alongAxis(y, axis + i, m, transposed), x),

  upfirdn: ([x]: Nd[], { taps, up, down, before, out }: UpfirdnAttrs) => {
    const [n, height, width, c] = x.shape;
    // The image with zeros between its pixels, as a function.
    const grown = (b: number, i: number, j: number, k: number): number => {
      const [y, z] = [i / up[0], j / up[1]];
      if (!Number.isInteger(y) || !Number.isInteger(z) || y < 0 || z < 0 || y >= height || z >= width)
        return 0;
      return x.data[offset(x.shape, [b, y, z, k])];
    };
    return build([n, ...out, c], ([b, i, j, k]) => {
      let total = 0;
      taps.forEach((line, u) => {
        line.forEach((f, v) => {
          total += f * grown(b, i * down[0] + u - before[0], j * down[1] + v - before[1], k);
        });
      });
      return total;
    });
  },
};
