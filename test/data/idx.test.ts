// IDX files: gzipped or not, truncated at every byte, foreign, lying about their size, and folders of them.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIdx, readIdx, readIdxFolder } from '../../src/data/idx.js';
import { GanvasError } from '../../src/errors.js';
import { temporaryDirectory } from '../temporary-directory.js';

function idx(dims: number[], data: Uint8Array, type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header[2] = type;
  header[3] = dims.length;
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, data]);
}

const images = idx(
  [5, 3, 2],
  Uint8Array.from({ length: 30 }, (_, i) => i),
);
const labels = idx([5], Uint8Array.of(0, 1, 2, 3, 4));

test('an array is parsed', () => {
  const { dims, data } = parseIdx(images);
  expect(dims).toEqual([5, 3, 2]);
  expect([...data]).toEqual(Array.from({ length: 30 }, (_, i) => i));
});

describe('corruption', () => {
  async function refused(bytes: Uint8Array): Promise<GanvasError> {
    const path = join(await temporaryDirectory(), 'train-images-idx3-ubyte');
    await writeFile(path, bytes);
    const error = await readIdx(path).then(
      () => undefined,
      (cause) => cause,
    );
    expect(error).toBeInstanceOf(GanvasError);
    expect(error.code).toBe('ERR_FILE_FORMAT');
    expect(error.message).toContain(path);
    return error;
  }

  test('truncated at every byte', async () => {
    for (let length = 0; length < images.length; length++) await refused(images.subarray(0, length));
  });

  test('gzipped and truncated at every byte', async () => {
    const packed = gzipSync(images);
    for (let length = 0; length < packed.length; length++) await refused(packed.subarray(0, length));
  });

  test('one byte too many', async () => {
    expect((await refused(Buffer.concat([images, Buffer.of(0)]))).message).toContain(
      'need 46 bytes in all, it has 47',
    );
  });

  test.each([
    ['a PNG', Buffer.from('89504e470d0a1a0a', 'hex'), 'begins with 89504e47'],
    ['32-bit integers', idx([1], new Uint8Array(4), 12), 'its data type is i32'],
    ['no dimensions', idx([], new Uint8Array(1)), 'begins with 00000800'],
    ['200 dimensions', Buffer.from('000008c8', 'hex'), 'begins with 000008c8'],
    ['terabytes', idx([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1], new Uint8Array(8)), 'need'],
    ['terabytes, gzipped', gzipSync(idx([2 ** 31, 784], new Uint8Array(8))), 'need'],
    ['a gzip bomb', gzipSync(idx([10], new Uint8Array(2 ** 24))), 'unpacks to more than its dimensions need'],
  ])('%s', async (_, bytes, message) => {
    expect((await refused(bytes)).message).toContain(message);
  });

  test('every byte of gzip and header flipped, and noise: refused or read, never anything else', async () => {
    const path = join(await temporaryDirectory(), 'a');
    const attempt = async (bytes: Uint8Array) => {
      await writeFile(path, bytes);
      await readIdx(path).catch((error) => expect(error).toBeInstanceOf(GanvasError));
    };
    const packed = gzipSync(images);
    for (const bytes of [packed, images]) {
      for (let i = 0; i < Math.min(bytes.length, 40); i++) {
        const damaged = Buffer.from(bytes);
        damaged[i] ^= 0x55;
        await attempt(damaged);
      }
    }
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), attempt), { numRuns: 50 });
  });
});

describe('folders', () => {
  async function folder(files: Record<string, Uint8Array>): Promise<string> {
    const directory = await temporaryDirectory();
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(directory, name), bytes);
    return directory;
  }

  test.each([
    ['plain', 'train-images-idx3-ubyte', 'train-labels-idx1-ubyte', images, labels],
    [
      'gzipped',
      'train-images-idx3-ubyte.gz',
      'train-labels-idx1-ubyte.gz',
      gzipSync(images),
      gzipSync(labels),
    ],
    ['with dots', 'train-images.idx3-ubyte', 'train-labels.idx1-ubyte', images, labels],
    ['unpacked but named .gz', 'train-images-idx3-ubyte.gz', 'train-labels-idx1-ubyte', images, labels],
  ])('%s', async (_, imagesName, labelsName, imageBytes, labelBytes) => {
    const digits = await readIdxFolder(await folder({ [imagesName]: imageBytes, [labelsName]: labelBytes }));
    expect(digits).toMatchObject({ height: 3, width: 2 });
    expect([...digits.labels]).toEqual([0, 1, 2, 3, 4]);
    expect(digits.images.length).toBe(30);
  });

  const imagesName = 'train-images-idx3-ubyte';
  const labelsName = 'train-labels-idx1-ubyte';
  test.each([
    ['no labels', { [imagesName]: images }, 'ERR_DATA', 'expected a file train-labels-idx1-ubyte'],
    [
      'more images than labels',
      { [imagesName]: images, [labelsName]: idx([4], new Uint8Array(4)) },
      'ERR_DATA',
      '5 images but 4 labels',
    ],
    [
      'the two exchanged',
      { [imagesName]: labels, [labelsName]: images },
      'ERR_FILE_FORMAT',
      'expected count x height x width',
    ],
    [
      'no images in it',
      { [imagesName]: idx([0, 28, 28], new Uint8Array(0)), [labelsName]: labels },
      'ERR_FILE_FORMAT',
      'got 0 x 28 x 28',
    ],
  ])('%s', async (_, files, code, message) => {
    await expect(readIdxFolder(await folder(files as Record<string, Uint8Array>))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test('a directory in place of a file', async () => {
    const directory = await folder({ [labelsName]: labels });
    await mkdir(join(directory, imagesName));
    await expect(readIdxFolder(directory)).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
  });
});
