// CIFAR-10 and CIFAR-100 binaries, written here: planes to pixels, labels and names, and every kind of
// damaged file.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DatasetOptions } from '../../src/data/dataset.js';
import { openDataset } from '../../src/data/open.js';
import { HostRandom } from '../../src/data/random.js';
import { temporaryDirectory } from '../temporary-directory.js';

const random = () => new HostRandom(0);
const cifar10 = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

/** A pixel that differs from all its neighbours, planes and images. */
const value = (image: number, channel: number, pixel: number) =>
  (37 * image + 101 * channel + 7 * pixel) % 256;

/** Records with the given label bytes each; pixels are `value` of their number, from `first` on. */
function records(labels: number[][], first = 0): Buffer {
  return Buffer.concat(
    labels.map((bytes, i) => {
      const planes = Uint8Array.from({ length: 3072 }, (_, p) => value(first + i, p >> 10, p % 1024));
      return Buffer.concat([Uint8Array.from(bytes), planes]);
    }),
  );
}

async function folderWith(files: Record<string, Uint8Array | string>): Promise<string> {
  const folder = join(await temporaryDirectory(), 'pictures');
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return folder;
}

/** Five batches of two images each, labels 0 to 9, and a test batch that must not be read. */
async function wholeFolder(): Promise<string> {
  const files: Record<string, Uint8Array | string> = {
    'batches.meta.txt': `${cifar10.join('\n')}\n\n`,
    'readme.html': '<html/>',
    'test_batch.bin': records([[9]], 90),
  };
  for (let i = 0; i < 5; i++) files[`data_batch_${i + 1}.bin`] = records([[2 * i], [2 * i + 1]], 2 * i);
  return folderWith(files);
}

async function collect(folder: string, options: DatasetOptions = {}) {
  const warnings: string[] = [];
  const dataset = await openDataset(folder, { ...options, onWarning: (message) => warnings.push(message) });
  return { dataset, warnings };
}

describe('CIFAR-10', () => {
  test('takes the training batches in order, channels last', async () => {
    const { dataset, warnings } = await collect(await wholeFolder());
    expect(dataset).toMatchObject({ name: 'pictures', length: 10, height: 32, width: 32, channels: 3 });
    expect(dataset.classes).toEqual(cifar10);
    expect([...dataset.labels!]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(warnings).toEqual([]);
    const batch = await dataset.batch(Int32Array.of(7, 0), random());
    const expected = new Uint8Array(2 * 3072);
    for (const [i, image] of [7, 0].entries()) {
      for (let p = 0; p < 3072; p++) expected[i * 3072 + p] = value(image, p % 3, Math.floor(p / 3));
    }
    expect(batch).toEqual(expected);
  });

  test('takes the test batch only when there is no other, and says so', async () => {
    const folder = await folderWith({ 'test_batch.bin': records([[3], [4]]) });
    const { dataset, warnings } = await collect(folder);
    expect([...dataset.labels!]).toEqual([3, 4]);
    expect(dataset.classes).toEqual(cifar10);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('test_batch.bin is used');
  });

  test('names the batches that are missing', async () => {
    const { dataset, warnings } = await collect(
      await folderWith({
        'data_batch_2.bin': records([[1]]),
        'data_batch_4.bin': records([[2]]),
        'test_batch.bin': records([[3]]),
      }),
    );
    expect([...dataset.labels!]).toEqual([1, 2]);
    expect(warnings[0]).toContain('without data_batch_1.bin, data_batch_3.bin, data_batch_5.bin');
  });

  test('takes names of classes from its file', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `thing ${i}`);
    const folder = await folderWith({
      'data_batch_1.bin': records([[9]]),
      'batches.meta.txt': `${names.join('\r\n')}\r\n`,
    });
    expect((await collect(folder)).dataset.classes).toEqual(names);
  });

  test('four channels are opaque, one is grey', async () => {
    const folder = await folderWith({ 'data_batch_1.bin': records([[0]]) });
    const rgb = await (await collect(folder)).dataset.batch(Int32Array.of(0), random());
    const rgba = await (await collect(folder, { channels: 4 })).dataset.batch(Int32Array.of(0), random());
    expect(rgba).toEqual(
      Uint8Array.from({ length: 4096 }, (_, i) => (i % 4 === 3 ? 255 : rgb[(i >> 2) * 3 + (i % 4)])),
    );
    const plane = Buffer.alloc(1024, 77);
    const flat = await folderWith({
      'data_batch_1.bin': Buffer.concat([Uint8Array.of(0), plane, plane, plane]),
    });
    const grey = await (await collect(flat, { channels: 1 })).dataset.batch(Int32Array.of(0), random());
    expect(grey).toEqual(new Uint8Array(1024).fill(77));
  });

  test('other sizes cover, then cut the centre', async () => {
    const planes = Buffer.alloc(3072, 0);
    // The left half red; 64 x 32 keeps all of its width, and of its height the middle.
    for (let p = 0; p < 1024; p++) if (p % 32 < 16) planes[p] = 200;
    const folder = await folderWith({ 'data_batch_1.bin': Buffer.concat([Uint8Array.of(5), planes]) });
    const { dataset } = await collect(folder, { height: 32, width: 64 });
    expect(dataset).toMatchObject({ height: 32, width: 64, length: 1 });
    const pixels = await dataset.batch(Int32Array.of(0), random());
    expect([...pixels.subarray(0, 3)]).toEqual([200, 0, 0]);
    expect([...pixels.subarray(63 * 3, 64 * 3)]).toEqual([0, 0, 0]);
  });

  test('flips about half of the images', async () => {
    const { dataset } = await collect(await wholeFolder(), { flip: true });
    const batch = await dataset.batch(new Int32Array(200), random());
    const mirrored = Array.from({ length: 200 }, (_, i) => batch[i * 3072] === value(0, 0, 31));
    expect(mirrored.filter(Boolean).length).toBeGreaterThan(70);
    expect(mirrored.filter(Boolean).length).toBeLessThan(130);
  });
});

