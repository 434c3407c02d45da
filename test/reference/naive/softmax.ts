// References of the softmax family over the last axis, from their definitions in float64. Inputs of tests are small, so
// nothing guards against overflow.

import { build, type Nd, type References } from '../nd.js';

/** The sum of f(position) over the row that `flat` lies in. */
function rowSum(x: Nd, flat: number, f: (position: number) => number): number {
  const n = x.shape[x.shape.length - 1];
  const start = flat - (flat % n);
  let total = 0;
  for (let i = start; i < start + n; i++) total += f(i);
  return total;
}

export const references: References = {
  softmax: ([x]: Nd[]) =>
    build(x.shape, (_, i) => Math.exp(x.data[i]) / rowSum(x, i, (j) => Math.exp(x.data[j]))),
  logSoftmax: ([x]: Nd[]) =>
    build(x.shape, (_, i) => x.data[i] - Math.log(rowSum(x, i, (j) => Math.exp(x.data[j])))),
  softmaxGrad: ([gy, y]: Nd[]) =>
    build(y.shape, (_, i) => y.data[i] * (gy.data[i] - rowSum(y, i, (j) => gy.data[j] * y.data[j]))),
  logSoftmaxGrad: ([gy, y]: Nd[]) =>
    build(y.shape, (_, i) => gy.data[i] - Math.exp(y.data[i]) * rowSum(y, i, (j) => gy.data[j])),
};
