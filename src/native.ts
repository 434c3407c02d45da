// Finds and loads the native addon, and explains itself when it cannot. Also the one place where an error thrown by
// native code becomes a GanvasError. No tensors here: see tensor/define.ts for how ops are called.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, GanvasError } from './errors.js';

/** Element types, in the order of the native enumeration. */
export const dtypes = ['f32', 'i32', 'u8', 'bf16'] as const;
export type DType = (typeof dtypes)[number];

export interface NativeMemory {
  live: number;
  peak: number;
  cached: number;
  limit: number;
  tensors: number;
}

/** What native/binding/addon.cpp exports. */
export interface Addon {
  /** Names of the native ops; the position is the number that `run` takes. */
  readonly ops: readonly string[];
  /** Shared buffer: input slots and attributes go in; output slots, dtypes, ranks and dimensions come out. */
  readonly args: Float64Array;
  run(op: number, inputs: number, attributes: number): number;
  fromData(dtype: number, rank: number, data: ArrayBufferView): number;
  view(slot: number, rank: number): number;
  free(slot: number): void;
  read(slot: number): Promise<ArrayBuffer>;
  sync(): Promise<void>;
  ready(limit: number): Promise<void>;
  pending(): number;
  memory(): NativeMemory;
  resetPeakMemory(): void;
  setMemoryLimit(bytes: number): void;
  clearMemoryCache(): void;
  threads(): number;
  setThreads(count: number): void;
  cpu(): { target: string; targets: string[] };
}

export interface NativeStatus {
  loaded: boolean;
  path?: string;
  error?: string;
  cpu?: { target: string; targets: string[]; threads: number };
  cuda: { available: false; reason: string };
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const candidates = [process.env.GANVAS_ADDON, join(root, 'build/Release/ganvas.node')];

let loaded: { addon: Addon; path: string } | undefined;

function load(): { addon: Addon; path: string } {
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of candidates) {
    if (!path) continue;
    try {
      return { addon: require(path) as Addon, path };
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new GanvasError(
    'ERR_NATIVE_MISSING',
    `the native addon could not be loaded (${process.platform}-${process.arch}, Node ${process.version}).\n` +
      `Tried:\n  ${tried.join('\n  ')}\n` +
      'Remedies: 1. in a checkout, run scripts/setup.sh, which installs a compiler and builds it; ' +
      '2. with a compiler, cmake, ninja and libhwy-dev present, run npm run build:native; ' +
      '3. point GANVAS_ADDON at a ganvas.node built for this platform.',
  );
}

/** The addon, loaded on first use. Throws ERR_NATIVE_MISSING with what was tried and the remedies. */
export function addon(): Addon {
  loaded ??= load();
  return loaded.addon;
}

/** What `ganvas doctor` prints; never throws. */
export function nativeStatus(): NativeStatus {
  const cuda = { available: false as const, reason: 'this build has no CUDA plugin' };
  try {
    const native = addon();
    return { loaded: true, path: loaded!.path, cpu: { ...native.cpu(), threads: native.threads() }, cuda };
  } catch (error) {
    return { loaded: false, error: (error as Error).message, cuda };
  }
}

function rethrow(error: unknown): never {
  const code = (error as { code?: string }).code;
  if (error instanceof GanvasError || !code?.startsWith('ERR_')) throw error;
  throw new GanvasError(code as ErrorCode, (error as Error).message, { cause: error });
}

/** Runs fn; an error from native code, thrown or rejected, becomes a GanvasError with the same code. */
export function callNative<T>(fn: () => T): T {
  try {
    const result = fn();
    return result instanceof Promise ? (result.catch(rethrow) as T) : result;
  } catch (error) {
    rethrow(error);
  }
}
