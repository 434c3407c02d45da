// Resizing of signals, images and volumes with PyTorch's conventions (F.interpolate), on resample.ts: every mode is
// separable, so two axes are one pass over memory.

import { GanvasError } from '../../errors.js';
import { type MethodsOf, methods, type Tensor } from '../tensor.js';
import { type AxisMap, type Interpolation, interpolations, resample } from './resample.js';
import { assertImages, type PerAxis, perAxis } from './window.js';

export interface ResizeOptions {
  /** Size of the spatial axes of the result; either this or scaleFactor. */
  size?: PerAxis;
  /** Times by which each spatial axis grows, a positive number or one for each; sizes are rounded down. */
  scaleFactor?: PerAxis;
  /** 'bilinear' is linear along every spatial axis, 'bicubic' cubic. Default 'nearest'. */
  mode?: Interpolation;
  /** Whether the centres of the corner pixels stay where they are, instead of their outer edges. Default false. */
  alignCorners?: boolean;
  /** Whether shrinking averages over all the pixels that a result covers, as PIL does. Default false. */
  antialias?: boolean;
}

/** Sizes of the result, and source pixels per result pixel where a factor, not the sizes, decides (0: the sizes). */
function target(x: Tensor, { size, scaleFactor }: ResizeOptions): { out: number; scale: number }[] {
  const from = x.shape.slice(1, -1);
  if ((size === undefined) === (scaleFactor === undefined)) {
    throw new GanvasError('ERR_ARGUMENT', 'resize: expected either size or scaleFactor');
  }
  if (size !== undefined) {
    return perAxis('resize', 'size', size, from.length, 1).map((out) => ({ out, scale: 0 }));
  }
  const factors = typeof scaleFactor === 'number' ? from.map(() => scaleFactor) : scaleFactor;
  const usable = Array.isArray(factors) && factors.length === from.length;
  if (!usable || !factors.every((f) => Number.isFinite(f) && f > 0)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `resize: scaleFactor must be a positive number or ${from.length} of them, got ${JSON.stringify(scaleFactor)}`,
    );
  }
  return from.map((n, i) => {
    const out = Math.floor(n * factors[i]);
    if (out < 1 && n > 0) {
      throw new GanvasError('ERR_SHAPE', `resize: factor ${factors[i]} leaves nothing of x [${x.shape}]`);
    }
    return { out, scale: out === n * factors[i] ? 0 : 1 / factors[i] };
  });
}

/**
 * Resizes all spatial axes: x [N, L, C], [N, H, W, C] or [N, D, H, W, C] → the same with new sizes, f32 or bf16.
 *
 * Numbers are those of PyTorch's F.interpolate: 'nearest' reads pixel ⌊i·H/H'⌋, 'nearest-exact' ⌊(i + ½)·H/H'⌋, the
 * others weigh the 2 or 4 nearest pixels of each axis (cubic: Keys 1981, a = −0.75), or with `antialias` all that lie
 * under the stretched kernel (a = −0.5). A factor that does not divide evenly keeps its own scale, as in PyTorch.
 * Throws ERR_ARGUMENT for impossible options, ERR_SHAPE for an x without pixels, ERR_DTYPE for whole numbers.
 *
 *     resize(x, { scaleFactor: 2, mode: 'bilinear' });
 *     resize(photo, { size: [64, 64], mode: 'bicubic', antialias: true });
 */
export function resize(x: Tensor, options: ResizeOptions): Tensor {
  assertImages('resize', x);
  const { mode = 'nearest', alignCorners = false, antialias = false } = options;
  if (!interpolations.includes(mode)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `resize: mode must be one of ${interpolations.join(', ')}, got ${String(mode)}`,
    );
  }
  if ((alignCorners || antialias) && mode.startsWith('nearest')) {
    throw new GanvasError('ERR_ARGUMENT', `resize: ${mode} takes neither alignCorners nor antialias`);
  }
  const maps = target(x, options).map(({ out, scale }, i): AxisMap | undefined => {
    const from = x.shape[1 + i];
    if (from === 0 && out > 0) {
      throw new GanvasError('ERR_SHAPE', `resize: x [${x.shape}] has no pixels to resize`);
    }
    if (from === out && scale === 0) return undefined;
    return { kind: 'interpolate', in: from, out, mode, alignCorners, antialias, scale };
  });
  return resample(x, maps);
}

const table = { resize } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
