// Layers that change the size of images without weights: resizing, sub-pixel rearrangement, borders, and the filtered
// up- and downsampling of StyleGAN2. Images are [N, H, W, C].

import { GanvasError } from '../errors.js';
import {
  type BorderMode,
  downsample2d,
  type Filter,
  filter2d,
  pad,
  pixelShuffle,
  pixelUnshuffle,
  type ResizeOptions,
  resize,
  setupFilter,
  upsample2d,
} from '../tensor/ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { assertCount, Module } from './module.js';

/** Resizes to a size or by a factor, as resize: `new Upsample({ scaleFactor: 2, mode: 'bilinear' })`. */
export class Upsample extends Module {
  constructor(readonly options: ResizeOptions) {
    super();
  }

  forward(x: Tensor): Tensor {
    return resize(x, this.options);
  }
}

/** [N, H, W, C·r²] → [N, H·r, W·r, C]. */
export class PixelShuffle extends Module {
  constructor(readonly factor: number) {
    super();
    assertCount(factor, 'PixelShuffle: factor');
  }

  forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.factor);
  }
}

/** [N, H·r, W·r, C] → [N, H, W, C·r²]. */
export class PixelUnshuffle extends Module {
  constructor(readonly factor: number) {
    super();
    assertCount(factor, 'PixelUnshuffle: factor');
  }

  forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.factor);
  }
}

/** Width of a border: a number, [height, width], or [[top, bottom], [left, right]]. */
export type BorderSize =
  | number
  | readonly [number, number]
  | readonly [readonly [number, number], readonly [number, number]];

/** A border around images; the subclasses say what it is made of. */
abstract class Pad2d extends Module {
  readonly #padding: readonly (readonly [number, number])[];

  constructor(
    layer: string,
    padding: BorderSize,
    readonly fill: number | BorderMode,
  ) {
    super();
    const both = typeof padding === 'number' ? [padding, padding] : padding;
    const sides = both.map((p): readonly [number, number] => (typeof p === 'number' ? [p, p] : p));
    if (sides.length !== 2 || !sides.flat().every((n) => Number.isSafeInteger(n) && n >= 0)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${layer}: padding must be whole numbers of at least 0, got ${JSON.stringify(padding)}`,
      );
    }
    this.#padding = [[0, 0], ...sides, [0, 0]];
  }

  forward(x: Tensor): Tensor {
    return pad(x, this.#padding, this.fill);
  }
}

/** A border that mirrors the image without repeating its outermost pixels. */
export class ReflectionPad2d extends Pad2d {
  constructor(padding: BorderSize) {
    super('ReflectionPad2d', padding, 'reflect');
  }
}

/** A border that repeats the outermost pixels. */
export class ReplicationPad2d extends Pad2d {
  constructor(padding: BorderSize) {
    super('ReplicationPad2d', padding, 'replicate');
  }
}

/** A border of zeros. */
export class ZeroPad2d extends Pad2d {
  constructor(padding: BorderSize) {
    super('ZeroPad2d', padding, 0);
  }
}

export interface BlurOptions {
  /** Times by which the image grows before filtering. Default 1. */
  up?: number;
  /** Every how many pixels are kept after filtering. Default 1; not together with `up`. */
  down?: number;
}

/** Filters images with a fixed filter, normalised to sum 1 (default [1, 3, 3, 1]), and perhaps resamples them. */
export class Blur extends Module {
  readonly filter: Filter;
  readonly #up: number;
  readonly #down: number;

  /** @throws GanvasError ERR_ARGUMENT for a filter without a sum, or both `up` and `down` */
  constructor(filter: Filter = [1, 3, 3, 1], { up = 1, down = 1 }: BlurOptions = {}) {
    super();
    assertCount(up, 'Blur: up');
    assertCount(down, 'Blur: down');
    if (up > 1 && down > 1) {
      throw new GanvasError('ERR_ARGUMENT', `Blur: either up or down, got ${up} and ${down}`);
    }
    this.filter = setupFilter(filter);
    this.#up = up;
    this.#down = down;
  }

  forward(x: Tensor): Tensor {
    if (this.#up > 1) return upsample2d(x, this.filter, { up: this.#up });
    if (this.#down > 1) return downsample2d(x, this.filter, { down: this.#down });
    return filter2d(x, this.filter);
  }
}
