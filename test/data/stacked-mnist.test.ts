// Stacked MNIST: its planes are digits of MNIST, its labels theirs, its thousand classes all there and about
// as many of each; and the same image for the same number, whatever else is asked for.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DatasetOptions } from '../../src/data/dataset.js';
import { BatchLoader } from '../../src/data/loader.js';
import { mnist } from '../../src/data/mnist.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';
import { stackedMnist } from '../../src/data/stacked-mnist.js';
import { temporaryDirectory } from '../temporary-directory.js';

const random = () => new HostRandom(0);

/** Writes 2 x 2 digits: digit i has the label i and all four pixels 10 i + 5. */
async function plainDigits(labels = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]): Promise<string> {
  const folder = await temporaryDirectory();
  const count = Buffer.alloc(4);
  count.writeUInt32BE(labels.length);
  const images = labels.flatMap((_, i) => new Array(4).fill(10 * i + 5));
  await writeFile(
    join(folder, 'train-images-idx3-ubyte'),
    Buffer.concat([
      Buffer.from('00000803', 'hex'),
      count,
      Buffer.from('0000000200000002', 'hex'),
      Buffer.from(images),
    ]),
  );
  await writeFile(
    join(folder, 'train-labels-idx1-ubyte'),
    Buffer.concat([Buffer.from('00000801', 'hex'), count, Buffer.from(labels)]),
  );
  return folder;
}

describe('from the digits of the package mnist', () => {
  test('is 128,000 of 28 x 28 x 3 in a thousand classes, all about as frequent', async () => {
    const dataset = await openDataset('stacked-mnist');
    expect(dataset).toMatchObject({
      name: 'stacked-mnist',
      length: 128_000,
      height: 28,
      width: 28,
      channels: 3,
    });
    expect(dataset.classes).toHaveLength(1000);
    expect([dataset.classes![0], dataset.classes![42], dataset.classes![999]]).toEqual(['000', '042', '999']);
    const counts = new Array(1000).fill(0);
    for (const label of dataset.labels!) counts[label] += 1;
    // Against what the digits' own frequencies make likely: chi-squared with 999 degrees of freedom has mean
    // 999 and standard deviation 44.7.
    const digits = await mnist();
    const share = new Array(10).fill(0);
    for (const label of digits.labels!) share[label] += 1 / digits.length;
    let chi = 0;
    counts.forEach((count, label) => {
      const [r, g, b] = [Math.floor(label / 100), Math.floor(label / 10) % 10, label % 10];
      const expected = 128_000 * share[r] * share[g] * share[b];
      chi += (count - expected) ** 2 / expected;
    });
    expect(Math.abs(chi - 999)).toBeLessThan(5 * 44.7);
    expect(Math.min(...counts)).toBeGreaterThan(0);
  });

  test('each plane is a digit of MNIST with the label it says', async () => {
    const digits = await mnist();
    const byPixels = new Map<string, number>();
    const all = Int32Array.from({ length: digits.length }, (_, i) => i);
    const grey = Buffer.from(await digits.batch(all, random()));
    for (const i of all) byPixels.set(grey.toString('latin1', i * 784, (i + 1) * 784), digits.labels![i]);
    const dataset = await stackedMnist();
    const indices = Int32Array.of(0, 1, 5000, 127_999);
    const batch = await dataset.batch(indices, random());
    indices.forEach((index, i) => {
      const found = [0, 1, 2].map((c) => {
        const plane = Buffer.from(Array.from({ length: 784 }, (_, p) => batch[(i * 784 + p) * 3 + c]));
        return byPixels.get(plane.toString('latin1'));
      });
      expect(found.join('')).toBe(dataset.classes![dataset.labels![index]]);
    });
  });

  test('is padded with black to 32 x 32', async () => {
    const [plain, padded] = [await stackedMnist(), await stackedMnist({ height: 32 })];
    const [small, large] = [
      await plain.batch(Int32Array.of(9), random()),
      await padded.batch(Int32Array.of(9), random()),
    ];
    const expected = new Uint8Array(32 * 32 * 3);
    for (let y = 0; y < 28; y++) {
      expected.set(small.subarray(y * 84, (y + 1) * 84), ((y + 2) * 32 + 2) * 3);
    }
    expect(large).toEqual(expected);
    expect(padded.labels).toEqual(plain.labels);
  });

  test('feeds a loader', async () => {
    const loader = new BatchLoader(await stackedMnist({ length: 50 }), { batch: 16, seed: 3 });
    const { images, labels } = await loader.next();
    expect(images.length).toBe(16 * 28 * 28 * 3);
    expect(labels).toHaveLength(16);
    await loader.close();
  });
});

