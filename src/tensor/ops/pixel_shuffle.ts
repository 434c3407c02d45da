// Sub-pixel rearrangement (Shi et al. 2016): channels to pixels and back. Nothing is computed, so these are views and a
// transposition; channels are ordered as in PyTorch, so that weights trained there fit.

import { GanvasError } from '../../errors.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { reshape, transpose } from './shape.js';

function assertFactor(op: string, x: Tensor, factor: number): void {
  assertTensor(x, `${op}: x`);
  if (x.rank !== 4) throw new GanvasError('ERR_SHAPE', `${op}: x must be [N, H, W, C], got [${x.shape}]`);
  if (!Number.isSafeInteger(factor) || factor < 1) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: the factor must be a whole number of at least 1, got ${String(factor)}`,
    );
  }
}

/**
 * Channels become pixels: y[n, i·r + u, j·r + v, c] = x[n, i, j, c·r² + u·r + v].
 * x [N, H, W, C·r²] → [N, H·r, W·r, C]. Throws ERR_SHAPE unless the channels divide by r².
 */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  assertFactor('pixelShuffle', x, factor);
  const [n, h, w, c] = x.shape;
  const channels = c / factor ** 2;
  if (!Number.isInteger(channels)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `pixelShuffle: the channels of x [${x.shape}] must be a multiple of ${factor}² = ${factor ** 2}`,
    );
  }
  return scope(() => {
    const parts = transpose(reshape(x, [n, h, w, channels, factor, factor]), [0, 1, 4, 2, 5, 3]);
    return reshape(parts, [n, h * factor, w * factor, channels]);
  });
}

/**
 * Pixels become channels, the inverse of pixelShuffle: [N, H, W, C] → [N, H/r, W/r, C·r²].
 * Throws ERR_SHAPE unless height and width divide by r.
 */
export function pixelUnshuffle(x: Tensor, factor: number): Tensor {
  assertFactor('pixelUnshuffle', x, factor);
  const [n, height, width, c] = x.shape;
  const [h, w] = [height / factor, width / factor];
  if (!Number.isInteger(h) || !Number.isInteger(w)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `pixelUnshuffle: height and width of x [${x.shape}] must be multiples of ${factor}`,
    );
  }
  return scope(() => {
    const parts = transpose(reshape(x, [n, h, factor, w, factor, c]), [0, 1, 3, 5, 2, 4]);
    return reshape(parts, [n, h, w, c * factor ** 2]);
  });
}

const table = { pixelShuffle, pixelUnshuffle } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
