// How much the samples of a batch vary, as features for a discriminator: minibatch standard deviation (PGGAN), a
// composition of single ops, and the pairwise similarities of minibatch discrimination, fused so that no N x N map is
// held. The sums run over pairs of different samples, as in the authors' code; the paper's add 1 for each sample itself.

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample } from '../define.js';
import { inFloat32 } from '../precision.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { add, mul, sub } from './binary.js';
import { concat } from './concat.js';
import { eye } from './create.js';
import { matmul } from './matmul.js';
import { mean, sum } from './reduce.js';
import { broadcastTo, reshape } from './shape.js';
import { abs, cast, exp, neg, sign, sqrt, square } from './unary.js';

// Differences stay away from the kink of |x| in most samples of the tests: values are spread over a grid.
const shapes = [
  [3, 2, 2],
  [4, 1, 3],
  [1, 3, 2],
  [2, 17, 1],
  [5, 3, 1],
  [0, 2, 3],
  [3, 0, 2],
  [3, 2, 0],
];

function samples(inputs: (shape: number[]) => number[][]): Sample<void>[] {
  const of = (shape: number[]) => ({
    inputs: [...inputs(shape).map((s) => ({ shape: s })), { shape, lo: -1, hi: 1 }],
    attrs: undefined,
  });
  return [...shapes.map(of), { ...of([9, 21, 5]), gradient: false }];
}

/** exp(-Σ_c |m_ibc - m_jbc|) without i = j, [N, N, B], and the signs of the differences [N, N, B, C]. */
function pairs(m: Tensor): { alike: Tensor; signs: Tensor; of: (x: Tensor, first: boolean) => Tensor } {
  const [n, ...rest] = m.shape;
  const of = (x: Tensor, first: boolean) =>
    reshape(x, first ? [n, 1, ...x.shape.slice(1)] : [1, n, ...x.shape.slice(1)]);
  const difference = sub(of(m, true), of(m, false));
  const others = reshape(sub(1, eye(n)), [n, n, 1]);
  const alike = mul(exp(neg(sum(abs(difference), -1))), others);
  return { alike: broadcastTo(alike, [n, n, rest[0]]), signs: sign(difference), of };
}

const similarityOp = defineFused<void>({
  name: 'minibatchSimilarity',
  run: (inputs) => native('minibatchSimilarity', inputs),
  vjp: ({ inputs: [m] }, gy) => [similarityGrad(gy, m)],
  fallback: ([m]) => sum(pairs(m).alike, 1),
  samples: () => samples(() => []),
});

const similarityGradOp = defineFused<void>({
  name: 'minibatchSimilarityGrad',
  run: (inputs) => native('minibatchSimilarityGrad', inputs),
  vjp: ({ inputs: [gy, m] }, h) => native('minibatchSimilarityGradGrad', [h, gy, m]),
  fallback: ([gy, m]) => {
    const { alike, signs, of } = pairs(m);
    const weight = mul(alike, add(of(gy, true), of(gy, false)));
    return neg(sum(mul(reshape(weight, [...weight.shape, 1]), signs), 1));
  },
  samples: () => samples(([n, b]) => [[n, b]]),
});

function similarityGrad(gy: Tensor, m: Tensor): Tensor {
  return apply(similarityGradOp, [gy, m], undefined);
}

/** y in x's dtype, which may be bf16. */
const like = (y: Tensor, x: Tensor): Tensor => (y.dtype === x.dtype ? y : cast(y, x.dtype));

/**
 * Minibatch discrimination (Salimans et al. 2016, section 3.2) of projected features: how close each sample is to the
 * others, y[i, b] = Σ over j ≠ i of exp(-Σ_c |m[i, b, c] − m[j, b, c]|).
 *
 * m [N, B, C] → [N, B]. Fused to the second order of gradient, in memory of m's size. Throws ERR_SHAPE for another rank.
 */
export function minibatchSimilarity(m: Tensor): Tensor {
  assertTensor(m, 'minibatchSimilarity: m');
  return apply(similarityOp, [m], undefined);
}

/**
 * Minibatch discrimination: x with minibatchSimilarity(x T) beside it.
 *
 * x [N, A], projection T [A, B, C] → [N, A + B]. Throws ERR_SHAPE where they do not fit.
 */
export function minibatchDiscrimination(x: Tensor, projection: Tensor): Tensor {
  assertTensor(x, 'minibatchDiscrimination: x');
  assertTensor(projection, 'minibatchDiscrimination: the projection');
  if (x.rank !== 2 || projection.rank !== 3 || projection.shape[0] !== x.shape[1]) {
    throw new GanvasError(
      'ERR_SHAPE',
      `minibatchDiscrimination: expected x [N, A] and a projection [A, B, C], got [${x.shape}] and [${projection.shape}]`,
    );
  }
  const [a, b, c] = projection.shape;
  return scope(() => {
    const m = reshape(matmul(x, reshape(projection, [a, b * c])), [x.shape[0], b, c]);
    return concat([x, like(minibatchSimilarity(inFloat32(m)), x)], 1);
  });
}

export interface MinibatchStddevOptions {
  /** How many samples share a deviation; sample n belongs to group n mod (N / groupSize). Default 4, at most N. */
  groupSize?: number;
  /** How many channels are added, each from an equal share of x's. Default 1. */
  features?: number;
}

/**
 * x with the standard deviation over the batch as further channels (Karras et al. 2018, section 3; StyleGAN2's grouping):
 * √(variance over a group of samples + 1e-8) for each pixel and channel, averaged over pixels and over channels.
 *
 * x [N, ..., C] → [N, ..., C + features]. Throws ERR_SHAPE below rank 2, ERR_ARGUMENT unless groupSize (or N, if that is
 * less) divides N and features divides C.
 */
export function minibatchStddev(
  x: Tensor,
  { groupSize = 4, features = 1 }: MinibatchStddevOptions = {},
): Tensor {
  assertTensor(x, 'minibatchStddev: x');
  if (x.rank < 2) {
    throw new GanvasError('ERR_SHAPE', `minibatchStddev: x must be [N, ..., C], got [${x.shape}]`);
  }
  const n = x.shape[0];
  const channels = x.shape[x.rank - 1];
  const group = Math.max(1, Math.min(groupSize, n));
  if (!Number.isSafeInteger(groupSize) || groupSize < 1 || n % group !== 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `minibatchStddev: a batch of ${n} cannot be split into groups of ${String(groupSize)}`,
    );
  }
  if (!Number.isSafeInteger(features) || features < 1 || channels % features !== 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `minibatchStddev: ${channels} channels cannot be split into ${String(features)} features`,
    );
  }
  const pixels = x.shape.slice(1, -1);
  const area = pixels.reduce((product, d) => product * d, 1);
  return scope(() => {
    const grouped = reshape(inFloat32(x), [group, n / group, area, features, channels / features]);
    const centred = sub(grouped, mean(grouped, 0, true));
    const deviation = sqrt(add(mean(square(centred), 0, true), 1e-8));
    const each = mean(deviation, [2, 4], true);
    const planes = broadcastTo(reshape(each, [1, n / group, 1, features]), [
      group,
      n / group,
      area,
      features,
    ]);
    return concat([x, like(reshape(planes, [n, ...pixels, features]), x)], -1);
  });
}

const table = { minibatchStddev, minibatchDiscrimination } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
