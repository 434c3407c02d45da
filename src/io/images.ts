// Batches of images to files: a PNG grid or strip, or an animated GIF. Compression runs on threads of Node's (PNG) or
// sharp's (GIF); the pixel shuffling before it gives way to the event loop every megapixel or so. Reading images is
// src/data/folder.ts.

import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { PNG } from 'pngjs';
import { GanvasError } from '../errors.js';
import { writeFileAtomic } from './atomic.js';
import { loadSharp } from './sharp.js';

/** `count` images, NHWC: u8 in [0, 255], or float in [-1, 1] as models produce them. */
export interface ImageBatch {
  data: Uint8Array | Float32Array;
  count: number;
  height: number;
  width: number;
  /** 1 (grey), 3 (RGB) or 4 (RGB and alpha). */
  channels: number;
}

/** One picture, HWC, u8. */
export interface Picture {
  data: Uint8Array;
  height: number;
  width: number;
  channels: 1 | 3 | 4;
}

export interface GridOptions {
  /** Images per row; default: the smallest square that holds all. */
  columns?: number;
  /** Black pixels between and around the images; default 2, as torchvision's make_grid. */
  padding?: number;
}

const valuesPerTurn = 1 << 20;
// The numbers of the PNG standard, sections 11.2.2 and 9.2 (https://www.w3.org/TR/png-3).
const pngColourTypes = { 1: 0, 3: 2, 4: 6 } as const;
const paethFilter = 4;

function checkBatch({ data, count, height, width, channels }: ImageBatch): 1 | 3 | 4 {
  if (![count, height, width].every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `images: expected at least one pixel, got [${count}, ${height}, ${width}, ${channels}]`,
    );
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    throw new GanvasError('ERR_ARGUMENT', `images: a PNG or GIF has 1, 3 or 4 channels, got ${channels}`);
  }
  const expected = count * height * width * channels;
  if (data.length !== expected) {
    const shape = `[${count}, ${height}, ${width}, ${channels}]`;
    throw new GanvasError(
      'ERR_SHAPE',
      `images: a batch of ${shape} has ${expected} values, got ${data.length}`,
    );
  }
  return channels;
}

/** Float pixels in [-1, 1] to bytes: round(127.5 (x + 1)), clamped; NaN becomes 0. u8 passes through. */
export async function toBytes(data: Uint8Array | Float32Array): Promise<Uint8Array> {
  if (data instanceof Uint8Array) return data;
  // Clamping and rounding (half to even) is what a Uint8ClampedArray does on assignment, NaN included.
  const bytes = new Uint8ClampedArray(data.length);
  for (let start = 0; start < data.length; start += valuesPerTurn) {
    if (start > 0) await setImmediate();
    const end = Math.min(data.length, start + valuesPerTurn);
    for (let i = start; i < end; i++) bytes[i] = (data[i] + 1) * 127.5;
  }
  return new Uint8Array(bytes.buffer);
}

/**
 * Lays a batch out as one picture, row by row.
 * @throws GanvasError ERR_ARGUMENT or ERR_SHAPE when the batch does not describe its data
 */
export async function imageGrid(batch: ImageBatch, options: GridOptions = {}): Promise<Picture> {
  const channels = checkBatch(batch);
  const { count, height, width } = batch;
  const { columns = Math.ceil(Math.sqrt(count)), padding = 2 } = options;
  if (!Number.isSafeInteger(columns) || columns < 1 || !Number.isSafeInteger(padding) || padding < 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `images: expected columns >= 1 and padding >= 0, got ${columns} and ${padding}`,
    );
  }
  const across = Math.min(columns, count);
  const down = Math.ceil(count / across);
  const gridWidth = across * (width + padding) + padding;
  const gridHeight = down * (height + padding) + padding;
  const source = await toBytes(batch.data);
  const data = new Uint8Array(gridHeight * gridWidth * channels);
  const rowBytes = width * channels;
  let sinceTurn = 0;
  for (let i = 0; i < count; i++) {
    const top = padding + Math.floor(i / across) * (height + padding);
    const left = padding + (i % across) * (width + padding);
    for (let y = 0; y < height; y++) {
      const from = (i * height + y) * rowBytes;
      data.set(source.subarray(from, from + rowBytes), ((top + y) * gridWidth + left) * channels);
    }
    sinceTurn += height * rowBytes;
    if (sinceTurn > valuesPerTurn) {
      sinceTurn = 0;
      await setImmediate();
    }
  }
  return { data, height: gridHeight, width: gridWidth, channels };
}

/** Encodes a picture as PNG. */
export async function encodePng({ data, width, height, channels }: Picture): Promise<Buffer> {
  const colorType = pngColourTypes[channels];
  const png = new PNG({
    width,
    height,
    colorType,
    inputColorType: colorType,
    inputHasAlpha: channels === 4,
    filterType: paethFilter,
  });
  png.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  // A stream of the old kind: it cannot be iterated by itself.
  return buffer(png.pack().pipe(new PassThrough()));
}

/**
 * Encodes a batch as an endlessly repeating GIF, one image per frame of `delay` milliseconds.
 * @throws GanvasError ERR_PACKAGE_MISSING without sharp
 */
export async function encodeGif(batch: ImageBatch, delay = 80): Promise<Buffer> {
  const channels = checkBatch(batch);
  const { count, height, width } = batch;
  const sharp = await loadSharp('writing a GIF');
  const data = await toBytes(batch.data);
  const raw = { width, height: height * count, channels, pageHeight: height };
  return sharp(data, { raw })
    .gif({ delay: Array(count).fill(delay), loop: 0 })
    .toBuffer();
}

/** Writes a batch as a PNG grid, atomically. Throws ERR_FILE_IO, ERR_ARGUMENT or ERR_SHAPE. */
export async function writePngGrid(
  path: string,
  batch: ImageBatch,
  options: GridOptions = {},
): Promise<void> {
  await writeFileAtomic(path, await encodePng(await imageGrid(batch, options)));
}

/** Writes a batch as a PNG with all images in one row. Throws ERR_FILE_IO, ERR_ARGUMENT or ERR_SHAPE. */
export async function writePngStrip(path: string, batch: ImageBatch): Promise<void> {
  await writePngGrid(path, batch, { columns: batch.count });
}

/** Writes a batch as an animated GIF, atomically. Throws ERR_FILE_IO, ERR_ARGUMENT, ERR_SHAPE or ERR_PACKAGE_MISSING. */
export async function writeGif(path: string, batch: ImageBatch, delay = 80): Promise<void> {
  await writeFileAtomic(path, await encodeGif(batch, delay));
}
