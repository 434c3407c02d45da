// Borders made of a tensor's own elements: the modes of `pad` that are not a number. Linear, so they run on resample.ts.

import { GanvasError } from '../../errors.js';
import type { Tensor } from '../tensor.js';
import { type AxisMap, type BorderMode, borderModes, resample } from './resample.js';

/** @internal x inside a border of the given mode; `padding` has a pair of whole numbers for each dimension. */
export function mirror(x: Tensor, padding: readonly (readonly [number, number])[], mode: BorderMode): Tensor {
  if (!borderModes.includes(mode)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `pad: expected a number or one of ${borderModes.join(', ')}, got ${String(mode)}`,
    );
  }
  if (x.dtype !== 'f32' && x.dtype !== 'bf16') {
    throw new GanvasError('ERR_DTYPE', `pad: x must be f32 or bf16 for a ${mode} border, got ${x.dtype}`);
  }
  const maps = padding.map(([before, after], axis): AxisMap | undefined => {
    const n = x.shape[axis];
    if (before === 0 && after === 0) return undefined;
    const widest = { reflect: n - 1, replicate: n > 0 ? Number.MAX_SAFE_INTEGER : 0, circular: n }[mode];
    if (before < 0 || after < 0 || Math.max(before, after) > widest) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `pad: a ${mode} border of [${before}, ${after}] does not fit axis ${axis} of x [${x.shape}]`,
      );
    }
    return { kind: 'border', in: n, out: before + n + after, before, mode };
  });
  return resample(x, maps, 0);
}
