// A data set whose images all lie in memory, as one array of bytes. The base of MNIST and its relatives, and
// the way to train on images a program made itself.

import { GanvasError } from '../errors.js';
import type { Dataset } from './dataset.js';
import { copyImage } from './pixels.js';

export interface MemoryDatasetOptions {
  name: string;
  /** u8 [length, height, width, channels]. */
  images: Uint8Array;
  height: number;
  width: number;
  channels: number;
  labels?: Uint8Array | Int32Array;
  classes?: readonly string[];
  /** Mirror each image left to right with probability 1/2; default false. */
  flip?: boolean;
}

/** Throws ERR_INDEX unless `index` numbers one of `length` images. */
export function checkIndex(name: string, index: number, length: number): void {
  if (!(index >= 0 && index < length)) {
    throw new GanvasError(
      'ERR_INDEX',
      `${name}: expected an image number from 0 to ${length - 1}, got ${index}`,
    );
  }
}

/**
 * @example
 * const faces = memoryDataset({ name: 'faces', images, height: 32, width: 32, channels: 3 });
 * @throws GanvasError ERR_DATA when images and labels do not fit the sizes given
 */
export function memoryDataset(options: MemoryDatasetOptions): Dataset {
  const { name, images, height, width, channels, labels, classes, flip = false } = options;
  const imageBytes = height * width * channels;
  const length = images.length / imageBytes;
  if (!Number.isSafeInteger(length) || length === 0) {
    throw new GanvasError(
      'ERR_DATA',
      `${name}: expected a multiple of ${height} x ${width} x ${channels} bytes, got ${images.length}`,
    );
  }
  if (labels !== undefined && labels.length !== length) {
    throw new GanvasError(
      'ERR_DATA',
      `${name}: expected one label per image, got ${labels.length} for ${length} images`,
    );
  }
  return {
    name,
    length,
    height,
    width,
    channels,
    labels,
    classes,
    async batch(indices, random, target) {
      const result = target ?? new Uint8Array(indices.length * imageBytes);
      indices.forEach((index, i) => {
        checkIndex(name, index, length);
        const image = images.subarray(index * imageBytes, (index + 1) * imageBytes);
        copyImage(image, result, i * imageBytes, width, channels, flip && random.uniform() < 0.5);
      });
      return result;
    },
  };
}
