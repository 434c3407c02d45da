// Where the files of the package lie: the addon, the bundled data, package.json. One folder above src/ or dist/, unless
// a bundler has put ganvas into a file of its own; the package is then looked up as that file would import it.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GanvasError } from './errors.js';

interface Manifest {
  name: string;
  version: string;
  config: { glibc: string };
}

function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function find(): { root: string; manifest: Manifest } {
  const here = fileURLToPath(import.meta.url);
  const above = join(dirname(here), '..');
  const own = readManifest(above);
  if (own?.name === 'ganvas') return { root: above, manifest: own };
  try {
    const installed = dirname(createRequire(here).resolve('ganvas/package.json'));
    return { root: installed, manifest: readManifest(installed)! };
  } catch (error) {
    throw new GanvasError(
      'ERR_NATIVE_MISSING',
      `${here} is a bundle that contains ganvas, but its addon and data are not in a node_modules/ganvas that the ` +
        'bundle can see: install ganvas there, or mark it as external',
      { cause: error },
    );
  }
}

/** The package's folder and what its package.json says. */
export const { root, manifest } = find();
