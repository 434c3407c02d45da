// Linear algebra for metrics: eigenvalues, matrix roots and covariances, computed in f64. None of it has a gradient.
// Results that need f64 outside the engine as well travel as i32 pairs (native/ops/linalg.h) and are read as
// Float64Array; metrics/frechet.ts gives them a face. Norms and products of vectors: vector.ts.

import { GanvasError } from '../../errors.js';
import { apply, applyAll, defineOp, native, type Sample, upload } from '../define.js';
import { assertTensor, type Shape, type Tensor } from '../tensor.js';

/** Symmetric, positive definite, eigenvalues apart; drawn by a fixed rule, one matrix after another. */
function symmetricSample(lead: number[], n: number): Sample<void> {
  const count = lead.reduce((a, d) => a * d, 1);
  const values = Array.from({ length: count * n * n }, (_, at) => {
    const [i, j] = [Math.floor((at % (n * n)) / n), at % n];
    const [low, high] = [Math.min(i, j), Math.max(i, j)];
    return low === high ? 2 + i : Math.sin(1 + low * 7 + high * 3 + Math.floor(at / (n * n))) / n;
  });
  return { inputs: [{ shape: [...lead, n, n], values }], attrs: undefined, gradient: false };
}

const symmetricSamples = (): Sample<void>[] => [
  symmetricSample([], 1),
  symmetricSample([], 2),
  symmetricSample([], 5),
  symmetricSample([2, 3], 3),
  symmetricSample([0], 3),
  symmetricSample([], 0),
  symmetricSample([], 33),
];

const eighOp = defineOp<void>({
  name: 'eigh',
  run: (inputs) => native('eigh', inputs),
  samples: symmetricSamples,
});

const sqrtmOp = defineOp<void>({
  name: 'sqrtm',
  run: (inputs) => native('sqrtm', inputs),
  samples: symmetricSamples,
});

const covarianceOp = defineOp<{ correction: number }>({
  name: 'covariance',
  run: (inputs, { correction }) => native('covariance', inputs, [correction]),
  samples: () =>
    [
      [2, 1, 1],
      [5, 3, 1],
      [1, 4, 0],
      [7, 17, 0],
      [3, 0, 1],
      [300, 35, 1],
    ].map(([n, d, correction]) => ({ inputs: [{ shape: [n, d] }], attrs: { correction } })),
});

/**
 * Eigenvalues and eigenvectors of symmetric matrices x [..., n, n], of which only the lower triangle is read:
 * x = V diag(λ) Vᵀ. `values` λ [..., n] ascend; the columns of `vectors` V [..., n, n] have length 1, their signs are
 * arbitrary. Computed in f64, given in f32; a matrix that is not finite gives NaN. Has no gradient.
 *
 * Throws ERR_SHAPE unless the matrices are square, ERR_DTYPE unless x is f32.
 */
export function eigh(x: Tensor): { values: Tensor; vectors: Tensor } {
  assertTensor(x, 'eigh: x');
  const [values, vectors] = applyAll(eighOp, [x], undefined);
  return { values, vectors };
}

/**
 * The symmetric square root of symmetric, positive semidefinite matrices x [..., n, n]: y y = x. Eigenvalues that
 * rounding has made negative count as 0. Computed in f64, given in f32. Has no gradient.
 *
 * Throws ERR_SHAPE unless the matrices are square, ERR_DTYPE unless x is f32.
 */
export function sqrtm(x: Tensor): Tensor {
  assertTensor(x, 'sqrtm: x');
  return apply(sqrtmOp, [x], undefined);
}

/**
 * The covariance of the columns of x [n, d], one observation a row: Σ (x - mean)(x - mean)ᵀ / (n - correction), [d, d],
 * summed in f64 and given in f32. `correction` 1 (default) is the unbiased estimate. NaN with too few rows. Has no
 * gradient. What a Fréchet distance needs stays in f64: see featureStatistics.
 *
 * Throws ERR_SHAPE unless x has two dimensions, ERR_DTYPE unless it is f32, ERR_ARGUMENT for a negative correction.
 */
export function covariance(x: Tensor, correction = 1): Tensor {
  assertTensor(x, 'covariance: x');
  return apply(covarianceOp, [x], { correction });
}

async function readF64(t: Tensor): Promise<Float64Array> {
  const pairs = await t.data();
  return new Float64Array(pairs.buffer, pairs.byteOffset, pairs.length / 2);
}

function uploadF64(values: Float64Array, shape: Shape): Tensor {
  const pairs = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  return upload(pairs, [...shape, 2], 'i32');
}

/** @internal The mean [d] and Σ (x - mean)(x - mean)ᵀ [d, d] of x [n, d], in f64. */
export async function moments(x: Tensor): Promise<{ mean: Float64Array; scatter: Float64Array }> {
  const results = native('moments', [x]);
  try {
    const [mean, scatter] = await Promise.all(results.map(readF64));
    return { mean, scatter };
  } finally {
    for (const t of results) t.dispose();
  }
}

/** @internal tr √(ab) of symmetric, positive semidefinite a and b [d, d]. */
export async function traceSqrtProduct(a: Float64Array, b: Float64Array, d: number): Promise<number> {
  if (a.length !== d * d || b.length !== d * d) {
    throw new GanvasError(
      'ERR_SHAPE',
      `traceSqrtProduct: expected matrices of ${d} × ${d} numbers, got ${a.length} and ${b.length}`,
    );
  }
  const inputs = [uploadF64(a, [d, d]), uploadF64(b, [d, d])];
  const [trace] = native('traceSqrtProduct', inputs);
  for (const t of inputs) t.dispose();
  try {
    return (await readF64(trace))[0];
  } finally {
    trace.dispose();
  }
}
