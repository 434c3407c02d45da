// Paths between latents, on plain arrays. Spherical ones, because samples of a high-dimensional Gaussian lie
// near a sphere and the straight line between two of them leaves it (Shoemake 1985; for GANs: White 2016,
// https://arxiv.org/abs/1609.04468), and straight ones for spaces without that shape, such as styles and
// classes.

import { GanvasError } from '../errors.js';

function assertSameLength(name: string, a: Float32Array, b: Float32Array): void {
  if (a.length === b.length) return;
  throw new GanvasError(
    'ERR_SHAPE',
    `${name}: expected two vectors of one length, got ${a.length} and ${b.length}`,
  );
}

/**
 * Linear interpolation: (1 - t) a + t b.
 * @param t from 0 (gives a) to 1 (gives b)
 * @throws GanvasError ERR_SHAPE when the lengths differ
 */
export function lerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  assertSameLength('lerp', a, b);
  return a.map((value, i) => (1 - t) * value + t * b[i]);
}

/**
 * Spherical interpolation: sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between a and b.
 * Falls back to the straight line where that is undefined (parallel, opposite or zero vectors).
 * @param t from 0 (gives a) to 1 (gives b)
 * @throws GanvasError ERR_SHAPE when the lengths differ
 */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  assertSameLength('slerp', a, b);
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = 0; i < a.length; i++) {
    dot += a[i] * b[i];
    squareA += a[i] * a[i];
    squareB += b[i] * b[i];
  }
  const angle = Math.acos(Math.max(-1, Math.min(1, dot / Math.sqrt(squareA * squareB))));
  const sine = Math.sin(angle);
  if (!(sine > 1e-4)) return lerp(a, b, t);
  const weightA = Math.sin((1 - t) * angle) / sine;
  const weightB = Math.sin(t * angle) / sine;
  return a.map((value, i) => weightA * value + weightB * b[i]);
}

export interface PathOptions {
  /** Points from one waypoint to the next, both included. */
  steps: number;
  /**
   * Whether the path leads back to the first waypoint, which is then not repeated at the end. Default false.
   */
  loop?: boolean;
  /** Default 'spherical'. */
  mode?: 'spherical' | 'linear';
}

/**
 * A path through waypoints in their order, one point after the other: of m waypoints (m - 1) (steps - 1) + 1
 * points, in a loop m (steps - 1). Waypoints are exactly on it.
 * @throws GanvasError ERR_ARGUMENT for fewer than two waypoints or two steps, ERR_SHAPE when lengths differ
 */
export function interpolationPath(waypoints: readonly Float32Array[], options: PathOptions): Float32Array {
  const { steps, loop = false, mode = 'spherical' } = options;
  if (!Number.isSafeInteger(steps) || steps < 2) {
    throw new GanvasError('ERR_ARGUMENT', `interpolation: expected at least 2 steps, got ${steps}`);
  }
  if (waypoints.length < 2) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `interpolation: expected at least 2 waypoints, got ${waypoints.length}`,
    );
  }
  const between = mode === 'linear' ? lerp : slerp;
  const legs = loop ? waypoints.length : waypoints.length - 1;
  const points = Array.from({ length: legs * (steps - 1) }, (_, i) => {
    const [leg, step] = [Math.floor(i / (steps - 1)), i % (steps - 1)];
    const [from, to] = [waypoints[leg], waypoints[(leg + 1) % waypoints.length]];
    // At its start too, so that lengths are compared.
    return step === 0 ? lerp(from, to, 0) : between(from, to, step / (steps - 1));
  });
  if (!loop) points.push(waypoints[legs]);
  return joined(points);
}

/** Vectors, one after the other in one array. */
export function joined(vectors: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const vector of vectors) {
    all.set(vector, end);
    end += vector.length;
  }
  return all;
}
