// Stacked MNIST: three random digits as the red, green and blue plane of one image, 1,000 classes; the usual
// measure of how many modes of its data a GAN drops. Images are put together when they are asked for.
// Counting the modes that a generator covers is not done here. Metz et al. 2017, "Unrolled generative
// adversarial networks", https://arxiv.org/abs/1611.02163

import { GanvasError } from '../errors.js';
import { type Dataset, type DatasetOptions, resolveImageShape } from './dataset.js';
import { digitsDataset } from './digits.js';
import { readIdxFolder } from './idx.js';
import { checkIndex } from './memory.js';
import { digitClasses, mnistDigits } from './mnist.js';
import { copyImage } from './pixels.js';
import { HostRandom } from './random.js';

const defaultLength = 128_000;
const digitsPerImage = 3;
// Which digits make an image is part of what the data set is, not of a run: no seed of the user's changes it.
const stackingSeed = 0;
const stackingStream = 3;

export interface StackedMnistOptions extends DatasetOptions {
  /** Number of images; default 128,000. Image i is the same whatever the length. */
  length?: number;
  /** Folder with MNIST's IDX files; default: the digits that `--data mnist` takes. */
  folder?: string;
}

/**
 * 28 x 28 x 3 unless asked otherwise (larger sizes as for MNIST: up to four pixels more are black margin);
 * four channels have an opaque alpha. Class 100 r + 10 g + b, named by its three digits: `042`. Which three
 * digits image i shows depends on i and on how many digits there are.
 * @throws GanvasError ERR_ARGUMENT for one channel, an absurd size or length; ERR_DATA when the digits are
 * not ten classes; ERR_FILE_IO or ERR_FILE_FORMAT when the source is damaged
 */
export async function stackedMnist(options: StackedMnistOptions = {}): Promise<Dataset> {
  const name = 'stacked-mnist';
  const { length = defaultLength, folder, flip = false, cacheBytes, onWarning } = options;
  if (options.channels === 1) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${name}: expected 3 or 4 channels, one for each digit, got 1; for single grey digits take mnist`,
    );
  }
  if (!Number.isSafeInteger(length) || length < 1) {
    throw new GanvasError('ERR_ARGUMENT', `${name}: expected a length of at least 1 image, got ${length}`);
  }
  const source = folder === undefined ? (await mnistDigits(onWarning)).digits : await readIdxFolder(folder);
  const stranger = source.labels.find((label) => label > 9);
  if (stranger !== undefined) {
    throw new GanvasError('ERR_DATA', `${name}: expected digits labelled 0 to 9, got the label ${stranger}`);
  }
  const { height, width, channels } = resolveImageShape(options, { ...source, channels: 3 }, name);
  const digits = digitsDataset(
    source,
    { name, classes: digitClasses },
    { height, width, channels: 1, cacheBytes },
  );

  const pick = (index: number): number[] => {
    const random = new HostRandom(stackingSeed, stackingStream, index);
    return Array.from({ length: digitsPerImage }, () => random.below(digits.length));
  };
  const labels = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    labels[i] = pick(i).reduce((label, digit) => 10 * label + source.labels[digit], 0);
  }

  const pixels = height * width;
  return {
    name,
    length,
    height,
    width,
    channels,
    labels,
    classes: Array.from({ length: 10 ** digitsPerImage }, (_, i) => String(i).padStart(digitsPerImage, '0')),
    async batch(indices, random, target) {
      for (const index of indices) checkIndex(name, index, length);
      // Drawn before anything is awaited, as in decoded.ts.
      const mirrored = Array.from(indices, () => flip && random.uniform() < 0.5);
      const planes = await digits.batch(Int32Array.from(Array.from(indices, pick).flat()), random);
      const result = target ?? new Uint8Array(indices.length * pixels * channels);
      const image = new Uint8Array(pixels * channels).fill(255);
      for (let i = 0; i < indices.length; i++) {
        for (let c = 0; c < digitsPerImage; c++) {
          const plane = (i * digitsPerImage + c) * pixels;
          for (let p = 0; p < pixels; p++) image[p * channels + c] = planes[plane + p];
        }
        copyImage(image, result, i * image.length, width, channels, mirrored[i]);
      }
      return result;
    },
  };
}
