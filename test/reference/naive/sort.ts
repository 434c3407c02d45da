// Reference of sort: the values of each row by JavaScript's stable sort, NaN last.

import { make, type Nd, type References, size } from '../nd.js';

/** Positions of a row's elements in order. */
export function order(row: readonly number[], descending: boolean): number[] {
  const rank = (v: number) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : 0);
  return row
    .map((_, i) => i)
    .sort((a, b) => {
      const [x, y] = [row[a], row[b]];
      if (rank(x) !== rank(y)) return rank(x) < rank(y) ? -1 : 1;
      if (x === y || Number.isNaN(x)) return 0;
      return x < y !== descending ? -1 : 1;
    });
}

export const references: References = {
  sort: ([x]: Nd[], { descending, k }: { descending: boolean; k: number }) => {
    const n = x.shape[x.shape.length - 1];
    const y = make([...x.shape.slice(0, -1), k]);
    for (let r = 0; r < size(x.shape.slice(0, -1)); r++) {
      const row = Array.from(x.data.subarray(r * n, (r + 1) * n));
      order(row, descending)
        .slice(0, k)
        .forEach((from, i) => {
          y.data[r * k + i] = row[from];
        });
    }
    return y;
  },
};
