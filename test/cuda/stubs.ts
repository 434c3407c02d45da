// Makes stand-ins for the driver, its vendor's libraries and the plugin with the C compiler, and runs a process that sees
// them and nothing else of CUDA. What is expected of it: loader.test.ts.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root, run } from '../install/packed.js';

const compiler = process.env.CC || 'cc';
const source = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Why stand-ins cannot be made here; undefined if they can. */
export function withoutCompiler(): string | undefined {
  if (process.platform !== 'linux') return `there is no CUDA plugin for ${process.platform}`;
  try {
    execFileSync(compiler, ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `there is no C compiler (${compiler})`;
  }
}

/** The emulated plugin, if it has been built. */
export const emulatedPlugin = join(root, 'build/emulated/libganvas_cuda.so');
/** The real one: built here, or as it is published. */
export const realPlugin = ['build/cuda', 'packages/cuda-linux-x64']
  .map((place) => join(root, place, 'libganvas_cuda.so'))
  .find(existsSync);
/** Where the vendor's libraries are, from the variables of the test run. */
export const vendorFolders = (process.env.GANVAS_CUDA_WHEELS ?? '')
  .split(';')
  .flatMap((wheels) => ['cudnn', 'cu13', 'cublas'].map((part) => join(wheels, 'nvidia', part, 'lib')))
  .concat(process.env.GANVAS_CUDA_LIBRARY_PATH ?? [])
  .join(':');

export const folder = mkdtempSync(join(tmpdir(), 'ganvas-stubs-'));
let made = 0;

/** Compiles a shared library into a folder of its own; returns its path. */
export function library(
  name: string,
  file: string,
  macros: Record<string, string | number> = {},
  more: string[] = [],
): string {
  const home = join(folder, String(made++));
  mkdirSync(home);
  const defines = Object.entries(macros).map(([key, value]) => `-D${key}=${value}`);
  const out = join(home, name);
  const flags = ['-shared', '-fPIC', '-Wall', '-Wextra', '-Werror', `-Wl,-soname,${name}`];
  execFileSync(compiler, [...flags, ...defines, '-o', out, source(file), ...more], { stdio: 'pipe' });
  return out;
}

export const driver = (macros = {}) => library('libcuda.so.1', 'stub-libcuda.c', macros);
export const plugin = (macros = {}, more: string[] = []) =>
  library('libganvas_cuda.so', 'stub-plugin.c', macros, more);

export interface Seen {
  /** What device('auto') chose, asked twice. */
  auto: string[];
  /** What device('cuda') threw. */
  error: { code?: string; message?: string };
  /** One and two, on whichever device it was. */
  three: number;
  /** What ganvas doctor prints. */
  rows: Record<string, string>;
  /** Names of the shared libraries that the process had mapped. */
  libraries: string[];
  stderr: string;
}

/** A copy of the sources with a plugin as the optional package, and no other. Returns where they are. */
export async function withPackage(file: string): Promise<{ base: string; home: string }> {
  const base = join(folder, 'installed');
  const name = `@ganvas/cuda-${process.platform}-${process.arch}`;
  const home = join(base, 'node_modules', name);
  await mkdir(home, { recursive: true });
  for (const part of ['src', 'package.json', 'test/cuda/stub-child.ts']) {
    await cp(join(root, part), join(base, part), { recursive: true });
  }
  for (const other of await readdir(join(root, 'node_modules'))) {
    if (other !== '@ganvas')
      await symlink(join(root, 'node_modules', other), join(base, 'node_modules', other));
  }
  await writeFile(join(home, 'package.json'), JSON.stringify({ name, version: '1.0.0' }));
  await cp(file, join(home, 'libganvas_cuda.so'));
  return { base, home };
}

/** Runs stub-child.ts with these variables and no other that concerns CUDA. */
export async function look(variables: Record<string, string>, base = root): Promise<Seen> {
  const env: NodeJS.ProcessEnv = { LD_LIBRARY_PATH: '', GANVAS_SILENT: '', GANVAS_TEST_DEVICE: '' };
  for (const key of ['PLUGIN', 'DEVICE', 'LIBRARY_PATH', 'SKIP_DRIVER']) env[`GANVAS_CUDA_${key}`] = '';
  const child = ['--import', 'tsx', join(base, 'test/cuda/stub-child.ts')];
  const { code, out, err } = await run(process.execPath, child, root, { ...env, ...variables });
  if (code !== 0) throw new Error(`the process ended with ${code}: ${err}`);
  return { ...JSON.parse(out), stderr: err };
}
