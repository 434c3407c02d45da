// References of the scans along an axis: each element from the one before it.

import { forEachIndex, make, type Nd, offset, type References } from '../nd.js';

interface Scan {
  axis: number;
  reverse: boolean;
}

/** y with y[i] = step(the element before it along the axis, or undefined; position). */
function scan(
  shape: readonly number[],
  { axis, reverse }: Scan,
  step: (before: number | undefined, flat: number) => number,
): Nd {
  const y = make(shape);
  const n = shape[axis];
  forEachIndex(shape, (index) => {
    if (index[axis] !== 0) return;
    let before: number | undefined;
    for (let i = 0; i < n; i++) {
      const at = [...index];
      at[axis] = reverse ? n - 1 - i : i;
      const flat = offset(shape, at);
      y.data[flat] = before = step(before, flat);
    }
  });
  return y;
}

export const references: References = {
  cumsum: ([x]: Nd[], attrs: Scan) => scan(x.shape, attrs, (before = 0, flat) => before + x.data[flat]),
  recurrence: ([a, b]: Nd[], attrs: Scan) =>
    scan(a.shape, attrs, (before, flat) => (before === undefined ? 0 : a.data[flat] * before) + b.data[flat]),
};
