// References of spectral normalisation: the weight as a matrix of contiguous rows, products written out.

import { make, map, type Nd, type References } from '../nd.js';

interface PowerIterationAttrs {
  iterations: number;
  eps: number;
  transposed: boolean[];
}

/** A x, or Aᵀ x, for A [rows, columns]. */
function times(a: Nd, rows: number, columns: number, x: Float64Array, transposed: boolean): Float64Array {
  const y = new Float64Array(transposed ? columns : rows);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const value = a.data[r * columns + c];
      if (transposed) y[c] += value * x[r];
      else y[r] += value * x[c];
    }
  }
  return y;
}

function unit(x: Float64Array, eps: number): Float64Array {
  const norm = Math.max(Math.hypot(...x), eps);
  return x.map((value) => value / norm);
}

export const references: References = {
  spectralNorm: ([w, left, right]: Nd[]) => {
    const product = times(w, left.data.length, right.data.length, right.data, false);
    const sigma = product.reduce((total, value, i) => total + value * left.data[i], 0);
    return map([w], (value) => value / sigma);
  },

  powerIteration: ([w, u, v]: Nd[], { iterations, eps, transposed: [transposed] }: PowerIterationAttrs) => {
    const [rows, columns] = transposed ? [v.data.length, u.data.length] : [u.data.length, v.data.length];
    let [outputs, inputs] = [u.data, v.data];
    for (let i = 0; i < iterations; i++) {
      outputs = unit(times(w, rows, columns, inputs, transposed), eps);
      inputs = unit(times(w, rows, columns, outputs, !transposed), eps);
    }
    return make(u.shape, outputs);
  },
};
