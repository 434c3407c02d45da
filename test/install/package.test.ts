// What npm would publish: the files, their sizes, and that other tools understand the package.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Packed, pack, prebuiltAddon, root, run, skipInstall } from './packed.js';

const MiB = 2 ** 20;

describe.skipIf(skipInstall)('the package', () => {
  let packed: Packed;
  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ganvas-pack-'));
    packed = await pack(folder);
    return () => rm(folder, { recursive: true });
  }, 120_000);

  const sizeOf = (prefix: string) =>
    packed.files.reduce((sum, { path, size }) => (path.startsWith(prefix) ? sum + size : sum), 0);

  test('holds these folders and nothing else', () => {
    const tops = new Set(packed.files.map(({ path }) => path.split('/')[0]));
    expect([...tops].sort()).toEqual([
      'CHANGELOG.md',
      'CMakeLists.txt',
      'LICENSE',
      'README.md',
      'data',
      'dist',
      'licenses',
      'native',
      'node_modules',
      'package.json',
      'prebuilds',
      'scripts',
    ]);
    const paths = packed.files.map(({ path }) => path);
    expect(paths.filter((path) => path.startsWith('scripts/'))).toEqual(['scripts/install.cjs']);
    for (const path of [prebuiltAddon, 'dist/index.js', 'dist/index.d.ts', 'licenses/highway.txt']) {
      expect(paths).toContain(path);
    }
  });

  test('holds addons of known platforms, one each, and no other library', () => {
    const binaries = packed.files.filter(({ path }) => /\.(node|so|so\.\d+|dylib|dll|a|o)$/.test(path));
    for (const { path } of binaries) {
      expect(path).toMatch(
        /^prebuilds\/(linux-(x64|arm64)\/ganvas\.glibc|(darwin|win32)-\w+\/ganvas)\.node$/,
      );
    }
  });

  test('brings what it needs at run time along, so that installing needs no network', () => {
    const { dependencies, bundleDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(bundleDependencies).toEqual(Object.keys(dependencies));
    expect(packed.bundled).toEqual(expect.arrayContaining(bundleDependencies));
  });

  test('is small', () => {
    expect(packed.size).toBeLessThan(6 * MiB);
    expect(sizeOf('data/')).toBeLessThan(MiB);
    expect(sizeOf('dist/')).toBeLessThan(2 * MiB);
    expect(sizeOf(prebuiltAddon)).toBeLessThan(8 * MiB);
  });

  test('its types are found by TypeScript in every mode that knows ESM (attw)', async () => {
    const { code, out } = await run(
      join(root, 'node_modules/.bin/attw'),
      [packed.path, '--profile', 'esm-only', '--no-color', '--no-emoji'],
      root,
    );
    expect(out).toMatch(/node16 \(from ESM\) . OK \(ESM\)/);
    expect({ code, out: code === 0 ? '' : out }).toEqual({ code: 0, out: '' });
  }, 60_000);

  test('publint finds nothing wrong', async () => {
    const { code, out } = await run(
      join(root, 'node_modules/.bin/publint'),
      ['run', packed.path, '--strict'],
      root,
    );
    expect(out).toContain('All good!');
    expect(code).toBe(0);
  }, 60_000);
});
