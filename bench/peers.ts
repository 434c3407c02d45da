// Where the systems under test are found. A peer that is not installed is listed with how to get it, never skipped in
// silence. Nothing here measures; see harness.ts.

import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativeStatus } from '../src/native.js';

const here = dirname(fileURLToPath(import.meta.url));
const workers = join(here, 'peers');
const root = join(here, '..');
/** As bench/tsconfig.json says. */
const output = join(root, 'build/bench-js');
let compiled = false;

/** Workers run as plain JavaScript, as a user's program does: a TypeScript loader would add 50 MiB and its start. */
function compiledWorker(worker: string): string {
  if (!compiled) {
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, '-p', join(here, 'tsconfig.json')], { stdio: 'inherit' });
    copyFileSync(join(root, 'package.json'), join(output, 'package.json'));
    compiled = true;
  }
  return join(output, 'bench/peers', worker.replace(/\.ts$/, '.js'));
}

export interface System {
  name: string;
  /** Program and arguments; undefined with a reason when the system cannot be run. */
  command?: string[];
  env?: Record<string, string>;
  missing?: string;
}

/** ganvas from the sources of this checkout, with the addon that was built last. */
export function ganvas(worker: string, config: object, name = 'ganvas'): System {
  const command = [process.execPath, compiledWorker(worker), JSON.stringify(config)];
  return { name, command, env: { GANVAS_ADDON: nativeStatus().path ?? '' } };
}

/** PyTorch through GANVAS_PYTHON. */
export function torch(worker: string, config: object, name = 'PyTorch'): System {
  const python = process.env.GANVAS_PYTHON;
  if (!python) {
    return {
      name,
      missing: 'missing: `pip install torch`, then set GANVAS_PYTHON to that Python',
    };
  }
  return { name, command: [python, join(workers, worker), JSON.stringify(config)] };
}

/** PyTorch in both memory formats; the better one counts. */
export const torchFormats = (worker: string, config: object, name = 'PyTorch'): System[] => [
  torch(worker, { ...config, format: 'contiguous' }, `${name} contiguous`),
  torch(worker, { ...config, format: 'channels_last' }, `${name} channels_last`),
];

/** A package of npm through GANVAS_PEERS, a folder with a node_modules of its own. */
export function npmPeer(name: string, pkg: string, worker: string, config: object): System {
  const peers = process.env.GANVAS_PEERS;
  if (!peers || !existsSync(join(peers, 'node_modules', pkg))) {
    return { name, missing: `missing: \`npm install ${pkg}\` in a folder, then set GANVAS_PEERS to it` };
  }
  return { name, command: [process.execPath, join(workers, worker), JSON.stringify(config)] };
}

/** tfjs on one of its backends: tensorflow (tfjs-node), wasm or cpu. */
export function tfjs(backend: 'tensorflow' | 'wasm' | 'cpu', worker: string, config: object): System {
  const pkg = { tensorflow: 'tfjs-node', wasm: 'tfjs-backend-wasm', cpu: 'tfjs' }[backend];
  const name = backend === 'tensorflow' ? 'tfjs-node' : `tfjs ${backend}`;
  return npmPeer(name, `@tensorflow/${pkg}`, worker, { ...config, backend });
}
