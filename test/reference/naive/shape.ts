// References of the ops that move elements: each says where an element of the result comes from.

import { at, build, make, type Nd, offset, type References } from '../nd.js';

export const references: References = {
  reshape: ([x]: Nd[], { shape }: { shape: number[] }) => make(shape, x.data),

  transpose: ([x]: Nd[], { perm }: { perm: number[] }) =>
    build(
      perm.map((from) => x.shape[from]),
      (index) => {
        const source = new Array<number>(index.length);
        perm.forEach((from, to) => {
          source[from] = index[to];
        });
        return x.data[offset(x.shape, source)];
      },
    ),

  slice: ([x]: Nd[], { begin, size, step }: { begin: number[]; size: number[]; step: number[] }) =>
    build(size, (index) => {
      const source = index.map((i, d) => begin[d] + i * step[d]);
      return x.data[offset(x.shape, source)];
    }),

  concat: (parts: Nd[], { axis }: { axis: number }) => {
    const shape = [...parts[0].shape];
    shape[axis] = parts.reduce((n, part) => n + part.shape[axis], 0);
    return build(shape, (index) => {
      const source = [...index];
      let k = 0;
      while (source[axis] >= parts[k].shape[axis]) source[axis] -= parts[k++].shape[axis];
      return parts[k].data[offset(parts[k].shape, source)];
    });
  },

  pad: ([x]: Nd[], { padding, value }: { padding: [number, number][]; value: number }) =>
    build(
      x.shape.map((n, d) => padding[d][0] + n + padding[d][1]),
      (index) => {
        const source = index.map((i, d) => i - padding[d][0]);
        const inside = source.every((i, d) => i >= 0 && i < x.shape[d]);
        return inside ? x.data[offset(x.shape, source)] : value;
      },
    ),

  broadcastTo: ([x]: Nd[], { shape }: { shape: number[] }) => build(shape, (index) => at(x, index)),
};
