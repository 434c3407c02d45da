// References of the linear algebra: eigenvalues by Jacobi's rotations, roots from them, covariances from the definition.

import { build, make, type Nd, type References } from '../nd.js';

/** Eigenvalues (ascending) and eigenvectors (in columns) of one symmetric matrix, given as rows. */
function jacobi(matrix: number[][]): { values: number[]; vectors: number[][] } {
  const n = matrix.length;
  const a = matrix.map((row) => [...row]);
  const v = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        if (a[p][q] === 0) continue;
        const theta = Math.atan2(2 * a[p][q], a[q][q] - a[p][p]) / 2;
        const [c, s] = [Math.cos(theta), Math.sin(theta)];
        for (let k = 0; k < n; k++)
          [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
        for (let k = 0; k < n; k++)
          [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
        for (let k = 0; k < n; k++)
          [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
      }
  const order = a.map((_, i) => i).sort((i, j) => a[i][i] - a[j][j]);
  return { values: order.map((i) => a[i][i]), vectors: v.map((row) => order.map((i) => row[i])) };
}

/** Calls f with each matrix of x as rows. */
function eachMatrix<T>(x: Nd, f: (rows: number[][]) => T): T[] {
  const n = x.shape[x.shape.length - 1];
  const count = n === 0 ? 0 : x.data.length / (n * n);
  return Array.from({ length: count }, (_, m) =>
    f(Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => x.data[(m * n + i) * n + j]))),
  );
}

export const references: References = {
  eigh: ([x]: Nd[]) => make(x.shape.slice(0, -1), eachMatrix(x, (rows) => jacobi(rows).values).flat()),

  sqrtm: ([x]: Nd[]) =>
    make(
      x.shape,
      eachMatrix(x, (rows) => {
        const { values, vectors } = jacobi(rows);
        return vectors.map((vi) =>
          vectors.map((vj) => vi.reduce((total, v, k) => total + v * vj[k] * Math.sqrt(values[k]), 0)),
        );
      }).flat(2),
    ),

  covariance: ([x]: Nd[], { correction }: { correction: number }) => {
    const [n, d] = x.shape;
    const column = (j: number) => Array.from({ length: n }, (_, r) => x.data[r * d + j]);
    const centred = Array.from({ length: d }, (_, j) => {
      const values = column(j);
      const mean = values.reduce((a, b) => a + b, 0) / n;
      return values.map((v) => v - mean);
    });
    return build(
      [d, d],
      ([i, j]) => centred[i].reduce((t, v, r) => t + v * centred[j][r], 0) / (n - correction),
    );
  },
};
