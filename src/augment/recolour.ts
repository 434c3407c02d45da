// Affine maps of colours, one for each image of a batch: the colour half of ADA's pipeline in one matrix. What the numbers
// are is drawn in ada.ts.

import { add, cos, eye, matmul, mul, reshape, sin, sub, tensor } from '../tensor/ops/index.js';
import { withPrecision } from '../tensor/precision.js';
import type { Tensor } from '../tensor/tensor.js';

/** Numbers for each image, all f32 [N]. */
export interface ColourChange {
  /** Added to every colour; 0 changes nothing. */
  brightness: Tensor;
  /** What every colour is then multiplied by; 1 changes nothing. */
  contrast: Tensor;
  /** 1, or -1 to turn the luma, the mean of the colours, into its negative. */
  luma: Tensor;
  /** Angle in radians by which colours are turned around the grey axis; 0 changes nothing. */
  hue: Tensor;
  /** Factor of the distance from grey; 1 changes nothing. */
  saturation: Tensor;
}

const root = 1 / Math.sqrt(3);
/** Projects colours onto the grey axis. */
const grey = Array.from({ length: 3 }, () => [1 / 3, 1 / 3, 1 / 3]);
/** The vector product with the unit vector of the grey axis. */
const around = [
  [0, -root, root],
  [root, 0, -root],
  [-root, root, 0],
];

/**
 * Brightness, contrast, luma, hue and saturation changed in this order. With l the luma of a colour x and v the unit
 * vector of grey: luma · contrast (l + brightness) + saturation · contrast (cos(hue) (x - l) + sin(hue) v × x).
 * @param x [N, H, W, 3], or [N, H, W, 1], which has no hue and no saturation
 */
export function recoloured(x: Tensor, { brightness, contrast, luma, hue, saturation }: ColourChange): Tensor {
  const [n, height, width, channels] = x.shape;
  const perImage = (t: Tensor) => reshape(t, [n, 1, 1]);
  const gain = perImage(mul(contrast, luma));
  const offset = mul(gain, perImage(brightness));
  const pixels = reshape(x, [n, height * width, channels]);
  if (channels === 1) return reshape(add(mul(pixels, gain), offset), x.shape);
  const strength = mul(contrast, saturation);
  const along = perImage(mul(strength, cos(hue)));
  const across = perImage(mul(strength, sin(hue)));
  // Written so that no change at all is the identity matrix, to the bit.
  const greyAndRest = add(mul(along, eye(3)), mul(sub(gain, along), tensor(grey)));
  const matrix = add(greyAndRest, mul(across, tensor(around)));
  const turned = withPrecision('f32', () => matmul(pixels, matrix, { transB: true }));
  return reshape(add(turned, offset), x.shape);
}
