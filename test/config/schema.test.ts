// Config schemas: defaults, refusal of everything unknown or out of range, and what is written being read again.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, expectTypeOf, test } from 'vitest';
import { readConfigFile, writeConfigFile } from '../../src/config/file.js';
import { defineConfig } from '../../src/config/schema.js';
import { temporaryDirectory } from '../temporary-directory.js';

const schema = defineConfig({
  batch: { type: 'integer', default: 64, min: 1, max: 4096, help: 'images per step' },
  lr: { type: 'number', default: 2e-4, min: 0, help: 'learning rate' },
  epochs: { type: 'number', default: null, min: 0, help: 'passes over the data' },
  flip: { type: 'boolean', default: false, help: 'mirror at random' },
  loss: { type: 'enum', choices: ['minimax', 'hinge'], default: 'minimax', help: 'objective' },
  note: { type: 'string', default: '', help: 'free text' },
});

test('an empty object resolves to the defaults, typed', () => {
  const config = schema.resolve({}, 'test');
  expect(config).toEqual({ batch: 64, lr: 2e-4, epochs: null, flip: false, loss: 'minimax', note: '' });
  expectTypeOf(config.batch).toEqualTypeOf<number>();
  expectTypeOf(config.epochs).toEqualTypeOf<number | null>();
  expectTypeOf(config.loss).toEqualTypeOf<'minimax' | 'hinge'>();
  expectTypeOf(config.flip).toEqualTypeOf<boolean>();
});

test('differences win, undefined counts as not given', () => {
  const config = schema.resolve({ batch: 8, lr: undefined, epochs: 2.5 }, 'test');
  expect(config).toMatchObject({ batch: 8, lr: 2e-4, epochs: 2.5 });
  expect(schema.differences(config)).toEqual({ batch: 8, epochs: 2.5 });
});

test.each([
  [{ bacth: 8 }, 'run.json: unknown option "bacth"; did you mean "batch"?'],
  [{ zebra: 8 }, 'run.json: unknown option "zebra"; known: batch, lr, epochs, flip, loss, note'],
  [JSON.parse('{"__proto__": {"batch": 1}}'), 'unknown option "__proto__"'],
  [{ constructor: 1 }, 'unknown option "constructor"'],
  [{ batch: 'many' }, 'run.json: batch must be an integer from 1 to 4096, got "many"'],
  [{ batch: 0 }, 'batch must be an integer from 1 to 4096, got 0'],
  [{ batch: 4097 }, 'got 4097'],
  [{ batch: 1.5 }, 'got 1.5'],
  [{ batch: Number.NaN }, 'got NaN'],
  [{ batch: null }, 'got null'],
  [{ lr: Number.POSITIVE_INFINITY }, 'lr must be a finite number of at least 0, got Infinity'],
  [{ lr: -1 }, 'got -1'],
  [{ flip: 1 }, 'flip must be true or false, got 1'],
  [{ loss: 'hing' }, 'loss must be one of minimax, hinge, got "hing"'],
  [{ note: ['a'] }, 'note must be a string, got an array'],
  [{ note: { a: 1 } }, 'note must be a string, got an object'],
  [[1, 2], 'expected an object of options, got an array'],
  [null, 'expected an object of options, got null'],
  ['batch', 'expected an object of options, got "batch"'],
])('%j is refused', (partial, message) => {
  expect(() => schema.resolve(partial, 'run.json')).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});

test('a default outside its own range is a bug of the program', () => {
  expect(() => defineConfig({ n: { type: 'integer', default: 0, min: 1, help: '' } })).toThrowError(
    expect.objectContaining({ code: 'ERR_INTERNAL' }),
  );
});

test('merge keeps both sets of keys, and the defaults of the second', () => {
  const model = defineConfig({
    batch: { type: 'integer', default: 128, min: 1, help: 'images per step' },
    z: { type: 'integer', default: 100, min: 1, help: 'latent size' },
  });
  expect(schema.merge(model).resolve({ flip: true }, 'test')).toMatchObject({
    batch: 128,
    z: 100,
    flip: true,
  });
});

test('a resolved config is written and read again', async () => {
  const path = join(await temporaryDirectory(), 'config.json');
  const config = schema.resolve({ batch: 8, loss: 'hinge' }, 'test');
  await writeConfigFile(path, config);
  expect(schema.resolve(await readConfigFile(path), path)).toEqual(config);
});

test.each([
  ['{"batch": 8,}', 'is not valid JSON'],
  ['', 'is not valid JSON'],
  ['[1]', 'expected a JSON object'],
  ['null', 'expected a JSON object'],
  [`{"note": "${'x'.repeat(2 ** 20)}"}`, 'at most 1048576 bytes'],
])('a config file that holds %.20s is refused', async (text, message) => {
  const path = join(await temporaryDirectory(), 'config.json');
  await writeFile(path, text);
  await expect(readConfigFile(path)).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringContaining(message),
  });
});

test('a config file with a byte order mark is read', async () => {
  const path = join(await temporaryDirectory(), 'config.json');
  await writeFile(path, '\uFEFF{"batch": 8}');
  expect(await readConfigFile(path)).toEqual({ batch: 8 });
});

test('an absent config file is named', async () => {
  await expect(readConfigFile('/nowhere/c.json')).rejects.toMatchObject({
    code: 'ERR_FILE_IO',
    message: 'cannot read the config /nowhere/c.json: it does not exist',
  });
});