describe('from a folder of IDX files', () => {
  test.each<DatasetOptions>([{}, { height: 5, width: 3 }, { height: 16, width: 9 }, { channels: 4 }])(
    'planes and labels agree, with %j',
    async (options) => {
      const dataset = await stackedMnist({ ...options, folder: await plainDigits(), length: 20 });
      const { height, width, channels } = dataset;
      const all = Int32Array.from({ length: 20 }, (_, i) => i);
      const batch = await dataset.batch(all, random());
      expect(batch.length).toBe(20 * height * width * channels);
      for (const i of all) {
        const centre = ((i * height + (height >> 1)) * width + (width >> 1)) * channels;
        const label = [0, 1, 2].reduce((sum, c) => 10 * sum + (batch[centre + c] - 5) / 10, 0);
        expect(label).toBe(dataset.labels![i]);
        if (channels === 4) expect(batch[centre + 3]).toBe(255);
      }
    },
  );

  test('image i is the same whatever the length, the order and the random numbers', async () => {
    const folder = await plainDigits();
    const [short, long] = [
      await stackedMnist({ folder, length: 8 }),
      await stackedMnist({ folder, length: 80 }),
    ];
    expect([...long.labels!.subarray(0, 8)]).toEqual([...short.labels!]);
    const one = await short.batch(Int32Array.of(7), new HostRandom(1));
    const two = await long.batch(Int32Array.of(50, 7), new HostRandom(2), new Uint8Array(24));
    expect(two.subarray(12)).toEqual(one);
  });

  test('one image can be flipped, all planes together', async () => {
    const folder = await temporaryDirectory();
    const image = Buffer.from([9, 0]);
    await writeFile(
      join(folder, 'train-images-idx3-ubyte'),
      Buffer.concat([Buffer.from('00000803000000010000000100000002', 'hex'), image]),
    );
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), Buffer.from('000008010000000104', 'hex'));
    const dataset = await stackedMnist({ folder, length: 1, flip: true });
    const batch = await dataset.batch(new Int32Array(100), random());
    const images = Array.from({ length: 100 }, (_, i) => batch.subarray(6 * i, 6 * i + 6).join());
    expect(new Set(images)).toEqual(new Set(['9,9,9,0,0,0', '0,0,0,9,9,9']));
    expect([...dataset.labels!]).toEqual([444]);
  });

  test.each<[object, string, string]>([
    [{ channels: 1 }, 'ERR_ARGUMENT', 'expected 3 or 4 channels'],
    [{ channels: 2 }, 'ERR_ARGUMENT', 'expected 1, 3 or 4 channels, got 2'],
    [{ length: 0 }, 'ERR_ARGUMENT', 'got 0'],
    [{ length: 1.5 }, 'ERR_ARGUMENT', 'got 1.5'],
    [{ height: -1 }, 'ERR_ARGUMENT', 'got -1'],
    [{ folder: '/nowhere' }, 'ERR_FILE_IO', '/nowhere'],
  ])('%j is refused', async (options, code, message) => {
    const folder = await plainDigits();
    await expect(stackedMnist({ folder, ...options })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test('labels beyond 9 are no digits', async () => {
    await expect(stackedMnist({ folder: await plainDigits([3, 10]) })).rejects.toMatchObject({
      code: 'ERR_DATA',
      message: expect.stringContaining('got the label 10'),
    });
  });

  test.each([-1, 4, Number.NaN])('there is no image number %d', async (index) => {
    const dataset = await stackedMnist({ folder: await plainDigits(), length: 4 });
    const indices = { length: 1, 0: index, [Symbol.iterator]: Array.prototype.values };
    await expect(dataset.batch(indices as unknown as Int32Array, random())).rejects.toMatchObject({
      code: 'ERR_INDEX',
    });
  });
});
