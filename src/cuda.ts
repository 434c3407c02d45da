// Finds the CUDA plugin and opens its device, once, when it is first asked for. Every step that failed is kept, so that
// an error and `ganvas doctor` can say the whole of it. A machine without an NVIDIA driver is asked nothing more.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { GanvasError } from './errors.js';
import { addon, type CudaDevice, callNative, nativeStatus } from './native.js';
import { root } from './package-root.js';

/** One thing that was tried, and why it did not do. */
export interface CudaAttempt {
  /** The plugin's file and where it was sought, or the driver. */
  what: string;
  reason: string;
}

export interface CudaStatus {
  available: boolean;
  device?: CudaDevice;
  /** The plugin's file. */
  path?: string;
  attempts: readonly CudaAttempt[];
}

const driverName = 'NVIDIA driver';
const file = 'libganvas_cuda.so';
const packageName = `@ganvas/cuda-${process.platform}-${process.arch}`;

interface Candidate {
  path: string;
  origin: string;
}

function* candidates(): Generator<Candidate> {
  const { GANVAS_CUDA_PLUGIN } = process.env;
  if (GANVAS_CUDA_PLUGIN) {
    // Asked for by name: another one in its place would be a surprise.
    yield { path: resolve(GANVAS_CUDA_PLUGIN), origin: 'GANVAS_CUDA_PLUGIN' };
    return;
  }
  yield { path: join(root, 'build', 'cuda', file), origin: 'built here' };
  const beside = nativeStatus().path;
  if (beside) yield { path: join(dirname(beside), file), origin: 'beside the addon' };
  try {
    const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
    yield { path: join(dirname(manifest), file), origin: packageName };
  } catch {
    yield { path: `${packageName}/${file}`, origin: 'not installed' };
  }
}

/** Which of the driver's devices, from GANVAS_CUDA_DEVICE. */
function deviceNumber(): number {
  const text = process.env.GANVAS_CUDA_DEVICE || '0';
  if (!/^\d{1,3}$/.test(text)) {
    throw new GanvasError(
      'ERR_CUDA_UNAVAILABLE',
      `GANVAS_CUDA_DEVICE must be the number of a device, from 0; got ${JSON.stringify(text)}`,
    );
  }
  return Number(text);
}

function open(): CudaStatus {
  const attempts: CudaAttempt[] = [];
  const refused = (what: string, reason: string): void => {
    attempts.push({ what, reason });
  };
  try {
    // The plugin that emulates a device for tests needs no driver.
    if (process.env.GANVAS_CUDA_SKIP_DRIVER !== '1') {
      const { problem } = addon().driver();
      if (problem) refused(driverName, problem);
    }
    const number = deviceNumber();
    for (const { path, origin } of candidates()) {
      const what = `${path} (${origin})`;
      if (!existsSync(path)) refused(what, 'file missing');
      else if (attempts.some((attempt) => attempt.what === driverName)) refused(what, 'not tried');
      else {
        const result = callNative(() =>
          addon().openCuda(path, process.env.GANVAS_CUDA_LIBRARY_PATH ?? '', number),
        );
        if (typeof result !== 'string') return { available: true, device: result, path, attempts };
        refused(what, result);
      }
    }
  } catch (error) {
    refused('CUDA', (error as Error).message);
  }
  return { available: false, attempts };
}

let status: CudaStatus | undefined;

/** The CUDA device, opened if it can be; never throws. */
export function cudaStatus(): CudaStatus {
  status ??= open();
  return status;
}

/** Why there is no CUDA device, in one line: the first thing that failed. */
export function cudaProblem({ attempts }: CudaStatus): string {
  const driver = attempts.find(({ what }) => what === driverName);
  const tried = attempts.filter(({ reason }) => reason !== 'not tried');
  // A plugin that is there and does not load says more than one that is not there.
  const present = tried.find(({ reason }) => reason !== 'file missing');
  return (driver ?? present ?? tried[0])?.reason ?? 'nothing was tried';
}

/** The same in full, one line for each thing that was tried. */
export function cudaReport({ attempts }: CudaStatus): string {
  return attempts.map(({ what, reason }) => `${what}: ${reason}`).join('\n');
}
