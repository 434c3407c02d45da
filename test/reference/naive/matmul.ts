// Reference of matmul from the definition: y[..., i, j] = sum_k a[..., i, k] b[..., k, j], batch dimensions broadcast.
// transA and transB say that the last two dimensions of that operand are swapped.

import { at, broadcastShape, build, make, type Nd, type References, size, strides } from '../nd.js';
import { type ActivationAttrs, activate } from './bias.js';

interface Attrs {
  transA?: boolean;
  transB?: boolean;
}

/** Rows, columns and the steps between them of an operand's matrices, after transposing. */
function layout({ shape }: Nd, transposed = false) {
  const [rows, columns] = shape.slice(-2);
  const [rowStep, columnStep] = strides(shape).slice(-2);
  return transposed
    ? { rows: columns, columns: rows, rowStep: columnStep, columnStep: rowStep }
    : { rows, columns, rowStep, columnStep };
}

/** For every matrix of the result, where the operand's matrix begins. */
function beginnings({ shape }: Nd, batch: number[]): Float64Array {
  const lead = shape.slice(0, -2);
  const step = size(shape.slice(-2));
  const numbers = build(lead, (_, flat) => flat * step);
  return build(batch, (index) => at(numbers, index)).data;
}

function matmul([a, b]: Nd[], { transA, transB }: Attrs): Nd {
  const [left, right] = [layout(a, transA), layout(b, transB)];
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const y = make([...batch, left.rows, right.columns]);
  const [aBegins, bBegins] = [beginnings(a, batch), beginnings(b, batch)];
  let out = 0;
  for (let m = 0; m < size(batch); m++)
    for (let i = 0; i < left.rows; i++)
      for (let j = 0; j < right.columns; j++) {
        for (let k = 0; k < left.columns; k++) {
          y.data[out] +=
            a.data[aBegins[m] + i * left.rowStep + k * left.columnStep] *
            b.data[bBegins[m] + k * right.rowStep + j * right.columnStep];
        }
        out++;
      }
  return y;
}

export const references: References = {
  matmul,
  matmulAct: ([a, b, bias]: Nd[], attrs: Attrs & ActivationAttrs) => {
    const y = matmul([a, b], attrs);
    return {
      shape: y.shape,
      data: y.data.map((v, i) => activate(v + bias.data[i % bias.data.length], attrs)),
    };
  },
};
