// One latent with a part of it taking several values, to see what the part means (Chen et al. 2016, figure
// 2).

import { GanvasError } from '../errors.js';
import type { Code } from '../networks/codes.js';

/**
 * `steps` numbers from `from` to `to` inclusive, evenly spaced; of one step, `from`. Throws ERR_ARGUMENT for
 * no steps.
 */
export function evenly(from: number, to: number, steps: number): number[] {
  if (!Number.isSafeInteger(steps) || steps < 1) {
    throw new GanvasError('ERR_ARGUMENT', `expected at least 1 step, got ${steps}`);
  }
  return Array.from({ length: steps }, (_, i) =>
    i === steps - 1 && i > 0 ? to : from + (i * (to - from)) / Math.max(1, steps - 1),
  );
}

/**
 * Copies of a latent in which one code takes values in turn, one copy after the other.
 * @param code of a categorical one, a copy for each of its values; any coordinate k is
 *   `{ kind: 'continuous', start: k, size: 1 }`
 * @param values of a continuous code, which must be one number
 * @throws GanvasError ERR_SHAPE when the latent does not have the code, ERR_ARGUMENT for continuous codes of
 *   several numbers, or without values
 */
export function traversal(
  z: Float32Array,
  { kind, start, size }: Pick<Code, 'kind' | 'start' | 'size'>,
  values: readonly number[] = [],
): Float32Array {
  const end = start + size;
  if (!(Number.isSafeInteger(start) && start >= 0 && end <= z.length)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `traversal: a latent of ${z.length} numbers has no coordinates ${start} to ${end - 1}`,
    );
  }
  const categorical = kind === 'categorical';
  if (!categorical && (size !== 1 || values.length === 0)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `traversal: expected values for one number, got ${values.length} for a code of ${size}`,
    );
  }
  const steps = categorical ? size : values.length;
  const path = new Float32Array(steps * z.length);
  for (let step = 0; step < steps; step++) {
    const first = step * z.length;
    path.set(z, first);
    if (categorical) path.fill(0, first + start, first + end);
    path[first + start + (categorical ? step : 0)] = categorical ? 1 : values[step];
  }
  return path;
}
