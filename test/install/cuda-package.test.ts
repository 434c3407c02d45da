// The package of the CUDA plugin: what it holds, and that ganvas finds it where npm puts it. The plugin itself is built by
// `npm run cuda-package`, which checks what the file needs; without it, only the manifest is looked at here.

import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { installOffline, pack, prebuiltAddon, root, run } from './packed.js';

const folder = join(root, 'packages', 'cuda-linux-x64');
const built = existsSync(join(folder, 'libganvas_cuda.so'));
const prebuilt = existsSync(join(root, prebuiltAddon));
const manifest = async (path: string) => JSON.parse(await readFile(join(path, 'package.json'), 'utf8'));

test('has the version of ganvas, which asks for exactly that', async () => {
  const [own, main] = await Promise.all([manifest(folder), manifest(root)]);
  expect(own.version).toBe(main.version);
  expect(main.optionalDependencies[own.name]).toBe(main.version);
  expect(own).toMatchObject({ os: ['linux'], cpu: ['x64'], license: main.license });
});

const skipped = [
  ...(built ? [] : ['no plugin: npm run cuda-package']),
  ...(prebuilt ? [] : ['no prebuilt addon']),
];
const title = 'ganvas finds the plugin of the package and says what it lacks';

test.skipIf(skipped.length > 0)(
  skipped.length > 0 ? `${title} (skipped, ${skipped.join(', ')})` : title,
  async () => {
    const place = await mkdtemp(join(tmpdir(), 'ganvas-cuda-'));
    try {
      const [main, plugin] = [await pack(place), await pack(place, folder)];
      expect(plugin.files.map(({ path }) => path).sort()).toEqual([
        'LICENSE',
        'README.md',
        'libganvas_cuda.so',
        'licenses/README.md',
        'licenses/eigen.txt',
        'package.json',
      ]);
      expect(plugin.size).toBeLessThan(15 * 2 ** 20);
      const app = await installOffline(place, main.path, plugin.path);
      const { code, out } = await run(process.execPath, ['node_modules/.bin/ganvas', 'doctor'], app, {
        GANVAS_CUDA_PLUGIN: '',
      });
      expect(code).toBe(0);
      expect(out).toContain('node_modules/@ganvas/cuda-linux-x64/libganvas_cuda.so');
      expect(out).not.toMatch(/cuda-linux-x64.*file missing/);
    } finally {
      await rm(place, { recursive: true });
    }
  },
  240_000,
);
