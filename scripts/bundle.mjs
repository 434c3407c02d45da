// Builds dist/: one module for what the package and its command share, instead of one per source file, because reading
// and linking two hundred files took most of the time that an import took. Dependencies stay outside. Names are
// kept, so that stack traces can be read; the type declarations beside it are tsc's.

import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const src = (file) => join(root, 'src', file);

rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly'], {
  stdio: 'inherit',
});
await build({
  // load-addon.ts is what scripts/install.cjs asks.
  entryPoints: [src('index.ts'), src('cli/main.ts'), src('load-addon.ts')],
  outbase: src(''),
  outdir: join(root, 'dist'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  packages: 'external',
  keepNames: true,
  chunkNames: 'ganvas-[hash]',
  logLevel: 'warning',
});
