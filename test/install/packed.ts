// The package as users get it: packed by npm, installed without a network into an empty folder, nothing built. Needs
// the prebuilt addon (npm run prebuilds) and dist; without a prebuilt addon the tests that use this are skipped,
// or fail with GANVAS_REQUIRE_PREBUILD=1, which continuous integration sets.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const root = fileURLToPath(new URL('../..', import.meta.url));
const { platform, arch } = process;

/** The addon's path inside the package. */
export const prebuiltAddon = `prebuilds/${platform}-${arch}/${platform === 'linux' ? 'ganvas.glibc.node' : 'ganvas.node'}`;

export const skipInstall =
  !existsSync(join(root, prebuiltAddon)) && process.env.GANVAS_REQUIRE_PREBUILD !== '1';

export interface Outcome {
  code: number;
  out: string;
  err: string;
}

/** Runs a program to its end, whatever its exit code; `env` is laid over the environment. */
export function run(
  command: string,
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
    execFile(command, args, options, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out, err });
    });
  });
}

export interface Packed {
  /** The tarball. */
  path: string;
  filename: string;
  size: number;
  files: { path: string; size: number; mode: number }[];
  bundled: string[];
}

/** `npm pack` into a folder, of ganvas or of another package of the repository. */
export async function pack(folder: string, cwd = root): Promise<Packed> {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await promisify(execFile)('npm', args, { cwd, maxBuffer: 2 ** 26 });
  const [packed] = JSON.parse(stdout);
  return { ...packed, path: join(folder, packed.filename) };
}

/** Installs tarballs into `folder`/app, with npm's cache empty, offline and without install scripts. */
export async function installOffline(folder: string, ...tarballs: string[]): Promise<string> {
  const app = join(folder, 'app');
  await mkdir(app);
  const args = ['install', '--offline', '--ignore-scripts', '--cache', join(folder, 'cache'), ...tarballs];
  const { code, out, err } = await run('npm', args, app);
  if (code !== 0) throw new Error(`npm install failed:\n${out}${err}`);
  return app;
}
