// References of takeAlongAxis and its transposes: each index names one element of the line that it lies in.

import { build, forEachIndex, make, type Nd, offset, type References } from '../nd.js';

/** The position in an array of `shape` that the index at `index` names. */
function place(shape: readonly number[], index: readonly number[], row: number, axis: number): number {
  return offset(
    shape,
    index.map((v, i) => (i === axis ? row : v)),
  );
}

export const references: References = {
  takeAlongAxis: ([x, indices]: Nd[], { axis }: { axis: number }) =>
    build(indices.shape, (index, flat) => x.data[place(x.shape, index, indices.data[flat], axis)]),

  scatterAlongAxis: ([x, indices, updates]: Nd[], { axis }: { axis: number }) => {
    const y = make(x.shape, x.data);
    forEachIndex(indices.shape, (index, flat) => {
      y.data[place(x.shape, index, indices.data[flat], axis)] = updates.data[flat];
    });
    return y;
  },

  scatterAddAlongAxis: ([indices, updates]: Nd[], { axis, shape }: { axis: number; shape: number[] }) => {
    const y = make(shape);
    forEachIndex(indices.shape, (index, flat) => {
      y.data[place(shape, index, indices.data[flat], axis)] += updates.data[flat];
    });
    return y;
  },
};
