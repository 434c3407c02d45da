// Matrix products: matmul over the last two dimensions with broadcast leading ones, and nothing else (einsum and
// attention are built from it elsewhere).

import { GanvasError } from '../../errors.js';
import { apply, defineOp, native } from '../define.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { reshape } from './shape.js';

export interface MatmulOptions {
  /** Use the transpose of a's last two dimensions. */
  transA?: boolean;
  /** Use the transpose of b's last two dimensions. */
  transB?: boolean;
}

const matmulOp = defineOp<Required<MatmulOptions>>({
  name: 'matmul',
  run: (inputs, { transA, transB }) => native('matmul', inputs, [Number(transA), Number(transB)]),
  // For y = A B: dA = gy Bᵀ and dB = Aᵀ gy; a transposed operand receives the transpose of that.
  vjp: ({ inputs: [a, b], attrs: { transA, transB }, needs }, gy) => [
    needs[0]
      ? transA
        ? matmul(b, gy, { transA: transB, transB: true })
        : matmul(gy, b, { transB: !transB })
      : undefined,
    needs[1]
      ? transB
        ? matmul(gy, a, { transA: true, transB: transA })
        : matmul(a, gy, { transA: !transA })
      : undefined,
  ],
  samples: () => {
    const flags = [
      { transA: false, transB: false },
      { transA: false, transB: true },
      { transA: true, transB: false },
      { transA: true, transB: true },
    ];
    const sizes = [
      [2, 3, 4],
      [1, 1, 1],
      [5, 7, 1],
      [1, 33, 17],
      [37, 19, 35],
      [3, 0, 2],
      [0, 3, 2],
    ];
    const of = (
      m: number,
      k: number,
      n: number,
      f: Required<MatmulOptions>,
      batchA: number[],
      batchB: number[],
    ) => ({
      inputs: [
        { shape: [...batchA, ...(f.transA ? [k, m] : [m, k])] },
        { shape: [...batchB, ...(f.transB ? [n, k] : [k, n])] },
      ],
      attrs: f,
    });
    return [
      ...flags.flatMap((f) => sizes.map(([m, k, n]) => of(m, k, n, f, [], []))),
      ...flags.map((f) => of(3, 4, 2, f, [2], [2])),
      ...flags.map((f) => of(3, 4, 2, f, [2, 1], [1, 3])),
      ...flags.map((f) => of(2, 3, 2, f, [], [2, 2])),
      // Beyond one block of the kernel; finite differences would take too long.
      { ...of(130, 70, 50, flags[0], [], []), gradient: false },
    ];
  },
});

/**
 * Matrix product y[..., i, j] = Σ_k a[..., i, k] b[..., k, j] of f32 tensors of at least one dimension.
 *
 * Leading (batch) dimensions broadcast. A vector on the left counts as a row, on the right as a column, and that
 * dimension is dropped from the result. Throws ERR_SHAPE where inner sizes differ, ERR_DTYPE for other types.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  assertTensor(a, 'matmul: a');
  assertTensor(b, 'matmul: b');
  const { transA = false, transB = false } = options;
  if (a.rank === 0 || b.rank === 0) {
    throw new GanvasError(
      'ERR_SHAPE',
      `matmul: expected matrices or vectors, got shapes [${a.shape}] and [${b.shape}]`,
    );
  }
  if (a.rank === 1) {
    const y = matmul(reshape(a, [1, a.size]), b, { transB });
    return reshape(
      y,
      y.shape.filter((_, i) => i !== y.rank - (b.rank === 1 ? 1 : 2)),
    );
  }
  if (b.rank === 1) {
    const y = matmul(a, reshape(b, [b.size, 1]), { transA });
    return reshape(y, y.shape.slice(0, -1));
  }
  if (a.rank > 2 && b.rank === 2 && !transA) {
    // One large product instead of a batch of small ones, and a weight gradient that needs no summing.
    const lead = a.shape.slice(0, -1);
    const rows = lead.reduce((n, d) => n * d, 1);
    const y = apply(matmulOp, [reshape(a, [rows, a.shape[a.rank - 1]]), b], { transA, transB });
    return reshape(y, [...lead, y.shape[1]]);
  }
  return apply(matmulOp, [a, b], { transA, transB });
}

const table = { matmul } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
