// The IDX format of MNIST and its relatives: magic (0, 0, type, rank), big-endian dimensions, then raw data;
// often gzipped. Only type 8 (unsigned bytes) is read. Sizes are checked against the file before data is
// unpacked or allocated. Format: http://yann.lecun.com/exdb/mnist/ (bottom of the page)

import { type FileHandle, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip } from 'node:zlib';
import { fileError, GanvasError } from '../errors.js';

const gunzipAsync = promisify(gunzip);
const headerBytes = (rank: number) => 4 + 4 * rank;
const maxRank = 8;
const typeNames: Record<number, string> = { 9: 'i8', 11: 'i16', 12: 'i32', 13: 'f32', 14: 'f64' };

export interface IdxArray {
  dims: number[];
  data: Uint8Array;
}

function malformed(source: string, problem: string): GanvasError {
  return new GanvasError('ERR_FILE_FORMAT', `${source} is not a valid IDX file: ${problem}`);
}

/** Dimensions and the number of bytes that the whole file must have, from its first bytes. */
function parseHeader(bytes: Uint8Array, source: string): { dims: number[]; totalBytes: number } {
  if (bytes.length < 4) throw malformed(source, `it ends after ${bytes.length} bytes`);
  const [zero0, zero1, type, rank] = bytes;
  if (zero0 !== 0 || zero1 !== 0 || rank === 0 || rank > maxRank || !(type === 8 || type in typeNames)) {
    const magic = Buffer.from(bytes.subarray(0, 4)).toString('hex');
    throw malformed(source, `it begins with ${magic}, expected 0000 08 and the number of dimensions`);
  }
  if (type !== 8)
    throw malformed(source, `its data type is ${typeNames[type]}, only unsigned bytes are supported`);
  if (bytes.length < headerBytes(rank)) throw malformed(source, `it ends within its ${rank} dimensions`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  return { dims, totalBytes: headerBytes(rank) + dims.reduce((product, size) => product * size, 1) };
}

function checkSize(dims: number[], totalBytes: number, actualBytes: number | string, source: string): void {
  if (totalBytes !== actualBytes) {
    throw malformed(
      source,
      `dimensions ${dims.join(' x ')} need ${totalBytes} bytes in all, it has ${actualBytes}`,
    );
  }
}

/**
 * Parses an unpacked IDX file; `data` is a view into `bytes`.
 * @throws GanvasError ERR_FILE_FORMAT
 */
export function parseIdx(bytes: Uint8Array, source = 'the buffer'): IdxArray {
  const { dims, totalBytes } = parseHeader(bytes, source);
  checkSize(dims, totalBytes, bytes.length, source);
  return { dims, data: bytes.subarray(headerBytes(dims.length)) };
}

/**
 * Unpacks gzip with the output limited to what the IDX header inside it promises, so that no bomb can go off.
 */
async function gunzipIdx(packed: Uint8Array, source: string): Promise<Uint8Array> {
  try {
    const start = await gunzipAsync(packed.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
    const { dims, totalBytes } = parseHeader(start, source);
    // Deflate packs 1032 to 1 at best: a larger claim is a lie that need not be tried.
    if (totalBytes > packed.length * 1032 + 1024)
      checkSize(dims, totalBytes, 'far less, packed or not', source);
    return await gunzipAsync(packed, { maxOutputLength: totalBytes });
  } catch (error) {
    if (error instanceof GanvasError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === 'ERR_BUFFER_TOO_LARGE' ? 'it unpacks to more than its dimensions need' : `gzip: ${message}`;
    throw malformed(source, problem);
  }
}

/**
 * Reads an IDX file, gzipped or not (told by its first bytes, not its name).
 * @throws GanvasError ERR_FILE_IO or ERR_FILE_FORMAT
 */
export async function readIdx(path: string): Promise<IdxArray> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { size } = await handle.stat();
    const { bytesRead, buffer: start } = await handle.read(
      new Uint8Array(headerBytes(maxRank)),
      0,
      headerBytes(maxRank),
      0,
    );
    const gzipped = start[0] === 0x1f && start[1] === 0x8b;
    if (!gzipped) {
      const { dims, totalBytes } = parseHeader(start.subarray(0, bytesRead), path);
      checkSize(dims, totalBytes, size, path);
    }
    const bytes = await handle.readFile();
    return parseIdx(gzipped ? await gunzipIdx(bytes, path) : bytes, path);
  } catch (error) {
    throw fileError(`read ${path}`, error);
  } finally {
    await handle?.close();
  }
}

export interface LabelledDigits {
  /** u8 [count, height, width]. */
  images: Uint8Array;
  height: number;
  width: number;
  labels: Uint8Array;
}

const trainImages = /^train-images[.-]idx3-ubyte(\.gz)?$/i;
const trainLabels = /^train-labels[.-]idx1-ubyte(\.gz)?$/i;

/** Whether a folder's file names include MNIST's training images. */
export function isIdxFolder(names: readonly string[]): boolean {
  return names.some((name) => trainImages.test(name));
}

/**
 * Reads the training pair (`train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, with or without `.gz`) of
 * a folder laid out like MNIST. The test pair is left for testing.
 * @throws GanvasError ERR_FILE_IO, ERR_FILE_FORMAT, or ERR_DATA when a file is missing or the two do not fit
 * together
 */
export async function readIdxFolder(folder: string): Promise<LabelledDigits> {
  let names: string[];
  try {
    names = (await readdir(folder)).sort();
  } catch (error) {
    throw fileError(`read the folder ${folder}`, error);
  }
  const find = (pattern: RegExp, expected: string) => {
    const name = names.find((candidate) => pattern.test(candidate));
    if (name === undefined)
      throw new GanvasError('ERR_DATA', `${folder}: expected a file ${expected} (or with .gz)`);
    return join(folder, name);
  };
  const imagesPath = find(trainImages, 'train-images-idx3-ubyte');
  const labelsPath = find(trainLabels, 'train-labels-idx1-ubyte');
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
  if (images.dims.length !== 3 || images.dims.includes(0)) {
    throw malformed(imagesPath, `expected count x height x width, got ${images.dims.join(' x ')}`);
  }
  if (labels.dims.length !== 1) {
    throw malformed(labelsPath, `expected one dimension of labels, got ${labels.dims.join(' x ')}`);
  }
  const [count, height, width] = images.dims;
  if (labels.data.length !== count) {
    throw new GanvasError('ERR_DATA', `${folder}: ${count} images but ${labels.data.length} labels`);
  }
  return { images: images.data, height, width, labels: labels.data };
}
