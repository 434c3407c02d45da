// Matrix products: matmul over the last two dimensions with broadcast leading ones, and nothing else (einsum and
// attention are built from it elsewhere).

import { GanvasError } from '../../errors.js';
import { dtypes } from '../../native.js';
import { apply, defineOp } from '../define.js';
import { autocast, nativeProduct } from '../precision.js';
import { assertTensor, type DType, type MethodsOf, methods, type Tensor } from '../tensor.js';
import {
  type ActivationAttrs,
  activationAttrs,
  activations,
  applyEpilogue,
  type EpilogueOptions,
  encodeEpilogue,
  epilogueGrads,
  sampleBias,
} from './bias.js';
import { reshape } from './shape.js';

export interface MatmulOptions extends EpilogueOptions {
  /** Use the transpose of a's last two dimensions. */
  transA?: boolean;
  /** Use the transpose of b's last two dimensions. */
  transB?: boolean;
}

type MatmulAttrs = Required<Pick<MatmulOptions, 'transA' | 'transB'>> & {
  /** Of the result. */
  dtype: DType;
};

const matmulOp = defineOp<MatmulAttrs>({
  name: 'matmul',
  run: (inputs, { transA, transB, dtype }) =>
    nativeProduct('matmul', inputs, [Number(transA), Number(transB), dtypes.indexOf(dtype)]),
  // For y = A B: dA = gy Bᵀ and dB = Aᵀ gy; a transposed operand receives the transpose of that. Each comes in its
  // operand's own type, so that the gradient of an f32 weight is never rounded to bf16.
  vjp: ({ inputs: [a, b], attrs: { transA, transB }, needs }, gy) => [
    needs[0]
      ? transA
        ? product(b, gy, { transA: transB, transB: true, dtype: a.dtype })
        : product(gy, b, { transA: false, transB: !transB, dtype: a.dtype })
      : undefined,
    needs[1]
      ? transB
        ? product(gy, a, { transA: true, transB: transA, dtype: b.dtype })
        : product(a, gy, { transA: !transA, transB: false, dtype: b.dtype })
      : undefined,
  ],
  samples: () => {
    const flags: MatmulAttrs[] = [false, true].flatMap((transA) =>
      [false, true].map((transB) => ({ transA, transB, dtype: 'f32' })),
    );
    const sizes = [
      [2, 3, 4],
      [1, 1, 1],
      [5, 7, 1],
      [1, 33, 17],
      [37, 19, 35],
      [3, 0, 2],
      [0, 3, 2],
    ];
    const of = (m: number, k: number, n: number, f: MatmulAttrs, batchA: number[], batchB: number[]) => ({
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

// The epilogue's gradient is taken from the result, so that of the operands is plain matmul's, in any order.
const matmulActOp = defineOp<MatmulAttrs & ActivationAttrs>({
  name: 'matmulAct',
  run: ([a, b, bias], attrs) => {
    const { transA, transB, dtype } = attrs;
    const flags = [Number(transA), Number(transB), dtypes.indexOf(dtype)];
    return nativeProduct('matmulAct', [a, b], [...flags, ...encodeEpilogue(attrs)], [bias]);
  },
  vjp: (context, gy) => {
    const [dz, db] = epilogueGrads(gy, context.outputs[0], context.attrs);
    return [...matmulOp.vjp!(context, dz), db];
  },
  saves: { inputs: [0, 1], outputs: [0] },
  samples: () => {
    const of = (
      m: number,
      k: number,
      n: number,
      activation: ActivationAttrs['activation'],
      transB = true,
    ) => ({
      // Weights so small that the sums do not saturate an activation.
      inputs: [
        { shape: [m, k] },
        { shape: transB ? [n, k] : [k, n], lo: -1 / (k + 1), hi: 1 / (k + 1) },
        sampleBias(n, activation),
      ],
      attrs: { transA: false, transB, dtype: 'f32' as DType, activation, slope: 0.2 },
    });
    return [
      ...activations.map((activation) => of(5, 7, 3, activation)),
      of(1, 9, 37, 'tanh'),
      of(3, 0, 5, 'leakyRelu'),
      of(0, 4, 2, 'relu'),
      of(4, 6, 1, 'sigmoid', false),
      { ...of(70, 90, 130, 'leakyRelu'), gradient: false },
      { ...of(300, 70, 65, 'tanh', false), gradient: false },
    ];
  },
});

function product(a: Tensor, b: Tensor, attrs: MatmulAttrs, epilogue: EpilogueOptions = {}): Tensor {
  const { bias, ...options } = epilogue;
  const multiply = (left: Tensor) => {
    if (bias) {
      return apply(matmulActOp, [left, b, bias], { ...attrs, ...activationAttrs('matmul', options) });
    }
    return applyEpilogue(apply(matmulOp, [left, b], attrs), epilogue);
  };
  if (a.rank > 2 && b.rank === 2 && !attrs.transA) {
    // One large product instead of a batch of small ones, and a weight gradient that needs no summing.
    const lead = a.shape.slice(0, -1);
    const rows = lead.reduce((n, d) => n * d, 1);
    const y = multiply(reshape(a, [rows, a.shape[a.rank - 1]]));
    return reshape(y, [...lead, y.shape[1]]);
  }
  return multiply(a);
}

/**
 * Matrix product y[..., i, j] = Σ_k a[..., i, k] b[..., k, j] of f32 or bf16 tensors of at least one dimension. Beside
 * a bf16 operand an f32 one is rounded to bf16 (its gradient stays f32), and the result is bf16; sums are f32.
 *
 * Leading (batch) dimensions broadcast. A vector on the left counts as a row, on the right as a column, and that
 * dimension is dropped from the result. With a bias [N], N columns of the result, and an activation, the same kernel
 * gives act(y + bias); its result is rounded once. Throws ERR_SHAPE where inner sizes differ, ERR_DTYPE for other types.
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  assertTensor(a, 'matmul: a');
  assertTensor(b, 'matmul: b');
  const { transA = false, transB = false, ...epilogue } = options;
  if (epilogue.bias) assertTensor(epilogue.bias, 'matmul: bias');
  if (a.rank === 0 || b.rank === 0) {
    throw new GanvasError(
      'ERR_SHAPE',
      `matmul: expected matrices or vectors, got shapes [${a.shape}] and [${b.shape}]`,
    );
  }
  if (a.rank === 1) {
    const y = matmul(reshape(a, [1, a.size]), b, { transB, ...(b.rank > 1 && epilogue) });
    const vector = reshape(
      y,
      y.shape.filter((_, i) => i !== y.rank - (b.rank === 1 ? 1 : 2)),
    );
    return b.rank > 1 ? vector : applyEpilogue(vector, epilogue);
  }
  if (b.rank === 1) {
    const y = matmul(a, reshape(b, [b.size, 1]), { transA });
    return applyEpilogue(reshape(y, y.shape.slice(0, -1)), epilogue);
  }
  const left = autocast(a);
  const dtype = left.dtype === 'bf16' || b.dtype === 'bf16' ? 'bf16' : 'f32';
  return product(left, b, { transA, transB, dtype }, epilogue);
}

const table = { matmul } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
