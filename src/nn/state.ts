// All-or-nothing loading of named tensors: names, shapes and dtypes are compared before anything is written. Used by
// modules, optimisers, moving averages and checkpoints. Knows no files.

import { didYouMean } from '../config/closest.js';
import { GanvasError } from '../errors.js';
import type { Shape } from '../tensor/tensor.js';

/** What is compared of a tensor; a Tensor and a tensor read from a file both have it. */
export interface Described {
  readonly shape: Shape;
  readonly dtype: string;
}

const mostListed = 8;

/**
 * Throws ERR_CHECKPOINT unless both have the same names with the same shapes and dtypes; the message lists what is
 * missing, unexpected (with the nearest expected name) and mismatched.
 */
export function assertSameState(
  expected: Readonly<Record<string, Described>>,
  given: Readonly<Record<string, Described>>,
  what: string,
): void {
  const missing = Object.keys(expected).filter((name) => !Object.hasOwn(given, name));
  const problems = missing.map((name) => `missing "${name}" [${expected[name].shape}]`);
  for (const [name, { shape, dtype }] of Object.entries(given)) {
    if (!Object.hasOwn(expected, name)) {
      problems.push(
        `unexpected "${name}"${didYouMean(name, missing.length > 0 ? missing : Object.keys(expected))}`,
      );
      continue;
    }
    const wanted = expected[name];
    const same = shape.length === wanted.shape.length && shape.every((size, i) => size === wanted.shape[i]);
    if (!same) problems.push(`"${name}" has shape [${shape}], expected [${wanted.shape}]`);
    if (dtype !== wanted.dtype) problems.push(`"${name}" is ${dtype}, expected ${wanted.dtype}`);
  }
  if (problems.length === 0) return;
  const more = problems.length > mostListed ? `\n  and ${problems.length - mostListed} more` : '';
  throw new GanvasError(
    'ERR_CHECKPOINT',
    `${what}: the tensors do not fit, nothing was loaded:\n  ${problems.slice(0, mostListed).join('\n  ')}${more}`,
  );
}
