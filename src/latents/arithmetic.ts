// Sums of latents (Radford et al. 2016, section 6.3.2: man with glasses - man + woman), on plain arrays.

import { GanvasError } from '../errors.js';
import { uniform } from '../tensor/ops/index.js';
import { Generator as RandomGenerator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';

/**
 * The mean of vectors of one length: a single latent is a poor example of what it shows, the mean of three a
 * good one.
 * @throws GanvasError ERR_ARGUMENT for no vectors, ERR_SHAPE when lengths differ
 */
export function meanVector(vectors: readonly Float32Array[]): Float32Array {
  if (vectors.length === 0) {
    throw new GanvasError('ERR_ARGUMENT', 'meanVector: expected at least one vector, got none');
  }
  const [{ length }] = vectors;
  const sums = new Float64Array(length);
  for (const vector of vectors) {
    if (vector.length !== length) {
      throw new GanvasError(
        'ERR_SHAPE',
        `meanVector: expected vectors of one length, got ${length} and ${vector.length}`,
      );
    }
    vector.forEach((value, i) => {
      sums[i] += value;
    });
  }
  return Float32Array.from(sums, (sum) => sum / vectors.length);
}

/**
 * base - minus + plus: what `plus` is to `minus`, the result is to `base`.
 * @throws GanvasError ERR_SHAPE when lengths differ
 */
export function analogy(base: Float32Array, minus: Float32Array, plus: Float32Array): Float32Array {
  if (base.length !== minus.length || base.length !== plus.length) {
    throw new GanvasError(
      'ERR_SHAPE',
      `analogy: expected vectors of one length, got ${base.length}, ${minus.length} and ${plus.length}`,
    );
  }
  return base.map((value, i) => value - minus[i] + plus[i]);
}

/**
 * `count` points around one, each value moved by U(-distance, distance), one point after the other; same
 * seed, same points. The paper shows 8 at 0.25 around its results.
 * @throws GanvasError ERR_ARGUMENT for an impossible seed, count or distance
 */
export async function neighbours(
  point: Float32Array,
  count: number,
  { distance = 0.25, seed = 0 }: { distance?: number; seed?: number } = {},
): Promise<Float32Array> {
  if (!Number.isSafeInteger(count) || count < 1 || !(distance >= 0 && Number.isFinite(distance))) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `neighbours: expected a count of at least 1 and a distance of at least 0, got ${count} and ${distance}`,
    );
  }
  const generator = new RandomGenerator(seed);
  const noise = await scope(() =>
    uniform([count, point.length], { low: -distance, high: distance, generator }).data(),
  );
  return Float32Array.from(noise, (value, i) => point[i % point.length] + value);
}
