// The Fréchet distance between two sets of feature vectors, each taken as a normal distribution: the arithmetic of
// FID, whatever the features are. Everything is in f64. Nothing here extracts features.

import { GanvasError } from '../errors.js';
import { moments, traceSqrtProduct } from '../tensor/ops/linalg.js';
import { assertTensor, type Tensor } from '../tensor/tensor.js';

/** Mean and covariance of a number of feature vectors of length d, in f64. */
export interface FeatureStatistics {
  /** How many vectors. */
  count: number;
  /** [d]. */
  mean: Float64Array;
  /** [d, d], row-major, with the divisor count - 1 (numpy.cov's). */
  covariance: Float64Array;
}

/**
 * Mean and covariance of the rows of `features` [n, d], f32, summed in f64. For sets too large for one tensor, merge
 * the statistics of parts with mergeStatistics.
 * Throws ERR_SHAPE unless features is [n, d] with at least two rows, ERR_DTYPE unless it is f32.
 */
export async function featureStatistics(features: Tensor): Promise<FeatureStatistics> {
  assertTensor(features, 'featureStatistics: features');
  if (features.rank !== 2 || features.shape[0] < 2) {
    throw new GanvasError(
      'ERR_SHAPE',
      `featureStatistics: expected features of shape [n, d] with n ≥ 2, got [${features.shape}]`,
    );
  }
  const [count] = features.shape;
  const { mean, scatter } = await moments(features);
  return { count, mean, covariance: scatter.map((v) => v / (count - 1)) };
}

/**
 * The statistics of two sets together, from those of each (Chan, Golub and LeVeque 1983): exact up to rounding.
 * Throws ERR_SHAPE unless both have the same number of features.
 */
export function mergeStatistics(a: FeatureStatistics, b: FeatureStatistics): FeatureStatistics {
  const d = dimension('mergeStatistics', a, b);
  const count = a.count + b.count;
  const delta = b.mean.map((v, i) => v - a.mean[i]);
  const mean = a.mean.map((v, i) => v + (delta[i] * b.count) / count);
  const cross = (a.count * b.count) / count;
  const covariance = a.covariance.map((v, at) => {
    const outer = delta[Math.floor(at / d)] * delta[at % d] * cross;
    return (v * (a.count - 1) + b.covariance[at] * (b.count - 1) + outer) / (count - 1);
  });
  return { count, mean, covariance };
}

function dimension(
  what: string,
  a: Pick<FeatureStatistics, 'mean' | 'covariance'>,
  b: Pick<FeatureStatistics, 'mean' | 'covariance'>,
): number {
  const d = a.mean.length;
  const fits = b.mean.length === d && a.covariance.length === d * d && b.covariance.length === d * d;
  if (!fits) {
    const sizes = [a, b].map((s) => `${s.mean.length} and ${s.covariance.length}`).join('; ');
    throw new GanvasError(
      'ERR_SHAPE',
      `${what}: expected means of d and covariances of d × d numbers, got ${sizes}`,
    );
  }
  return d;
}

/**
 * The Fréchet (2-Wasserstein) distance, squared, between normal distributions N(μ₁, Σ₁) and N(μ₂, Σ₂):
 *
 *     |μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 √(Σ₁Σ₂))
 *
 * (Dowson and Landau 1982; as a distance of generated images to real ones, "FID": Heusel et al. 2017). Means are [d],
 * covariances [d, d], row-major, symmetric and positive semidefinite; singular ones (fewer images than features) need
 * no correction. Grows as d³: seconds for d = 2048, on the engine's thread, the event loop stays free.
 *
 * Rejects with ERR_SHAPE where the sizes do not fit together. A matrix that is not finite gives NaN.
 */
export async function frechetDistance(
  mean1: Float64Array,
  covariance1: Float64Array,
  mean2: Float64Array,
  covariance2: Float64Array,
): Promise<number> {
  const d = dimension(
    'frechetDistance',
    { mean: mean1, covariance: covariance1 },
    { mean: mean2, covariance: covariance2 },
  );
  let distance = 0;
  for (let i = 0; i < d; i++) {
    distance += (mean1[i] - mean2[i]) ** 2 + covariance1[i * (d + 1)] + covariance2[i * (d + 1)];
  }
  return distance - 2 * (await traceSqrtProduct(covariance1, covariance2, d));
}
