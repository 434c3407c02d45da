// What a data set is to the rest of ganvas: numbered images of one size, given as batches of bytes. Images
// need not be in memory. Implementations: in memory (memory.ts), decoded on demand (decoded.ts).

import { GanvasError } from '../errors.js';
import type { HostRandom } from './random.js';

export interface Dataset {
  /** Short, fit for a directory name: `mnist`. */
  readonly name: string;
  /** Number of images. */
  readonly length: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Names of the classes, when there are any. */
  readonly classes?: readonly string[];
  /** Class of each image, when there are any. */
  readonly labels?: Uint8Array | Int32Array;
  /** Name of each image, where images have one: `santa`. */
  readonly names?: readonly string[];
  /** Images that were found but cannot be used; grows while broken ones are discovered. */
  readonly skipped?: readonly SkippedImage[];
  /**
   * The images `indices`, as u8 [indices.length, height, width, channels], in a buffer of the caller's own:
   * `target` if it is given (of exactly that size; a loader reuses its buffers), otherwise a new one.
   * Depends on nothing but the indices and `random`, which augmentation draws from.
   */
  batch(indices: Int32Array, random: HostRandom, target?: Uint8Array): Promise<Uint8Array>;
}

export interface SkippedImage {
  path: string;
  reason: string;
}

export interface DatasetOptions {
  /** Pixels; default: the data set's own size, 64 for a folder of images. */
  height?: number;
  /** Pixels; default as for `height`. */
  width?: number;
  /** 1, 3 or 4; default: the data set's own, 3 for a folder of images. */
  channels?: number;
  /** Mirror each image left to right with probability 1/2; default false. */
  flip?: boolean;
  /** Decoded images are kept while all together they take at most this many bytes; default 1 GiB. */
  cacheBytes?: number;
  /** Told in plain words about what is skipped. */
  onWarning?: (message: string) => void;
}

const longestSide = 16384;

/**
 * The image size asked for, with `fallback` for what is not given; one side given alone means a square.
 * @throws GanvasError ERR_ARGUMENT unless sides are integers from 1 to 16384 and channels 1, 3 or 4
 */
export function resolveImageShape(
  options: Pick<DatasetOptions, 'height' | 'width' | 'channels'>,
  fallback: { height: number; width: number; channels: number },
  source: string,
): { height: number; width: number; channels: 1 | 3 | 4 } {
  const height = options.height ?? options.width ?? fallback.height;
  const width = options.width ?? options.height ?? fallback.width;
  const channels = options.channels ?? fallback.channels;
  for (const side of [height, width]) {
    if (!Number.isSafeInteger(side) || side < 1 || side > longestSide) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `${source}: expected sides of 1 to ${longestSide} pixels, got ${side}`,
      );
    }
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new GanvasError('ERR_ARGUMENT', `${source}: expected 1, 3 or 4 channels, got ${channels}`);
  }
  return { height, width, channels };
}
