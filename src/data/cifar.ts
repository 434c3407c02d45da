// CIFAR-10 and CIFAR-100 in their binary version: files of records, each one or two bytes of label (in
// CIFAR-100 the coarse and then the fine class) and 32 x 32 pixels as a red, a green and a blue plane. The
// files are the user's; nothing is downloaded. Format: https://www.cs.toronto.edu/~kriz/cifar.html.
// Krizhevsky 2009, "Learning multiple layers of features from tiny images"

import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { fileError, GanvasError } from '../errors.js';
import { loadSharp } from '../io/sharp.js';
import { type Dataset, type DatasetOptions, resolveImageShape } from './dataset.js';
import { decodedDataset } from './decoded.js';
import { fitImage } from './fit.js';
import { memoryDataset } from './memory.js';

const side = 32;
const planeBytes = side * side;
const imageBytes = 3 * planeBytes;
const recordsPerTurn = 256;

interface Layout {
  title: string;
  train: readonly string[];
  test: string;
  /** How many classes each label byte of a record tells apart; the last one is the label. */
  labelBytes: readonly number[];
  /** File with a name of a class on every line. */
  namesFile: string;
  /** Names for want of that file; without them, the file is what the folder is recognised by. */
  classes?: readonly string[];
}

const layouts: readonly Layout[] = [
  {
    title: 'CIFAR-10',
    train: [1, 2, 3, 4, 5].map((number) => `data_batch_${number}.bin`),
    test: 'test_batch.bin',
    labelBytes: [10],
    namesFile: 'batches.meta.txt',
    classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  },
  {
    title: 'CIFAR-100',
    train: ['train.bin'],
    test: 'test.bin',
    labelBytes: [20, 100],
    namesFile: 'fine_label_names.txt',
  },
];

/** The layout that a folder's file names follow. */
function findLayout(names: readonly string[]): Layout | undefined {
  return layouts.find(
    ({ train, test, namesFile, classes }) =>
      [...train, test].some((name) => names.includes(name)) &&
      (classes !== undefined || names.includes(namesFile)),
  );
}

/** Whether a folder's file names are those of CIFAR-10 or CIFAR-100. */
export function isCifarFolder(names: readonly string[]): boolean {
  return findLayout(names) !== undefined;
}

function malformed(path: string, { title }: Layout, problem: string): GanvasError {
  return new GanvasError('ERR_FILE_FORMAT', `${path} is not a valid ${title} file: ${problem}`);
}

/** How many records a file of `bytes` bytes holds. */
function countRecords(path: string, layout: Layout, bytes: number): number {
  const labels = layout.labelBytes.length;
  const records = bytes / (labels + imageBytes);
  if (!Number.isInteger(records) || records === 0) {
    throw malformed(
      path,
      layout,
      `expected a multiple of ${labels + imageBytes} bytes (for each image ${labels} of label, ` +
        `${imageBytes} of pixels), got ${bytes}`,
    );
  }
  return records;
}

async function readClasses(folder: string, layout: Layout, present: boolean): Promise<readonly string[]> {
  const { namesFile, labelBytes, classes } = layout;
  if (!present && classes !== undefined) return classes;
  const path = join(folder, namesFile);
  const text = await readFile(path, 'utf8').catch((error) => {
    throw fileError(`read ${path}`, error);
  });
  const names = text.split('\n').flatMap((line) => line.trim() || []);
  const expected = labelBytes[labelBytes.length - 1];
  if (names.length !== expected) {
    throw malformed(path, layout, `expected ${expected} names of classes, got ${names.length}`);
  }
  return names;
}

/** Reads the records of a file into `images` (HWC) and `labels`, from image number `first`. */
async function readRecords(
  path: string,
  layout: Layout,
  images: Uint8Array,
  labels: Uint8Array,
  first: number,
  count: number,
): Promise<void> {
  const bytes = await readFile(path);
  if (countRecords(path, layout, bytes.length) !== count) {
    throw malformed(path, layout, `it changed while it was read: expected ${count} images`);
  }
  const { labelBytes } = layout;
  for (let i = 0; i < count; i++) {
    if (i % recordsPerTurn === 0) await setImmediate();
    const record = i * (labelBytes.length + imageBytes);
    labelBytes.forEach((classCount, byte) => {
      const label = bytes[record + byte];
      if (label >= classCount) {
        throw malformed(
          path,
          layout,
          `image ${i}: expected a label from 0 to ${classCount - 1}, got ${label}`,
        );
      }
      labels[first + i] = label;
    });
    const pixels = record + labelBytes.length;
    const target = (first + i) * imageBytes;
    for (let c = 0; c < 3; c++) {
      const plane = pixels + c * planeBytes;
      for (let p = 0; p < planeBytes; p++) images[target + 3 * p + c] = bytes[plane + p];
    }
  }
}

/**
 * The training images of a folder with CIFAR-10's or CIFAR-100's binary files, 32 x 32 x 3 unless asked
 * otherwise; the test images only where there are no others. CIFAR-100 has its 100 fine classes. All lie in
 * memory.
 * @param names the folder's file names, of which `isCifarFolder` is true
 * @throws GanvasError ERR_FILE_FORMAT naming the file, what was expected and what it has, when one is
 * truncated or not of this kind; ERR_FILE_IO; ERR_ARGUMENT for an absurd size; ERR_PACKAGE_MISSING when
 * another size or number of channels is asked for without sharp
 */
export async function cifarFolder(
  folder: string,
  names: readonly string[],
  options: DatasetOptions = {},
): Promise<Dataset> {
  const layout = findLayout(names)!;
  const shape = resolveImageShape(options, { height: side, width: side, channels: 3 }, folder);
  const { flip, cacheBytes, onWarning } = options;
  const { train, test, title, namesFile } = layout;
  const present = train.filter((name) => names.includes(name));
  const missing = train.filter((name) => !names.includes(name)).join(', ');
  if (present.length === 0) onWarning?.(`${folder}: ${title} without ${missing}: ${test} is used`);
  else if (missing !== '') onWarning?.(`${folder}: ${title} without ${missing}: the other images are used`);
  const classes = await readClasses(folder, layout, names.includes(namesFile));

  const paths = (present.length > 0 ? present : [test]).map((name) => join(folder, name));
  let images: Uint8Array;
  let labels: Uint8Array;
  try {
    const sizes = await Promise.all(paths.map((path) => stat(path)));
    const counts = sizes.map(({ size }, i) => countRecords(paths[i], layout, size));
    const length = counts.reduce((sum, count) => sum + count, 0);
    images = new Uint8Array(length * imageBytes);
    labels = new Uint8Array(length);
    let first = 0;
    for (const [i, path] of paths.entries()) {
      await readRecords(path, layout, images, labels, first, counts[i]);
      first += counts[i];
    }
  } catch (error) {
    throw fileError(`read the ${title} files in ${folder}`, error);
  }

  const common = { name: basename(resolve(folder)), ...shape, labels, classes, flip };
  if (shape.height === side && shape.width === side && shape.channels === 3)
    return memoryDataset({ ...common, images });
  const sharp = await loadSharp(`changing the size or the channels of ${title}`);
  return decodedDataset({
    ...common,
    length: labels.length,
    cacheBytes,
    describe: (index) => `image ${index} of ${common.name}`,
    decode(index) {
      const pixels = images.subarray(index * imageBytes, (index + 1) * imageBytes);
      return fitImage(sharp(pixels, { raw: { width: side, height: side, channels: 3 } }), shape);
    },
  });
}
