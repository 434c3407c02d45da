// Spectral normalisation: a weight divided by an estimate of its largest singular value, and the power iteration that
// improves the estimate, of one weight or of all weights of a network in one call. Layers: nn/spectral.ts.

import { GanvasError } from '../../errors.js';
import { applyAll, defineFused, defineOp, native, type Sample } from '../define.js';
import { assertTensor, type Tensor } from '../tensor.js';
import { div, mul } from './binary.js';
import { matmul } from './matmul.js';
import { sum } from './reduce.js';
import { reshape } from './shape.js';
import { neg } from './unary.js';

/** The products of a weight as a matrix A [left, right]: A right, and Aᵀ left. */
const timesRight = (w: Tensor, left: Tensor, right: Tensor): Tensor =>
  reshape(matmul(reshape(w, [left.size, right.size]), reshape(right, [right.size, 1])), left.shape);
const timesLeft = (w: Tensor, left: Tensor, right: Tensor): Tensor =>
  reshape(matmul(reshape(left, [1, left.size]), reshape(w, [left.size, right.size])), right.shape);

const spectralNormOp = defineFused<void>({
  name: 'spectralNorm',
  run: (inputs) => native('spectralNorm', inputs),
  vjp: ({ inputs: [w, left, right], outputs: [y, sigma], needs }, gy) => {
    const [dw] = needs[0] ? native('spectralNormGrad', [gy, y, sigma, left, right]) : [undefined];
    if (!needs[1] && !needs[2]) return [dw];
    // Layers pass constants; the function is differentiable by its vectors all the same.
    const along = neg(div(sum(mul(gy, y)), sigma));
    return [dw, mul(timesRight(w, left, right), along), mul(timesLeft(w, left, right), along)];
  },
  saves: { inputs: [0, 1, 2], outputs: [0, 1] },
  fallback: ([w, left, right]) => div(w, sum(mul(timesRight(w, left, right), left))),
  samples: () => {
    // Positive numbers: sigma stays away from 0.
    const of = (w: number[], left: number, right: number): Sample<void> => ({
      inputs: [w, [left], [right]].map((shape) => ({ shape, lo: 0.2, hi: 1 })),
      attrs: undefined,
    });
    return [
      of([3, 4], 3, 4),
      of([2, 3, 3, 2], 2, 18),
      of([2, 2, 2, 3], 8, 3),
      of([1, 1], 1, 1),
      of([5, 1], 5, 1),
      of([1, 17], 1, 17),
      { ...of([37, 500], 37, 500), gradient: false },
    ];
  },
});

interface PowerIterationAttrs {
  iterations: number;
  eps: number;
  transposed: boolean[];
}

const powerIterationOp = defineOp<PowerIterationAttrs>({
  name: 'powerIteration',
  run: (inputs, { iterations, eps, transposed }) =>
    native('powerIteration', inputs, [iterations, eps, ...transposed.map(Number)]),
  samples: () => {
    const of = (
      iterations: number,
      ...weights: { w: number[]; u: number; v: number; transposed: boolean }[]
    ) => ({
      inputs: weights.flatMap(({ w, u, v }) => [{ shape: w }, { shape: [u] }, { shape: [v] }]),
      attrs: { iterations, eps: 1e-12, transposed: weights.map((x) => x.transposed) },
    });
    const large = { w: [70, 3, 3, 300], u: 300, v: 630, transposed: true };
    return [
      of(1, { w: [3, 4], u: 3, v: 4, transposed: false }),
      of(3, { w: [2, 3, 3, 2], u: 2, v: 18, transposed: false }),
      of(2, { w: [2, 2, 2, 3], u: 3, v: 8, transposed: true }),
      of(0, { w: [3, 4], u: 3, v: 4, transposed: false }),
      of(1, { w: [1, 1], u: 1, v: 1, transposed: false }, { w: [4, 3], u: 3, v: 4, transposed: true }),
      of(1, { ...large, w: [300, 3, 3, 70], transposed: false }),
      of(2, large, { w: [2, 5], u: 2, v: 5, transposed: false }),
    ];
  },
});

/**
 * w / σ with σ = leftᵀ A right, A being w as a matrix [left, right] of contiguous rows (Miyato et al. 2018, eq. 8).
 *
 * w of any shape, left [R], right [K], R K = w.size → [w / σ, σ [1]]; σ is a constant to any gradient, w / σ is not.
 * Throws ERR_SHAPE where the sizes do not fit.
 */
export function spectralNorm(w: Tensor, left: Tensor, right: Tensor): [normalised: Tensor, sigma: Tensor] {
  assertTensor(w, 'spectralNorm: w');
  assertTensor(left, 'spectralNorm: left');
  assertTensor(right, 'spectralNorm: right');
  const [y, sigma] = applyAll(spectralNormOp, [w, left, right], undefined);
  return [y, sigma];
}

/** One weight of a power iteration. */
export interface PowerIterated {
  weight: Tensor;
  /** The singular vector of the outputs. */
  u: Tensor;
  /** The singular vector of the inputs. */
  v: Tensor;
  /** Whether the outputs are the weight's last dimension instead of its first. */
  transposed: boolean;
}

/**
 * Improves the first singular vectors of all given weights in one kernel call: u ← A v / |A v|, v ← Aᵀ u / |Aᵀ u|, as
 * often as `iterations` says (default 1), norms being at least eps (default 1e-12). Returns new vectors, the old ones are
 * not touched: [u, v] for each weight. Not differentiable.
 *
 * A is the weight as a matrix [outputs, rest]. Throws ERR_SHAPE unless u and v have as many elements as its sides.
 */
export function powerIteration(
  weights: readonly PowerIterated[],
  { iterations = 1, eps = 1e-12 }: { iterations?: number; eps?: number } = {},
): [u: Tensor, v: Tensor][] {
  for (const { weight, u, v, transposed } of weights) {
    const outputs = transposed ? weight.shape[weight.rank - 1] : weight.shape[0];
    if (weight.rank >= 2 && u.size === outputs && v.size * u.size === weight.size) continue;
    throw new GanvasError(
      'ERR_SHAPE',
      `powerIteration: a weight [${weight.shape}] with ${outputs} outputs does not go with u [${u.shape}] and v [${v.shape}]`,
    );
  }
  if (weights.length === 0) return [];
  const found = applyAll(
    powerIterationOp,
    weights.flatMap(({ weight, u, v }) => [weight, u, v]),
    { iterations, eps, transposed: weights.map((w) => w.transposed) },
  );
  return weights.map((_, i) => [found[2 * i], found[2 * i + 1]]);
}
