// Reads and writes safetensors files: an 8-byte little-endian header length, a JSON header, then raw
// little-endian data. Plain typed arrays by name; no tensors, no devices. Written to be fed hostile files:
// every claim in the header is checked against the file's size before anything is allocated. Format:
// https://github.com/huggingface/safetensors#format

import { type FileHandle, open } from 'node:fs/promises';
import { fileError, GanvasError } from '../errors.js';
import { writeFileAtomic } from './atomic.js';

/** `bf16` data are the raw 16-bit patterns. `shape` is row-major; `[]` is a scalar. */
export type PlainTensor =
  | { dtype: 'f32'; shape: number[]; data: Float32Array }
  | { dtype: 'bf16'; shape: number[]; data: Uint16Array }
  | { dtype: 'i32'; shape: number[]; data: Int32Array }
  | { dtype: 'u8'; shape: number[]; data: Uint8Array };

export type PlainDType = PlainTensor['dtype'];

export interface SafetensorsFile {
  tensors: Map<string, PlainTensor>;
  metadata: Record<string, string>;
}

interface Entry {
  name: string;
  dtype: PlainDType;
  shape: number[];
  elements: number;
  begin: number;
  bytes: number;
}

const itemBytes: Record<PlainDType, number> = { f32: 4, bf16: 2, i32: 4, u8: 1 };
const dtypeOfFile: Record<string, PlainDType> = { F32: 'f32', BF16: 'bf16', I32: 'i32', U8: 'u8' };
const fileDType: Record<PlainDType, string> = { f32: 'F32', bf16: 'BF16', i32: 'I32', u8: 'U8' };
const foreignDTypes = new Set(
  'BOOL I8 I16 U16 U32 I64 U64 F16 F64 C64 F8_E4M3 F8_E5M2 F8_E8M0 F4 F6_E2M3 F6_E3M2'.split(' '),
);

const maxHeaderBytes = 100_000_000;
const prefixBytes = 8;

function malformed(source: string, problem: string): GanvasError {
  return new GanvasError('ERR_FILE_FORMAT', `${source} is not a valid safetensors file: ${problem}`);
}

/**
 * The first key given twice in one object of `json`, which must be valid JSON (JSON.parse keeps the last
 * silently).
 */
