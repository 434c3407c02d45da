// DiffAugment (Zhao et al. 2020): the same kinds of random change to every image that the discriminator sees, real and
// generated, in both phases of the game. Always on, unlike ada.ts. Made of differentiable ops, to any order; the numbers
// are drawn on the device.

import { GanvasError } from '../errors.js';
import {
  add,
  arange,
  gather,
  greaterEqual,
  less,
  mean,
  mul,
  pad,
  randint,
  reshape,
  sub,
  uniform,
  where,
} from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertImageBatch, onColours } from './colours.js';

export interface DiffAugmentOptions {
  /** What random numbers are drawn from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

type Change = (x: Tensor, generator?: Generator) => Tensor;

/** One number for each image, to broadcast with images. */
const perImage = (x: Tensor): number[] => [x.shape[0], 1, 1, 1];

/** The row or column numbers of images, to broadcast with one number for each image. */
function positions(x: Tensor, axis: 1 | 2): Tensor {
  return reshape(
    arange(0, x.shape[axis], 1, 'i32'),
    x.shape.map((size, i) => (i === axis ? size : 1)),
  );
}

/** centre + factor (x - centre) */
function stretched(x: Tensor, centre: Tensor, factor: Tensor): Tensor {
  return add(mul(sub(x, centre), factor), centre);
}

/** Brightness, then saturation: the distance from grey, then contrast: the distance from the image's mean. */
const color: Change = (x, generator) =>
  onColours(x, (colours) => {
    const draw = (low: number, high: number) => uniform(perImage(x), { low, high, generator });
    const brighter = add(colours, draw(-0.5, 0.5));
    const saturated = stretched(brighter, mean(brighter, 3, true), draw(0, 2));
    return stretched(saturated, mean(saturated, [1, 2, 3], true), draw(0.5, 1.5));
  });

/** By whole pixels, up to an eighth of each side; 0, the middle grey, comes in from outside. */
const translation: Change = (x, generator) => {
  const [n, height, width, channels] = x.shape;
  const [down, right] = [height, width].map((side) => Math.floor(side / 8));
  const shift = (most: number) => randint(perImage(x), -most, most + 1, { generator });
  const rows = add(sub(positions(x, 1), shift(down)), down);
  const columns = add(sub(positions(x, 2), shift(right)), right);
  const framed = pad(x, [
    [0, 0],
    [down, down],
    [right, right],
    [0, 0],
  ]);
  const [framedHeight, framedWidth] = [height + 2 * down, width + 2 * right];
  const image = reshape(arange(0, n, 1, 'i32'), perImage(x));
  const index = add(mul(add(mul(image, framedHeight), rows), framedWidth), columns);
  const pixels = reshape(framed, [n * framedHeight * framedWidth, channels]);
  return gather(pixels, reshape(index, [n, height, width]));
};

/** A rectangle of half of each side becomes 0; it may reach over the border by half of itself. */
const cutout: Change = (x, generator) => {
  const inside = (axis: 1 | 2) => {
    const side = x.shape[axis];
    const size = Math.floor(side / 2);
    const begin = sub(randint(perImage(x), 0, side + 1 - (size % 2), { generator }), Math.floor(size / 2));
    const distance = sub(positions(x, axis), begin);
    return mul(greaterEqual(distance, 0), less(distance, size));
  };
  return where(mul(inside(1), inside(2)), 0, x);
};

const changes: Readonly<Record<string, Change>> = { color, translation, cutout };

/**
 * Augments each image by random changes of its own (Zhao et al. 2020; constants of the authors' code):
 *
 * - `color`: brightness + U(-0.5, 0.5), saturation × U(0, 2), contrast × U(0.5, 1.5). Transparency is left alone.
 * - `translation`: up to an eighth of each side, filled with 0.
 * - `cutout`: a rectangle of half of each side becomes 0.
 *
 * Let both phases judge augmented images: D(diffAugment(x)), D(diffAugment(G(z))).
 *
 * @param x [N, H, W, C] in [-1, 1], any size; what comes out may leave [-1, 1]
 * @param policy names from above, applied in this order: 'color,translation,cutout' (default), or fewer
 * @throws GanvasError ERR_SHAPE unless x is [N, H, W, C], ERR_ARGUMENT for an unknown name
 */
export function diffAugment(
  x: Tensor,
  policy = 'color,translation,cutout',
  { generator }: DiffAugmentOptions = {},
): Tensor {
  assertImageBatch('diffAugment', x);
  return policy.split(',').reduce((images, name) => {
    if (!Object.hasOwn(changes, name)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `diffAugment: the policy must be names out of ${Object.keys(changes).join(', ')}, ` +
          `separated by commas, got "${policy}"`,
      );
    }
    return changes[name](images, generator);
  }, x);
}
