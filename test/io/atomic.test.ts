// Atomic writes: all or nothing, also when interrupted half-way or refused by the file system.

import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sweepTemporary, writeDirectoryAtomic, writeFileAtomic } from '../../src/io/atomic.js';
import { temporaryDirectory } from '../temporary-directory.js';

test('a file is created and replaced, from text, bytes or chunks', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, 'a.txt');
  await writeFileAtomic(path, 'one');
  expect(await readFile(path, 'utf8')).toBe('one');
  await writeFileAtomic(path, [Buffer.from('tw'), new Uint8Array(0), Buffer.from('o')]);
  expect(await readFile(path, 'utf8')).toBe('two');
  expect(await readdir(directory)).toEqual(['a.txt']);
});

test('a failing write leaves the old file and nothing else', async () => {
  const directory = await temporaryDirectory();
  const path = join(directory, 'a.txt');
  await writeFileAtomic(path, 'old');
  function* interrupted(): Generator<Uint8Array> {
    yield Buffer.from('half');
    throw new Error('the source broke');
  }
  await expect(writeFileAtomic(path, interrupted())).rejects.toMatchObject({ code: 'ERR_FILE_IO' });
  expect(await readFile(path, 'utf8')).toBe('old');
  expect(await readdir(directory)).toEqual(['a.txt']);
});

// A file in place of the directory is refused to root too, unlike a read-only directory.
test('a place that cannot be written is named in plain words', async () => {
  const directory = await temporaryDirectory();
  await writeFile(join(directory, 'file'), '');
  const path = join(directory, 'file', 'a.txt');
  const expected = { code: 'ERR_FILE_IO', message: expect.stringContaining('a part of the path is a file') };
  await expect(writeFileAtomic(path, 'x')).rejects.toMatchObject(expected);
  await expect(writeDirectoryAtomic(join(path, 'd'), { a: 'x' })).rejects.toMatchObject(expected);
});

test.skipIf(process.platform !== 'linux')('a full disk is named, and the old file kept', async () => {
  // The only file that is always full; its directory takes no temporary file, so the write itself is what fails.
  const { open } = await import('node:fs/promises');
  const handle = await open('/dev/full', 'w');
  const { fileError } = await import('../../src/errors.js');
  const error = await handle.write('x').catch((cause) => fileError('write x', cause));
  await handle.close();
  expect(error).toMatchObject({ code: 'ERR_FILE_IO', message: 'cannot write x: the disk is full' });
});

test('a directory appears complete and is replaced as a whole', async () => {
  const parent = join(await temporaryDirectory(), 'checkpoints');
  const path = join(parent, '000500');
  await writeDirectoryAtomic(path, { a: 'one', b: 'two' });
  await writeDirectoryAtomic(path, { a: 'three' });
  expect(await readdir(path)).toEqual(['a']);
  expect(await readFile(join(path, 'a'), 'utf8')).toBe('three');
  expect(await readdir(parent)).toEqual(['000500']);
});

test('a failing replacement leaves the old directory', async () => {
  const parent = await temporaryDirectory();
  const path = join(parent, '000500');
  await writeDirectoryAtomic(path, { a: 'one' });
  await expect(writeDirectoryAtomic(path, { a: 'two', '../b': 'x' })).rejects.toMatchObject({
    code: 'ERR_ARGUMENT',
  });
  expect(await readFile(join(path, 'a'), 'utf8')).toBe('one');
  expect(await readdir(parent)).toEqual(['000500']);
});

test('a kill between the two renames of a replacement loses nothing', async () => {
  const parent = await temporaryDirectory();
  const path = join(parent, '000500');
  await writeDirectoryAtomic(path, { a: 'one' });
  await rename(path, join(parent, '.tmp-old-000500'));
  await mkdir(join(parent, '.tmp-000500'));
  await writeFile(join(parent, '.tmp-12-0-latest'), 'torn');
  await sweepTemporary(parent);
  expect(await readdir(parent)).toEqual(['000500']);
  expect(await readFile(join(path, 'a'), 'utf8')).toBe('one');
});

test('sweeping what does not exist is no error', async () => {
  await sweepTemporary('/nowhere/at/all');
});
