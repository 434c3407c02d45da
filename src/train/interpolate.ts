// Paths between latent vectors. Spherical, because samples of a high-dimensional Gaussian lie near a sphere
// and the straight line between two of them leaves it. Shoemake 1985; for GANs: White 2016,
// https://arxiv.org/abs/1609.04468

import { GanvasError } from '../errors.js';

/**
 * Spherical interpolation: sin((1 - t) w) / sin(w) a + sin(t w) / sin(w) b, w the angle between a and b.
 * Falls back to the straight line where that is undefined (parallel, opposite or zero vectors).
 * @param t from 0 (gives a) to 1 (gives b)
 * @throws GanvasError ERR_SHAPE when the lengths differ
 */
export function slerp(a: Float32Array, b: Float32Array, t: number): Float32Array {
  if (a.length !== b.length) {
    throw new GanvasError(
      'ERR_SHAPE',
      `slerp: expected two vectors of one length, got ${a.length} and ${b.length}`,
    );
  }
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
  const curved = sine > 1e-4;
  const weightA = curved ? Math.sin((1 - t) * angle) / sine : 1 - t;
  const weightB = curved ? Math.sin(t * angle) / sine : t;
  return a.map((value, i) => weightA * value + weightB * b[i]);
}

/** `steps` latents from a to b inclusive, [steps, a.length]. Throws ERR_ARGUMENT for fewer than two steps. */
export function interpolationPath(a: Float32Array, b: Float32Array, steps: number): Float32Array {
  if (!Number.isSafeInteger(steps) || steps < 2) {
    throw new GanvasError('ERR_ARGUMENT', `interpolation: expected at least 2 steps, got ${steps}`);
  }
  const path = new Float32Array(steps * a.length);
  for (let i = 0; i < steps; i++) path.set(slerp(a, b, i / (steps - 1)), i * a.length);
  return path;
}
