// What the native addon offers, loaded on first use (load-addon.ts finds it). Also the one place where an error thrown
// by native code becomes a GanvasError. No tensors here: see tensor/define.ts for how ops are called.

import { type ErrorCode, GanvasError } from './errors.js';
import { type AddonOrigin, type LoadedAddon, loadAddon } from './load-addon.js';

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

/** Where tensors live, in the order of the native enumeration. */
export const devices = ['cpu', 'cuda'] as const;
export type DeviceName = (typeof devices)[number];

/** What a CUDA plugin says of its device. */
export interface CudaDevice {
  name: string;
  /** `9.0` */
  capability: string;
  /** Bytes. */
  memory: number;
  /** How many the driver has. */
  devices: number;
  /** 13000 for CUDA 13.0 */
  driver: number;
  /** The vendor libraries in use, with their versions. */
  libraries: string;
  /** What the plugin was built with. */
  build: string;
}

/** What native/binding/addon.cpp exports. Queue and memory are those of the device that setDevice chose. */
export interface Addon {
  /** Names of the native ops; the position is the number that `run` takes. */
  readonly ops: readonly string[];
  /** Shared buffer: input slots and attributes go in; output slots, dtypes, ranks and dimensions come out. */
  readonly args: Float64Array;
  run(op: number, inputs: number, attributes: number): number;
  /** Records calls instead of queuing them, until endCapture or cancelCapture. */
  beginCapture(): void;
  /** An input of the program being recorded; its shape is in `args`. */
  placeholder(dtype: number, rank: number): number;
  /** Attributes of the last recorded call that each run gives anew. */
  live(first: number, count: number): void;
  /** Ends the recording; takes the results' slots, leaves where each comes from: 0 made anew, 1 an input, 2 outside. */
  endCapture(results: number): number;
  cancelCapture(): void;
  /** Takes the inputs' slots and the live values, leaves the results' slots. */
  runProgram(program: number, inputs: number, values: number): number;
  freeProgram(program: number): void;
  /** How the later recording differs; empty if it does not. */
  programDifference(earlier: number, later: number): string;
  programInfo(program: number): { calls: number; steps: number; graphs: number };
  /** What the NVIDIA driver says; an empty problem if there is a device. */
  driver(): { problem: string; version: number; devices: number };
  /** Loads a plugin and opens a device with it, or says in words why not. Folders of libraries are parted by ':'. */
  openCuda(path: string, libraries: string, device: number): CudaDevice | string;
  /** Where new tensors go. */
  setDevice(device: number): void;
  /** A copy of a tensor on a device. */
  copyTo(slot: number, device: number): number;
  /** 1: f32 matrix products on the CUDA device may use TF32. */
  allowTF32(matmul: number): void;
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
  origin?: AddonOrigin;
  error?: string;
  cpu?: { target: string; targets: string[]; threads: number };
}

let loaded: LoadedAddon<Addon> | undefined;

/** The addon, loaded on first use. Throws ERR_NATIVE_MISSING with what was tried and the remedies. */
export function addon(): Addon {
  loaded ??= loadAddon<Addon>();
  return loaded.addon;
}

/** What `ganvas doctor` prints; never throws. */
export function nativeStatus(): NativeStatus {
  try {
    const native = addon();
    const { path, origin } = loaded!;
    return { loaded: true, path, origin, cpu: { ...native.cpu(), threads: native.threads() } };
  } catch (error) {
    return { loaded: false, error: (error as Error).message };
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
