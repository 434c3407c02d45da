// Which channels of an image are colours: what the colour transforms of DiffAugment and ADA share.

import { GanvasError } from '../errors.js';
import { concat, slice } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** Throws ERR_SHAPE unless x is a batch of images [N, H, W, C]. */
export function assertImageBatch(augmentation: string, x: Tensor): void {
  if (x.rank === 4) return;
  throw new GanvasError('ERR_SHAPE', `${augmentation}: expected images [N, H, W, C], got [${x.shape}]`);
}

/** f of the colours of x [N, H, W, C]: of all channels, but of four the first three, as the last is transparency. */
export function onColours(x: Tensor, f: (colours: Tensor) => Tensor): Tensor {
  const [n, h, w, channels] = x.shape;
  if (channels !== 4) return f(x);
  const alpha = slice(x, [0, 0, 0, 3], [n, h, w, 1]);
  return concat([f(slice(x, [0, 0, 0, 0], [n, h, w, 3])), alpha], 3);
}
