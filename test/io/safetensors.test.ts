// safetensors: what is written is read again; every corruption is refused with a GanvasError, before any allocation.

import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GanvasError } from '../../src/errors.js';
import {
  type PlainTensor,
  parseSafetensors,
  readSafetensors,
  serializeSafetensors,
  writeSafetensors,
} from '../../src/io/safetensors.js';
import { temporaryDirectory } from '../temporary-directory.js';

const tensors = new Map<string, PlainTensor>([
  ['bytes', { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
  [
    'conv.weight',
    { dtype: 'f32', shape: [2, 1, 3], data: Float32Array.of(1, -2, 0.5, Number.NaN, 1e-40, -0) },
  ],
  ['half', { dtype: 'bf16', shape: [1, 2], data: Uint16Array.of(0x3f80, 0xffff) }],
  ['scalar', { dtype: 'i32', shape: [], data: Int32Array.of(-7) }],
  ['empty', { dtype: 'f32', shape: [0, 5], data: new Float32Array(0) }],
]);

const bytes = Buffer.concat(serializeSafetensors(tensors, { format: 'ganvas' }));

/** A file with any header text and `dataBytes` zero bytes. */
function file(header: string | Uint8Array, dataBytes: number): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(dataBytes)]);
}

function refusal(buffer: Uint8Array): GanvasError {
  try {
    parseSafetensors(buffer, 'x.safetensors');
  } catch (error) {
    if (error instanceof GanvasError) return error;
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('round trip', () => {
  test('in memory, bit for bit, names in any order', () => {
    const parsed = parseSafetensors(bytes);
    expect(parsed.metadata).toEqual({ format: 'ganvas' });
    expect(new Set(parsed.tensors.keys())).toEqual(new Set(tensors.keys()));
    for (const [name, tensor] of tensors) expect(parsed.tensors.get(name)).toEqual(tensor);
  });

  test('through a file', async () => {
    const path = join(await temporaryDirectory(), 'weights.safetensors');
    await writeSafetensors(path, tensors);
    const { tensors: read } = await readSafetensors(path);
    for (const [name, tensor] of tensors) expect(read.get(name)).toEqual(tensor);
  });

  test('of nothing at all', () => {
    expect(parseSafetensors(Buffer.concat(serializeSafetensors(new Map()))).tensors.size).toBe(0);
  });

  test('from an odd offset in a larger buffer, sharing no memory', () => {
    const larger = Buffer.concat([Buffer.of(9), bytes]);
    const { tensors: read } = parseSafetensors(larger.subarray(1));
    larger.fill(0);
    expect(read.get('scalar')).toEqual(tensors.get('scalar'));
  });

  test('every tensor is aligned in the file', () => {
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    expect(bytes.readBigUInt64LE(0) % 8n).toBe(0n);
    for (const name of ['conv.weight', 'scalar', 'half']) {
      expect(header[name].data_offsets[0] % (name === 'half' ? 2 : 4)).toBe(0);
    }
  });

  test('random names and shapes', () => {
    const name = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme-ascii' });
    const shape = fc.array(fc.nat(4), { maxLength: 4 });
    fc.assert(
      fc.property(fc.dictionary(name, shape, { maxKeys: 6 }), (shapes) => {
        const entries = Object.entries(shapes)
          .filter(
            ([key]) => key !== '__metadata__' && !key.startsWith('/') && !key.split(/[/\\]/).includes('..'),
          )
          .map(([key, sizes]): [string, PlainTensor] => {
            const data = Float32Array.from({ length: sizes.reduce((a, b) => a * b, 1) }, (_, i) => i);
            return [key, { dtype: 'f32', shape: sizes, data }];
          });
        const parsed = parseSafetensors(Buffer.concat(serializeSafetensors(entries)));
        expect(parsed.tensors).toEqual(new Map(entries));
      }),
    );
  });
});

describe('corruption', () => {
  test('truncated at every byte', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(refusal(bytes.subarray(0, length)).code).toBe('ERR_FILE_FORMAT');
    }
  });

  test('one byte too many', () => {
    expect(refusal(Buffer.concat([bytes, Buffer.of(0)])).code).toBe('ERR_FILE_FORMAT');
  });

  test('every byte of the header flipped: refused or read, never anything else', () => {
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    for (let i = 0; i < end; i++) {
      for (const flip of [0x01, 0x10, 0x80, 0xff]) {
        const damaged = Buffer.from(bytes);
        damaged[i] ^= flip;
        try {
          parseSafetensors(damaged);
        } catch (error) {
          expect(error).toBeInstanceOf(GanvasError);
        }
      }
    }
  });

  test('random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(refusal(noise)).toBeInstanceOf(GanvasError);
        expect(refusal(file(noise, 4))).toBeInstanceOf(GanvasError);
      }),
    );
  });

  const entry = (dtype: string, shape: unknown, offsets: unknown) =>
    JSON.stringify({ dtype, shape, data_offsets: offsets });

  test.each([
    ['a shape of petabytes', `{"a":${entry('F32', [2 ** 40, 2 ** 40], [0, 4])}}`, 4, 'needs'],
    ['a shape that overflows to zero', `{"a":${entry('F32', [2 ** 32, 2 ** 32], [0, 0])}}`, 0, 'needs'],
    ['offsets outside the file', `{"a":${entry('F32', [2], [0, 8])}}`, 4, 'claims bytes 0 to 8'],
    ['offsets backwards', `{"a":${entry('F32', [1], [4, 0])}}`, 4, 'claims bytes 4 to 0'],
    ['negative offsets', `{"a":${entry('F32', [1], [-4, 0])}}`, 4, 'no pair of data_offsets'],
    ['offsets that are no integers', `{"a":${entry('F32', [1], [0.5, 4.5])}}`, 4, 'no pair of data_offsets'],
    ['three offsets', `{"a":${entry('F32', [1], [0, 4, 8])}}`, 4, 'no pair of data_offsets'],
    ['a negative shape', `{"a":${entry('F32', [-1, -1], [0, 4])}}`, 4, 'no shape of non-negative integers'],
    ['a shape that is no array', `{"a":${entry('F32', 1, [0, 4])}}`, 4, 'no shape'],
    ['overlap', `{"a":${entry('U8', [4], [0, 4])},"b":${entry('U8', [4], [2, 6])}}`, 6, 'overlaps'],
    [
      'the same bytes twice',
      `{"a":${entry('U8', [4], [0, 4])},"b":${entry('U8', [4], [0, 4])}}`,
      4,
      'overlaps',
    ],
    ['a hole', `{"a":${entry('U8', [1], [0, 1])},"b":${entry('U8', [1], [2, 3])}}`, 3, 'leaves a hole'],
    ['unused data', `{"a":${entry('U8', [1], [0, 1])}}`, 3, 'its tensors take 1 bytes'],
    [
      'a name given twice',
      `{"a":${entry('U8', [1], [0, 1])},"\\u0061":${entry('U8', [1], [0, 1])}}`,
      1,
      '"a" twice',
    ],
    [
      'a field given twice',
      '{"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
      1,
      '"dtype" twice',
    ],
    ['a name that climbs', `{"../../etc/passwd":${entry('U8', [1], [0, 1])}}`, 1, 'plain tensor name'],
    ['a name from the root', `{"/etc/passwd":${entry('U8', [1], [0, 1])}}`, 1, 'plain tensor name'],
    ['an empty name', `{"":${entry('U8', [1], [0, 1])}}`, 1, 'plain tensor name'],
    ['a name with NUL', `{"a\\u0000":${entry('U8', [1], [0, 1])}}`, 1, 'plain tensor name'],
    ['an unknown dtype', `{"a":${entry('Q7', [1], [0, 1])}}`, 1, 'unknown dtype "Q7"'],
    ['a dtype of Object', `{"a":${entry('constructor', [1], [0, 1])}}`, 1, 'unknown dtype'],
    ['an entry that is null', '{"a":null}', 0, 'described by no object'],
    ['an entry that is a number', '{"a":3}', 0, 'described by no object'],
    ['metadata of numbers', '{"__metadata__":{"a":1}}', 0, '__metadata__ entry "a" is not a string'],
    ['metadata that is a list', '{"__metadata__":["a"]}', 0, '__metadata__ is not an object'],
    ['a list as header', '[1]', 0, 'not a JSON object'],
    ['a header that is no JSON', '{"a"', 0, 'not JSON'],
    ['a leading space', ' {}', 0, 'not a JSON object'],
  ])('%s', (_, header, dataBytes, message) => {
    const error = refusal(file(header, dataBytes));
    expect(error.code).toBe('ERR_FILE_FORMAT');
    expect(error.message).toContain(message);
    expect(error.message).toContain('x.safetensors');
  });

  test('a header that is not UTF-8', () => {
    expect(refusal(file(Uint8Array.of(0x7b, 0xff, 0x7d), 0)).message).toContain('not UTF-8');
  });

  test.each([
    [2n ** 64n - 1n, 'claims 18446744073709551615 bytes'],
    [2n ** 42n, 'claims 4398046511104 bytes'],
    [0n, 'claims 0 bytes'],
  ])('a header length of %i', (length, message) => {
    const damaged = Buffer.from(bytes);
    damaged.writeBigUInt64LE(length);
    expect(refusal(damaged).message).toContain(message);
  });

  test.each(['F64', 'I64', 'F16', 'BOOL', 'F8_E4M3'])('dtype %s is valid but not supported', (dtype) => {
    const error = refusal(file(`{"a":${entry(dtype, [1], [0, 8])}}`, 8));
    expect(error.code).toBe('ERR_DTYPE');
    expect(error.message).toBe(
      `x.safetensors: tensor "a" has dtype ${dtype}, which is not supported; supported: F32, BF16, I32, U8`,
    );
  });

  test('"__proto__" is a name like any other', () => {
    const { tensors: read } = parseSafetensors(file(`{"__proto__":${entry('U8', [1], [0, 1])}}`, 1));
    expect([...read.keys()]).toEqual(['__proto__']);
  });
});

