// References of the three-dimensional convolution triple from the definition: naive/conv.ts with one axis more. The
// three ops are one loop over all products with another of the three arrays accumulated.

import { make, type Nd, type References } from '../nd.js';

interface Geometry {
  stride: readonly number[];
  padding: readonly (readonly number[])[];
  dilation: readonly number[];
  groups: number;
}

type Term = (xAt: number, wAt: number, yAt: number) => void;

/** Calls `each` with the index of every element of a box. */
function forEachIndex(box: readonly number[], each: (index: number[]) => void, index: number[] = []) {
  if (index.length === box.length) return each(index);
  for (let i = 0; i < box[index.length]; i++) forEachIndex(box, each, [...index, i]);
}

const flat = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((at, i, axis) => at * shape[axis] + i, 0);

function forEachTerm(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  g: Geometry,
  term: Term,
) {
  const groupOut = w[0] / g.groups;
  forEachIndex(y, ([n, ...rest]) => {
    const [at, o] = [rest.slice(0, 3), rest[3]];
    forEachIndex(w.slice(1), (tap) => {
      const source = at.map(
        (i, axis) => i * g.stride[axis] - g.padding[axis][0] + tap[axis] * g.dilation[axis],
      );
      if (source.some((i, axis) => i < 0 || i >= x[axis + 1])) return;
      const channel = Math.floor(o / groupOut) * w[4] + tap[3];
      term(flat(x, [n, ...source, channel]), flat(w, [o, ...tap]), flat(y, [n, ...at, o]));
    });
  });
}

function conv3d([x, w]: Nd[], g: Geometry): Nd {
  const sizes = [0, 1, 2].map((i) => {
    const room =
      x.shape[i + 1] + g.padding[i][0] + g.padding[i][1] - g.dilation[i] * (w.shape[i + 1] - 1) - 1;
    return Math.floor(room / g.stride[i]) + 1;
  });
  const y = make([x.shape[0], ...sizes, w.shape[0]]);
  forEachTerm(x.shape, w.shape, y.shape, g, (xAt, wAt, yAt) => {
    y.data[yAt] += x.data[xAt] * w.data[wAt];
  });
  return y;
}

/** The gradient of conv3d by its input, from the output's gradient: a transposed convolution. */
function conv3dInputGrad([dy, w]: Nd[], g: Geometry & { size: readonly number[] }): Nd {
  const dx = make([dy.shape[0], ...g.size, w.shape[4] * g.groups]);
  forEachTerm(dx.shape, w.shape, dy.shape, g, (xAt, wAt, yAt) => {
    dx.data[xAt] += dy.data[yAt] * w.data[wAt];
  });
  return dx;
}

/** The gradient of conv3d by its weight, from input and output gradient. */
function conv3dWeightGrad([x, dy]: Nd[], g: Geometry & { kernel: readonly number[] }): Nd {
  const dw = make([dy.shape[4], ...g.kernel, x.shape[4] / g.groups]);
  forEachTerm(x.shape, dw.shape, dy.shape, g, (xAt, wAt, yAt) => {
    dw.data[wAt] += x.data[xAt] * dy.data[yAt];
  });
  return dw;
}

export const references: References = { conv3d, conv3dInputGrad, conv3dWeightGrad };
