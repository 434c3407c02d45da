// What a user reads when no binary fits, for machines unlike this one; and the addon found on this one.

import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { explainFailure, type Failure, loadAddon, thisPlatform } from '../src/load-addon.js';

const prebuilt = '/app/node_modules/ganvas/prebuilds/linux-x64/ganvas.glibc.node';
const failure = (changes: Partial<Failure>, reason = 'there is no such file'): Failure => ({
  platform: { name: 'linux-x64', libc: 'glibc 2.36', node: 'v22.1.0' },
  attempts: [{ path: prebuilt, origin: 'prebuilt', reason }],
  prebuilt: ['linux-x64'],
  oldestGlibc: '2.35',
  checkout: false,
  ...changes,
});

test('names the platform, what was tried and why it failed, and numbers the remedies', () => {
  const lines = explainFailure(failure({}, 'invalid ELF header')).split('\n');
  expect(lines[0]).toBe(
    'the native addon could not be loaded on linux-x64 (glibc 2.36, Node v22.1.0). Tried:',
  );
  expect(lines[1]).toBe(`  ${prebuilt} (prebuilt): invalid ELF header`);
  expect(lines[2]).toBe('Remedies:');
  expect(lines.slice(3).map((line) => line.slice(0, 5))).toEqual(['  1. ', '  2. ', '  3. ']);
  expect(lines[3]).toContain('install again');
  expect(lines[4]).toContain('install.cjs --build');
  expect(lines[5]).toContain('GANVAS_ADDON');
});

test.each([
  [
    'an old glibc',
    failure(
      { platform: { name: 'linux-x64', libc: 'glibc 2.31', node: 'v20.0.0' } },
      "/lib/libc.so.6: version `GLIBC_2.35' not found",
    ),
    'needs glibc 2.35 or newer, this is glibc 2.31',
  ],
  [
    'Alpine',
    failure({ platform: { name: 'linux-x64', libc: 'musl', node: 'v20.0.0' } }),
    'there is no prebuilt binary for musl (Alpine)',
  ],
  [
    'node_modules copied from elsewhere',
    failure({ platform: { name: 'win32-arm64', libc: '', node: 'v20.0.0' } }),
    'run npm install ganvas on this one: it is prebuilt for linux-x64',
  ],
  ['a package without binaries', failure({ prebuilt: [] }), 'it is prebuilt for nothing'],
  ['a checkout', failure({ checkout: true }), 'scripts/setup.sh'],
])('%s gets its own first remedy', (_, given, remedy) => {
  expect(explainFailure(given).split('\n')[3]).toContain(remedy);
});

test('a file asked for by name is never replaced by another one', () => {
  process.env.GANVAS_ADDON = '/nowhere/ganvas.node';
  try {
    expect(() => loadAddon()).toThrowError(
      expect.objectContaining({
        code: 'ERR_NATIVE_MISSING',
        message: expect.stringMatching(/nowhere.*no such file[\s\S]*1\. unset GANVAS_ADDON/),
      }),
    );
  } finally {
    delete process.env.GANVAS_ADDON;
  }
});

test('here it is found, and the platform is described', () => {
  expect(existsSync(loadAddon().path)).toBe(true);
  const { name, libc, node } = thisPlatform();
  expect(name).toBe(`${process.platform}-${process.arch}`);
  expect(libc).toMatch(process.platform === 'linux' ? /^(glibc \d+\.\d+|musl)$/ : /^$/);
  expect(node).toBe(process.version);
});