describe('files', () => {
  test('a truncated file, an absent one, a directory', async () => {
    const directory = await temporaryDirectory();
    const path = join(directory, 'a.safetensors');
    for (const length of [0, 7, 8, 20, bytes.length - 1]) {
      await writeFile(path, bytes.subarray(0, length));
      await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'ERR_FILE_FORMAT' });
    }
    await expect(readSafetensors(join(directory, 'b'))).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
    await expect(readSafetensors(directory)).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
  });

  test('a sparse file that keeps its promise of a tebibyte runs out of memory, not over', async () => {
    const path = join(await temporaryDirectory(), 'a.safetensors');
    const size = 2 ** 40;
    const start = file(`{"a":{"dtype":"U8","shape":[${size}],"data_offsets":[0,${size}]}}`, 0);
    await writeFile(path, start);
    await truncate(path, start.length + size);
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
  });
});

describe('writing', () => {
  const one: PlainTensor = { dtype: 'f32', shape: [2], data: new Float32Array(2) };
  test.each([
    ['data that do not fit the shape', [['a', { ...one, shape: [3] }]], 'ERR_SHAPE'],
    [
      'a name twice',
      [
        ['a', one],
        ['a', one],
      ],
      'ERR_ARGUMENT',
    ],
    ['the name of the metadata', [['__metadata__', one]], 'ERR_ARGUMENT'],
    ['a path as name', [['../a', one]], 'ERR_ARGUMENT'],
  ] as [string, [string, PlainTensor][], string][])('%s is refused', (_, entries, code) => {
    expect(() => serializeSafetensors(entries)).toThrowError(expect.objectContaining({ code }));
  });
});
