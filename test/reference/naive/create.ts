// References of the tensors that are made from a shape and numbers. They are not in the op table (nothing to
// differentiate); test/tensor/ops/create.test.ts compares with them.

import { build, make, type Nd, type References, size } from '../nd.js';

export const references: References = {
  full: (_: Nd[], { shape, value }: { shape: number[]; value: number }) => build(shape, () => value),
  arange: (_: Nd[], { start, stop, step }: { start: number; stop: number; step: number }) => {
    const values: number[] = [];
    for (let i = 0; step > 0 ? start + i * step < stop : start + i * step > stop; i++)
      values.push(start + i * step);
    return make([values.length], values);
  },
  linspace: (_: Nd[], { start, stop, n }: { start: number; stop: number; n: number }) =>
    build([n], ([i]) => (n === 1 ? start : start + (i * (stop - start)) / (n - 1))),
  eye: (_: Nd[], { n, m }: { n: number; m: number }) => build([n, m], ([i, j]) => Number(i === j)),
  oneHot: ([indices]: Nd[], { depth }: { depth: number }) =>
    build([...indices.shape, depth], (index) => {
      const flat = index.slice(0, -1).reduce((at, i, d) => at * indices.shape[d] + i, 0);
      return Number(size(indices.shape) > 0 && indices.data[flat] === index[index.length - 1]);
    }),
};