describe('CIFAR-100', () => {
  const names = Array.from({ length: 100 }, (_, i) => `fine ${i}`);
  const namesFile = { 'fine_label_names.txt': `${names.join('\n')}\n` };

  test('has its fine classes', async () => {
    const folder = await folderWith({
      ...namesFile,
      'train.bin': records([
        [19, 99],
        [0, 42],
      ]),
      'test.bin': records([[1, 1]]),
    });
    const { dataset, warnings } = await collect(folder);
    expect(dataset.classes).toEqual(names);
    expect([...dataset.labels!]).toEqual([99, 42]);
    expect(warnings).toEqual([]);
    const pixels = await dataset.batch(Int32Array.of(1), random());
    expect([...pixels.subarray(0, 4)]).toEqual([
      value(1, 0, 0),
      value(1, 1, 0),
      value(1, 2, 0),
      value(1, 0, 1),
    ]);
  });

  test.each([
    [[20, 0], 'from 0 to 19, got 20'],
    [[0, 100], 'from 0 to 99, got 100'],
  ])('labels %j are foreign', async (bytes, message) => {
    const folder = await folderWith({ ...namesFile, 'train.bin': records([[1, 1], bytes]) });
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringContaining(`image 1: expected a label ${message}`),
    });
  });

  test('a train.bin without its names is some other file', async () => {
    const folder = await folderWith({ 'train.bin': records([[1, 1]]) });
    await expect(openDataset(folder)).rejects.toThrowError('no images found');
  });
});

describe('damaged files', () => {
  const sound = records([[1], [2]]);

  test.each<[string, Uint8Array | string, string]>([
    ['one byte short', sound.subarray(0, -1), 'got 6145'],
    ['one byte long', Buffer.concat([sound, Uint8Array.of(0)]), 'got 6147'],
    ['empty', '', 'got 0'],
    ['another file', 'no such thing', 'got 13'],
    ['a record of CIFAR-100', records([[1, 1]]), 'got 3074'],
  ])('%s', async (_, content, got) => {
    const folder = await folderWith({ 'data_batch_1.bin': sound, 'data_batch_3.bin': content });
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringMatching(
        new RegExp(`data_batch_3.bin is not a valid CIFAR-10 file: expected a multiple of 3073 .*${got}$`),
      ),
    });
  });

  test.each([10, 255])('a label of %i', async (label) => {
    const folder = await folderWith({ 'data_batch_5.bin': records([[1], [label]]) });
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringContaining(`image 1: expected a label from 0 to 9, got ${label}`),
    });
  });

  test('names of classes that are too few', async () => {
    const folder = await folderWith({ 'data_batch_1.bin': sound, 'batches.meta.txt': 'cat\ndog\n' });
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: 'ERR_FILE_FORMAT',
      message: expect.stringContaining('expected 10 names of classes, got 2'),
    });
  });

  test('a directory by the name of a batch', async () => {
    const folder = await folderWith({});
    await mkdir(join(folder, 'data_batch_1.bin'));
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_FILE_(FORMAT|IO)/),
      message: expect.stringContaining('data_batch_1.bin'),
    });
  });

  test('an empty folder, and an absurd size', async () => {
    await expect(openDataset(await folderWith({}))).rejects.toMatchObject({ code: 'ERR_DATA' });
    const folder = await folderWith({ 'data_batch_1.bin': sound });
    await expect(openDataset(folder, { channels: 2 })).rejects.toMatchObject({ code: 'ERR_ARGUMENT' });
  });
});
