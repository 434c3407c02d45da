// Grids, strips and animations: pixels land where they should, bad batches are refused, the event loop stays free.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { imageGrid, toBytes, writeGif, writePngGrid, writePngStrip } from '../../src/io/images.js';
import { temporaryDirectory } from '../temporary-directory.js';

/** `count` images, each filled with its own number times 10, opaque. */
function numbered(count: number, height: number, width: number, channels: number) {
  const size = height * width * channels;
  const data = Uint8Array.from({ length: count * size }, (_, i) =>
    channels === 4 && i % 4 === 3 ? 255 : 10 * (1 + Math.floor(i / size)),
  );
  return { data, count, height, width, channels };
}

test('floats in [-1, 1] become bytes; what is outside is clamped', async () => {
  const floats = Float32Array.of(-1, 1, 0, -2, 2, Number.NaN, Number.POSITIVE_INFINITY, -0.5);
  expect([...(await toBytes(floats))]).toEqual([0, 255, 128, 0, 255, 0, 255, 64]);
});

test.each([1, 3, 4])('a grid of %i channels, with the last row incomplete', async (channels) => {
  const path = join(await temporaryDirectory(), 'grid.png');
  await writePngGrid(path, numbered(5, 4, 6, channels), { padding: 2 });
  const { data, info } = await sharp(path).raw().toBuffer({ resolveWithObject: true });
  expect([info.width, info.height]).toEqual([3 * 8 + 2, 2 * 6 + 2]);
  const pixel = (x: number, y: number) => data[(y * info.width + x) * info.channels];
  expect(pixel(0, 0)).toBe(0);
  expect(pixel(2, 2)).toBe(10);
  expect(pixel(7, 5)).toBe(10);
  expect(pixel(8, 5)).toBe(0);
  expect(pixel(10, 2)).toBe(20);
  expect(pixel(2, 8)).toBe(40);
  expect(pixel(18, 8)).toBe(0);
});

test('a strip is one row', async () => {
  const path = join(await temporaryDirectory(), 'strip.png');
  await writePngStrip(path, numbered(7, 4, 4, 3));
  expect(await sharp(path).metadata()).toMatchObject({ width: 7 * 6 + 2, height: 8 });
});

test.each([1, 3, 4])('an animation of %i channels has a frame per image', async (channels) => {
  const path = join(await temporaryDirectory(), 'a.gif');
  await writeGif(path, numbered(6, 8, 10, channels), 50);
  const metadata = await sharp(path, { animated: true }).metadata();
  expect(metadata).toMatchObject({ pages: 6, pageHeight: 8, width: 10, delay: Array(6).fill(50), loop: 0 });
  const { data, info } = await sharp(path, { page: 3 }).raw().toBuffer({ resolveWithObject: true });
  expect(Math.abs(data[0] - 40)).toBeLessThanOrEqual(2);
  expect(info.height).toBe(8);
});

test.each([
  ['two channels', { ...numbered(1, 2, 2, 2) }, 'ERR_ARGUMENT'],
  ['no images', { ...numbered(1, 2, 2, 1), count: 0 }, 'ERR_ARGUMENT'],
  ['a fractional size', { ...numbered(1, 2, 2, 1), height: 1.5 }, 'ERR_ARGUMENT'],
  ['too little data', { ...numbered(1, 2, 2, 1), count: 2 }, 'ERR_SHAPE'],
])('%s are refused', async (_, batch, code) => {
  await expect(imageGrid(batch)).rejects.toMatchObject({ code });
});

test('absurd columns are refused', async () => {
  for (const columns of [0, -1, Number.NaN, 1.5]) {
    await expect(imageGrid(numbered(1, 2, 2, 1), { columns })).rejects.toMatchObject({
      code: 'ERR_ARGUMENT',
    });
  }
});

test('a path that cannot be written is an error with the path', async () => {
  await expect(writePngGrid('/nowhere/grid.png', numbered(1, 2, 2, 1))).rejects.toMatchObject({
    code: 'ERR_FILE_IO',
    message: 'cannot write /nowhere/grid.png: it does not exist',
  });
});

test('a large grid of floats leaves the event loop free', async () => {
  const count = 256;
  const data = new Float32Array(count * 128 * 128 * 3);
  const path = join(await temporaryDirectory(), 'grid.png');
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  await writePngGrid(path, { data, count, height: 128, width: 128, channels: 3 });
  delay.disable();
  // The conversion alone takes longer than this in one go; the bound leaves room for a busy machine.
  expect(delay.percentile(90) / 1e6).toBeLessThan(60);
  expect((await readFile(path)).subarray(1, 4).toString()).toBe('PNG');
});
