// Reference of matmul from the definition: y[..., i, j] = sum_k a[..., i, k] b[..., k, j], batch dimensions broadcast.
// transA and transB say that the last two dimensions of that operand are swapped.

import { at, broadcastShape, build, type Nd, type References } from '../nd.js';

interface Attrs {
  transA?: boolean;
  transB?: boolean;
}

function matmul([a, b]: Nd[], { transA, transB }: Attrs): Nd {
  const [aRows, aCols] = a.shape.slice(-2);
  const [bRows, bCols] = b.shape.slice(-2);
  const [m, k] = transA ? [aCols, aRows] : [aRows, aCols];
  const n = transB ? bRows : bCols;
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  // A dimension of size 1 broadcasts in `at`, but a matrix dimension of size 1 has index 0 anyway.
  return build([...batch, m, n], (index) => {
    const lead = index.slice(0, -2);
    const [i, j] = index.slice(-2);
    let sum = 0;
    for (let p = 0; p < k; p++) {
      sum +=
        at(a, [...lead, ...(transA ? [p, i] : [i, p])]) * at(b, [...lead, ...(transB ? [j, p] : [p, j])]);
    }
    return sum;
  });
}

export const references: References = { matmul };
