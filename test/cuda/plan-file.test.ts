// What the CUDA plugin remembers of the engines that it has timed (native/cuda/plan_file.h): from process to process, for
// one device and version of cuDNN, whatever state the file is in.

import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../install/packed.js';
import { temporaryFolder } from '../train/helpers.js';
import { built } from './build.js';

const { program, failure, skip, title } = await built('engines that were timed', 'ganvas_cuda_plan_file');
const folder = await temporaryFolder();
const device = 'NVIDIA H100 80GB HBM3';

describe.skipIf(skip)(title, () => {
  /** A cache of its own for a test. */
  function cache(name: string, more: NodeJS.ProcessEnv = {}) {
    if (failure !== undefined) throw new Error(failure);
    const env = { XDG_CACHE_HOME: join(folder, name), ...more };
    const call = async (args: string[]) => {
      const { code, out, err } = await run(program, args, folder, env);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      return out;
    };
    return {
      files: join(folder, name, 'ganvas'),
      find: (key: string, on = device, version = '91900') => call([on, version, key]),
      add: (key: string, engine: string, on = device, version = '91900') => call([on, version, key, engine]),
    };
  }

  test('a later process finds what an earlier one noted; the last note counts', async () => {
    const { find, add, files } = cache('notes');
    expect(await find('0 2 64')).toBe('');
    await add('0 2 64', '67:2=0');
    await add('1 2 64', 'f32 12');
    await add('0 2 64', '70:2=8,24=1');
    expect([await find('0 2 64'), await find('1 2 64'), await find('2 2 64')]).toEqual([
      '70:2=8,24=1',
      'f32 12',
      '',
    ]);
    expect(await readdir(files)).toEqual(['cudnn-91900-NVIDIA-H100-80GB-HBM3.txt']);
  });

  test('another device or version of cuDNN has notes of its own', async () => {
    const { find, add } = cache('kinds');
    await add('0', 'a');
    await add('0', 'b', 'NVIDIA A100');
    await add('0', 'c', device, '92400');
    expect([await find('0'), await find('0', 'NVIDIA A100'), await find('0', device, '92400')]).toEqual([
      'a',
      'b',
      'c',
    ]);
    expect(await find('0', 'NVIDIA A100', '92400')).toBe('');
  });

  test.each([
    ['is empty', () => ''],
    ['is not text', () => '\0\xff\n\t\n'.repeat(40)],
    ['is of something else', (text: string) => text.replace('The fastest', 'Some')],
    ['lost its tabs', (text: string) => text.replaceAll('\t', ' ')],
  ])('a file that %s is taken for none, and written anew', async (state, damage) => {
    const { find, add, files } = cache(state);
    await add('0', 'a');
    const [name] = await readdir(files);
    const path = join(files, name);
    await writeFile(path, damage(await readFile(path, 'utf8')), 'latin1');
    expect(await find('0')).toBe('');
    await add('1', 'b');
    expect([await find('0'), await find('1')]).toEqual(['', 'b']);
  });

  test('nothing is lost but the notes where they cannot be written', async () => {
    const { find, add, files } = cache('refused');
    await mkdir(join(folder, 'refused'));
    await writeFile(files, 'a file where the folder should be');
    await add('0', 'a');
    expect(await find('0')).toBe('');
  });

  test('without a cache directory they are in ~/.cache, without a home nowhere', async () => {
    const home = join(folder, 'home');
    const { find, add } = cache('none', { XDG_CACHE_HOME: '', HOME: home });
    await add('0', 'a');
    expect(await find('0')).toBe('a');
    expect(await readdir(join(home, '.cache/ganvas'))).toHaveLength(1);
    const homeless = cache('none', { XDG_CACHE_HOME: '', HOME: '' });
    await homeless.add('0', 'a');
    expect(await homeless.find('0')).toBe('');
  });

  test('processes that write at the same time leave a whole file', async () => {
    const { find, add, files } = cache('together');
    await Promise.all(Array.from({ length: 12 }, (_, i) => add(`key ${i}`, `engine ${i}`)));
    expect(await readdir(files)).toHaveLength(1);
    const found = await Promise.all(Array.from({ length: 12 }, (_, i) => find(`key ${i}`)));
    for (const [i, engine] of found.entries()) expect(['', `engine ${i}`]).toContain(engine);
    expect(found.filter((engine) => engine !== '').length).toBeGreaterThan(0);
  });
});
