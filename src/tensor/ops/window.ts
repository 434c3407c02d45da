// Options of the ops that slide windows over images: one number for all spatial axes, or one for each. Spatial axes are
// those between the batch and the channels: [N, L, C], [N, H, W, C], [N, D, H, W, C].

import { GanvasError } from '../../errors.js';
import { assertTensor, type Tensor } from '../tensor.js';

/** One number for every spatial axis, or one number for each. */
export type PerAxis = number | readonly number[];

/** @internal Throws ERR_SHAPE or ERR_DTYPE unless x holds images of `spatial` axes (any from 1 to 3 by default). */
export function assertImages(op: string, x: Tensor, spatial?: number): void {
  assertTensor(x, `${op}: x`);
  const axes = x.rank - 2;
  if (spatial === undefined ? axes < 1 || axes > 3 : axes !== spatial) {
    const layouts = ['[N, L, C]', '[N, H, W, C]', '[N, D, H, W, C]'];
    const wanted = spatial === undefined ? layouts.join(' or ') : layouts[spatial - 1];
    throw new GanvasError('ERR_SHAPE', `${op}: x must be ${wanted}, got [${x.shape}]`);
  }
  if (x.dtype !== 'f32' && x.dtype !== 'bf16') {
    throw new GanvasError('ERR_DTYPE', `${op}: x must be f32 or bf16, got ${x.dtype}`);
  }
}

/** @internal `value` for each of `count` axes; ERR_ARGUMENT unless they are whole numbers of at least `least`. */
export function perAxis(op: string, name: string, value: PerAxis, count: number, least: number): number[] {
  const list = typeof value === 'number' ? new Array<number>(count).fill(value) : value;
  const fits = Array.isArray(list) && list.length === count;
  if (!fits || !list.every((v) => Number.isSafeInteger(v) && v >= least)) {
    const each = count === 1 ? 'a whole number' : `a whole number or ${count} of them`;
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${op}: ${name} must be ${each}, at least ${least}, got ${JSON.stringify(value)}`,
    );
  }
  return [...list];
}
