// `--data SPEC`: a known name, a folder with MNIST's IDX or CIFAR's binary files, or any folder of images.
// The one place that decides which.

import { readdir, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { didYouMean } from '../config/closest.js';
import { fileError, GanvasError } from '../errors.js';
import { cifarFolder, isCifarFolder } from './cifar.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { digitsDataset } from './digits.js';
import { emoji } from './emoji.js';
import { fashionMnist } from './fashion.js';
import { imageFolder } from './folder.js';
import { isIdxFolder, readIdxFolder } from './idx.js';
import { bundledDigits, digitClasses, mnist } from './mnist.js';
import { stackedMnist } from './stacked-mnist.js';

const named: Record<string, (options: DatasetOptions) => Promise<Dataset>> = {
  digits: bundledDigits,
  mnist,
  'fashion-mnist': (options) => fashionMnist(options),
  'stacked-mnist': stackedMnist,
  emoji: (options) => emoji('twitter', options),
  'emoji-google': (options) => emoji('google', options),
};

/** What `openDataset` accepts besides a folder. */
export const datasetNames = Object.keys(named);

/**
 * Opens a data set by name or folder. A name wins over a folder of the same name; `./mnist` is always the
 * folder.
 * @throws GanvasError ERR_DATA for an unknown name (with the nearest known one) or a folder without usable
 * images, ERR_FILE_IO, ERR_FILE_FORMAT, ERR_ARGUMENT
 */
export async function openDataset(spec: string, options: DatasetOptions = {}): Promise<Dataset> {
  if (Object.hasOwn(named, spec)) return named[spec](options);
  let names: string[];
  try {
    if (!(await stat(spec)).isDirectory()) {
      throw new GanvasError(
        'ERR_DATA',
        `data "${spec}" is a file, expected a folder or one of ${datasetNames.join(', ')}`,
      );
    }
    names = await readdir(spec);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      const hint =
        didYouMean(spec, datasetNames) || `; known: ${datasetNames.join(', ')}, or a folder of images`;
      throw new GanvasError('ERR_DATA', `there is no data set or folder "${spec}"${hint}`, { cause: error });
    }
    throw fileError(`open the data "${spec}"`, error);
  }
  if (isCifarFolder(names)) return cifarFolder(spec, names, options);
  if (!isIdxFolder(names)) return imageFolder(spec, options);
  const digits = await readIdxFolder(spec);
  const classCount = 1 + digits.labels.reduce((most, label) => Math.max(most, label), 0);
  const classes = classCount <= 10 ? digitClasses : Array.from({ length: classCount }, (_, i) => String(i));
  return digitsDataset(digits, { name: basename(resolve(spec)), classes }, options);
}

/** What a run calls its data: as openDataset takes it, or as the data set calls itself. */
export const dataName = (data: string | Dataset): string => (typeof data === 'string' ? data : data.name);

/** The size that a run's options ask for; null is the data's own. */
export interface AskedSize {
  height: number | null;
  width: number | null;
  channels: number | null;
  /** Mirror images at random; only where the data set is opened here. */
  flip: boolean;
}

/**
 * A data set given as it is, or opened, in the size asked for.
 * @throws GanvasError ERR_CONFIG where a data set given as it is has another size, and as openDataset
 */
export async function openSized(
  data: string | Dataset,
  { height, width, channels, flip }: AskedSize,
  onWarning?: (message: string) => void,
): Promise<Dataset> {
  if (typeof data === 'string') {
    const size = { height: height ?? undefined, width: width ?? undefined, channels: channels ?? undefined };
    return openDataset(data, { ...size, flip, onWarning });
  }
  for (const [key, asked] of Object.entries({ height, width, channels })) {
    const own = data[key as 'height' | 'width' | 'channels'];
    if (asked === null || asked === own) continue;
    throw new GanvasError('ERR_CONFIG', `expected images of ${key} ${asked}, ${data.name} has ${own}`);
  }
  return data;
}
