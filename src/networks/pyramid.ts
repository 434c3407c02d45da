// What progressive networks and StyleGAN2 have in common: the sizes they pass through, a small base doubled
// until it is the image, with the channels of each, and the last layers of their discriminators. The other
// layers are in the files of the two families.

import { GanvasError } from '../errors.js';
import { EqualizedConv2d, EqualizedLinear } from '../nn/equalized.js';
import { Module } from '../nn/module.js';
import { minibatchStddev, reshape } from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { ImageDims } from './dims.js';

const leastBase = 3;
const mostBase = 7;

export interface Pyramid {
  /** [height, width] from the base to the image, each twice the one before. */
  readonly sizes: readonly (readonly [number, number])[];
  /** Channels at each of these sizes. */
  readonly channels: readonly number[];
}

export interface PyramidOptions {
  /**
   * Channels at the size of the image; half as many pixels a side have twice as many channels. Default 32.
   */
  baseWidth?: number;
  /** The most channels that any size gets. Default 512. */
  maxWidth?: number;
  /** How many times as many channels half as many pixels a side have. Default 2. */
  widthGrowth?: number;
}

/** How often both sides can be halved with at least 3 pixels left. */
function halvingsOf(height: number, width: number): number {
  let count = 0;
  for (let unit = 2; height % unit === 0 && width % unit === 0; unit *= 2) {
    if (Math.min(height, width) / unit < leastBase) break;
    count++;
  }
  return count;
}

const shortSideOfBase = (height: number, width: number): number =>
  Math.min(height, width) / 2 ** halvingsOf(height, width);

const fits = (height: number, width: number): boolean => {
  const short = shortSideOfBase(height, width);
  return short >= leastBase && short <= mostBase;
};

/** The size that fits with the fewest more pixels. */
function nearestSize(height: number, width: number): [number, number] {
  const up = (side: number, unit: number) => unit * Math.max(leastBase, Math.ceil(side / unit));
  const candidates: [number, number][] = [];
  for (let unit = 1; unit <= 2 * Math.max(height, width, 1); unit *= 2) {
    const size: [number, number] = [up(height, unit), up(width, unit)];
    if (fits(...size)) candidates.push(size);
  }
  return candidates.reduce((best, size) => (size[0] * size[1] < best[0] * best[1] ? size : best));
}

/**
 * The sizes and channels for images of these dims. The shorter side of the base has 3 to 7 pixels: 28 x 28
 * comes from 7 x 7, 64 x 64 from 4 x 4, 48 x 64 from 3 x 4. Channels are min(baseWidth · widthGrowth^halvings,
 * maxWidth), which is the min(32768 · fmaps / resolution, 512) of StyleGAN2 for the baseWidth 32768 · fmaps /
 * resolution of the image.
 *
 * @param model for the message
 * @throws GanvasError ERR_CONFIG for other sizes; the message proposes the nearest one that fits
 */
export function pyramidOf(
  model: string,
  { height, width }: ImageDims,
  { baseWidth = 32, maxWidth = 512, widthGrowth = 2 }: PyramidOptions = {},
): Pyramid {
  if (!fits(height, width)) {
    const [nearHeight, nearWidth] = nearestSize(height, width);
    throw new GanvasError(
      'ERR_CONFIG',
      `${model}: height and width must be ${leastBase} to ${mostBase} pixels doubled some number of times ` +
        `(the longer side may begin with more), got ${height} x ${width}; ` +
        `try --height ${nearHeight} --width ${nearWidth}`,
    );
  }
  const halvings = halvingsOf(height, width);
  const halved = Array.from({ length: halvings + 1 }, (_, level) => halvings - level);
  return {
    sizes: halved.map((n) => [height / 2 ** n, width / 2 ** n] as const),
    channels: halved.map((n) => Math.min(baseWidth * widthGrowth ** n, maxWidth)),
  };
}

/**
 * How many samples of a batch share a deviation: the largest divisor of the batch from 2 to 4, or else the
 * smallest above, so that a batch of any size can be judged. The papers' batches are multiples of 4.
 */
function deviationGroup(batch: number): number {
  const divisors = Array.from({ length: batch }, (_, i) => i + 1).filter((d) => d > 1 && batch % d === 0);
  return divisors.findLast((d) => d <= 4) ?? divisors[0] ?? 1;
}

/**
 * The end of both discriminators (Karras et al. 2018, table 2): minibatch standard deviation, 3 x 3
 * convolution and a linear layer, with leaky ReLU: [n, h, w, C] → [n, C].
 */
export class PyramidTop extends Module {
  readonly convolution: EqualizedConv2d;
  readonly linear: EqualizedLinear;

  constructor({ sizes: [[height, width]], channels: [channels] }: Pyramid) {
    super();
    this.convolution = new EqualizedConv2d(channels + 1, channels, 3, { activation: 'leakyRelu' });
    this.linear = new EqualizedLinear(height * width * channels, channels, { activation: 'leakyRelu' });
  }

  forward(x: Tensor): Tensor {
    const [n] = x.shape;
    const y = this.convolution.forward(minibatchStddev(x, { groupSize: deviationGroup(n) }));
    return this.linear.forward(reshape(y, [n, -1]));
  }
}
