// References of the reductions, from their definitions in float64: each result visits the elements it stands for.

import { build, forEachIndex, make, type Nd, offset, type References } from '../nd.js';

interface Attrs {
  axes: number[];
  keepDims: boolean;
}

/** Folds the elements of x that share their index outside `axes`; f also sees the index. */
function fold(
  x: Nd,
  { axes, keepDims }: Attrs,
  start: number,
  f: (result: number, value: number, index: number[], flat: number) => number,
): Nd {
  const kept = x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const result = make(kept, build(kept, () => start).data);
  forEachIndex(x.shape, (index, flat) => {
    const at = offset(
      kept,
      index.map((v, i) => (axes.includes(i) ? 0 : v)),
    );
    result.data[at] = f(result.data[at], x.data[flat], index, at);
  });
  return keepDims ? result : { shape: x.shape.filter((_, i) => !axes.includes(i)), data: result.data };
}

/** Where the first element that `beats` all before it lies along the axis. */
function position(x: Nd, { axis, keepDims }: { axis: number; keepDims: boolean }, beats: typeof greater): Nd {
  const best = new Map<number, number>();
  return fold(x, { axes: [axis], keepDims }, 0, (result, value, index, at) => {
    if (best.has(at) && !beats(value, best.get(at)!)) return result;
    best.set(at, value);
    return index[axis];
  });
}

const greater = (a: number, b: number): boolean => a > b;
const less = (a: number, b: number): boolean => a < b;

export const references: References = {
  sum: ([x]: Nd[], attrs: Attrs) => fold(x, attrs, 0, (total, value) => total + value),
  max: ([x]: Nd[], attrs: Attrs) =>
    fold(x, attrs, Number.NEGATIVE_INFINITY, (top, value) => Math.max(top, value)),
  min: ([x]: Nd[], attrs: Attrs) =>
    fold(x, attrs, Number.POSITIVE_INFINITY, (low, value) => Math.min(low, value)),
  argmax: ([x]: Nd[], attrs: { axis: number; keepDims: boolean }) => position(x, attrs, greater),
  argmin: ([x]: Nd[], attrs: { axis: number; keepDims: boolean }) => position(x, attrs, less),
};