function duplicateKey(json: string): string | undefined {
  const keysOfOpenObjects: Set<string>[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/g;
  for (let match = token.exec(json); match !== null; match = token.exec(json)) {
    if (match[0] === '{') keysOfOpenObjects.push(new Set());
    else if (match[0] === '}') keysOfOpenObjects.pop();
    else if (match[1] !== undefined) {
      const key = JSON.parse(match[0].slice(0, -match[1].length)) as string;
      const keys = keysOfOpenObjects[keysOfOpenObjects.length - 1];
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function checkName(name: string, fail: (problem: string) => GanvasError): void {
  // Names become keys, never paths, here; refusing path-like ones protects whoever later builds a path from
  // them.
  const pathLike = name.startsWith('/') || name.split(/[/\\]/).includes('..');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused
  if (name === '' || name.length > 1024 || pathLike || /[\u0000-\u001f\u007f]/.test(name)) {
    throw fail(`expected a plain tensor name, got ${JSON.stringify(name.slice(0, 80))}`);
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseEntry(name: string, value: unknown, dataBytes: number, source: string): Entry {
  const fail = (problem: string) => malformed(source, problem);
  checkName(name, fail);
  if (typeof value !== 'object' || value === null) throw fail(`tensor "${name}" is described by no object`);
  const { dtype: dtypeName, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (
    typeof dtypeName !== 'string' ||
    !(Object.hasOwn(dtypeOfFile, dtypeName) || foreignDTypes.has(dtypeName))
  ) {
    throw fail(`tensor "${name}" has the unknown dtype ${JSON.stringify(dtypeName)}`);
  }
  if (foreignDTypes.has(dtypeName)) {
    throw new GanvasError(
      'ERR_DTYPE',
      `${source}: tensor "${name}" has dtype ${dtypeName}, which is not supported; supported: F32, BF16, I32, U8`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw fail(`tensor "${name}" has no shape of non-negative integers`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`tensor "${name}" has no pair of data_offsets`);
  }
  const [begin, end] = offsets as number[];
  if (begin > end || end > dataBytes) {
    throw fail(`tensor "${name}" claims bytes ${begin} to ${end}, the file has ${dataBytes} bytes of data`);
  }
  const dtype = dtypeOfFile[dtypeName];
  // A zero first: huge other dimensions are then harmless and must not overflow the product.
  const elements = shape.includes(0) ? 0 : (shape as number[]).reduce((product, size) => product * size, 1);
  const bytes = elements * itemBytes[dtype];
  if (bytes !== end - begin) {
    throw fail(
      `tensor "${name}" of shape [${shape}] and dtype ${dtypeName} needs ${bytes} bytes, its offsets span ${end - begin}`,
    );
  }
  return { name, dtype, shape: shape as number[], elements, begin, bytes };
}

function parseMetadata(value: unknown, source: string): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(source, '__metadata__ is not an object of strings');
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw malformed(source, `__metadata__ entry "${key}" is not a string`);
  }
  return { ...(value as Record<string, string>) };
}

/** Checks the 8-byte prefix against the size of the file and returns the length of the JSON header. */
function headerLength(prefix: Uint8Array, fileBytes: number, source: string): number {
  if (fileBytes < prefixBytes || prefix.length < prefixBytes) {
    throw malformed(source, `it has ${fileBytes} bytes, the header length alone takes ${prefixBytes}`);
  }
  const claimed = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes).getBigUint64(0, true);
  if (claimed > BigInt(fileBytes - prefixBytes)) {
    throw malformed(source, `its header claims ${claimed} bytes, the file has ${fileBytes}`);
  }
  if (claimed > BigInt(maxHeaderBytes) || claimed < 2n) {
    throw malformed(source, `its header claims ${claimed} bytes, expected 2 to ${maxHeaderBytes}`);
  }
  return Number(claimed);
}

function parseHeader(header: Uint8Array, dataBytes: number, source: string) {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    throw malformed(source, 'its header is not UTF-8');
  }
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(source, `its header is not JSON (${(error as Error).message.slice(0, 80)})`);
  }
  if (!text.startsWith('{') || typeof value !== 'object' || value === null) {
    throw malformed(source, 'its header is not a JSON object');
  }
  const twice = duplicateKey(text);
  if (twice !== undefined) throw malformed(source, `its header names "${twice}" twice`);

  const fields = Object.entries(value);
  const metadataField = fields.find(([name]) => name === '__metadata__');
  const entries = fields
    .filter(([name]) => name !== '__metadata__')
    .map(([name, description]) => parseEntry(name, description, dataBytes, source))
    .sort((a, b) => a.begin - b.begin || a.bytes - b.bytes);
  let position = 0;
  for (const { name, begin, bytes } of entries) {
    if (begin !== position) {
      const problem = begin < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw malformed(source, `tensor "${name}" at byte ${begin} ${problem}, expected byte ${position}`);
    }
    position += bytes;
  }
  if (position !== dataBytes) {
    throw malformed(source, `its tensors take ${position} bytes, the file has ${dataBytes} bytes of data`);
  }
  return { entries, metadata: metadataField ? parseMetadata(metadataField[1], source) : {} };
}

/** A zeroed tensor for `entry`, and its storage as bytes to fill. */
function allocate({ name, dtype, shape, elements, bytes }: Entry, source: string) {
  let buffer: ArrayBuffer;
  try {
    buffer = new ArrayBuffer(bytes);
  } catch (error) {
    const message = `${source}: no memory for tensor "${name}" of ${bytes} bytes`;
    throw new GanvasError('ERR_OUT_OF_MEMORY', message, { cause: error });
  }
  const storage = new Uint8Array(buffer);
  let tensor: PlainTensor;
  if (dtype === 'f32') tensor = { dtype, shape, data: new Float32Array(buffer, 0, elements) };
  else if (dtype === 'bf16') tensor = { dtype, shape, data: new Uint16Array(buffer, 0, elements) };
  else if (dtype === 'i32') tensor = { dtype, shape, data: new Int32Array(buffer, 0, elements) };
  else tensor = { dtype, shape, data: storage };
  return { tensor, storage };
}

/**
 * Parses a whole file held in memory; the result shares no memory with `bytes`.
 * @param source the name used in error messages
 * @throws GanvasError ERR_FILE_FORMAT, or ERR_DTYPE for a valid dtype that ganvas has not (F64, I64, F16,
 * ...)
 */
export function parseSafetensors(bytes: Uint8Array, source = 'the buffer'): SafetensorsFile {
  const headerBytes = headerLength(bytes.subarray(0, prefixBytes), bytes.length, source);
  const dataStart = prefixBytes + headerBytes;
  const header = parseHeader(bytes.subarray(prefixBytes, dataStart), bytes.length - dataStart, source);
  const tensors = new Map<string, PlainTensor>();
  for (const entry of header.entries) {
    const { tensor, storage } = allocate(entry, source);
    storage.set(bytes.subarray(dataStart + entry.begin, dataStart + entry.begin + entry.bytes));
    tensors.set(entry.name, tensor);
  }
  return { tensors, metadata: header.metadata };
}

async function readExactly(
  handle: FileHandle,
  target: Uint8Array,
  position: number,
  source: string,
): Promise<void> {
  // One read() takes at most 2 GiB; smaller pieces also keep a thread of the pool free now and then.
  const pieceBytes = 1 << 28;
  for (let offset = 0; offset < target.length; ) {
    const length = Math.min(pieceBytes, target.length - offset);
    const { bytesRead } = await handle.read(target, offset, length, position + offset);
    if (bytesRead === 0) throw malformed(source, `it ended at byte ${position + offset} while being read`);
    offset += bytesRead;
  }
}

/**
 * Reads a file; allocates only what its checked header needs.
 * @throws GanvasError ERR_FILE_IO, ERR_FILE_FORMAT, ERR_DTYPE or ERR_OUT_OF_MEMORY
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const { size } = await handle.stat();
    const prefix = new Uint8Array(Math.min(size, prefixBytes));
    await readExactly(handle, prefix, 0, path);
    const headerBytes = new Uint8Array(headerLength(prefix, size, path));
    await readExactly(handle, headerBytes, prefixBytes, path);
    const dataStart = prefixBytes + headerBytes.length;
    const header = parseHeader(headerBytes, size - dataStart, path);
    const tensors = new Map<string, PlainTensor>();
    for (const entry of header.entries) {
      const { tensor, storage } = allocate(entry, path);
      await readExactly(handle, storage, dataStart + entry.begin, path);
      tensors.set(entry.name, tensor);
    }
    return { tensors, metadata: header.metadata };
  } catch (error) {
    throw fileError(`read ${path}`, error);
  } finally {
    await handle?.close();
  }
}

/**
 * The bytes of a file as chunks (header first), without copying the tensors. Tensors are ordered by item
 * size, largest first, so that each one is aligned; within a size the given order is kept.
 * @throws GanvasError ERR_ARGUMENT for a bad name or metadata, ERR_SHAPE when data and shape disagree
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, PlainTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  const ordered = [...tensors].sort(([, a], [, b]) => itemBytes[b.dtype] - itemBytes[a.dtype]);
  const names = new Set<string>(['__metadata__']);
  let position = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    checkName(name, (problem) => new GanvasError('ERR_ARGUMENT', `safetensors: ${problem}`));
    if (names.has(name)) throw new GanvasError('ERR_ARGUMENT', `safetensors: the name "${name}" is taken`);
    names.add(name);
    const elements = shape.reduce((product, size) => product * size, 1);
    if (elements !== data.length) {
      throw new GanvasError(
        'ERR_SHAPE',
        `safetensors: tensor "${name}" of shape [${shape}] has ${elements} elements, its data ${data.length}`,
      );
    }
    header.push([
      name,
      { dtype: fileDType[dtype], shape, data_offsets: [position, position + data.byteLength] },
    ]);
    position += data.byteLength;
  }
  const json = Buffer.from(
    `{${header.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  const padded = Buffer.alloc(prefixBytes + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - prefixBytes), 0);
  json.copy(padded, prefixBytes);
  const chunks = ordered.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return [padded, ...chunks];
}

/** Writes a file atomically. Throws ERR_FILE_IO, and what `serializeSafetensors` throws. */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, PlainTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(path, serializeSafetensors(tensors, metadata));
}
