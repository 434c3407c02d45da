// References of the similarities of minibatch discrimination, over all pairs of different samples.

import { build, type Nd, offset, type References } from '../nd.js';

const alike = (m: Nd, i: number, j: number, b: number): number => {
  let distance = 0;
  for (let c = 0; c < m.shape[2]; c++) {
    distance += Math.abs(m.data[offset(m.shape, [i, b, c])] - m.data[offset(m.shape, [j, b, c])]);
  }
  return Math.exp(-distance);
};

/** The sum of value(j) over the samples other than i. */
function overOthers(m: Nd, i: number, value: (j: number) => number): number {
  let total = 0;
  for (let j = 0; j < m.shape[0]; j++) if (j !== i) total += value(j);
  return total;
}

export const references: References = {
  minibatchSimilarity: ([m]: Nd[]) =>
    build(m.shape.slice(0, 2), ([i, b]) => overOthers(m, i, (j) => alike(m, i, j, b))),

  minibatchSimilarityGrad: ([gy, m]: Nd[]) =>
    build(m.shape, ([i, b, c]) => {
      const [features, own] = [m.shape[1], m.data[offset(m.shape, [i, b, c])]];
      return -overOthers(m, i, (j) => {
        const both = gy.data[i * features + b] + gy.data[j * features + b];
        return alike(m, i, j, b) * both * Math.sign(own - m.data[offset(m.shape, [j, b, c])]);
      });
    }),
};
