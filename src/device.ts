// The default device, its memory and its queue. A device that is not there is an error with the reason, or, for
// 'auto', one line on stderr and the CPU.

import { cudaProblem, cudaReport, cudaStatus } from './cuda.js';
import { GanvasError } from './errors.js';
import { addon, callNative, type DeviceName, devices } from './native.js';
import { host } from './tensor/live.js';

export type { DeviceName } from './native.js';

/** Commands that may wait in the queue before `ready()` makes its caller wait. */
const queueLimit = 4096;

// What the native limit can express.
const mostBytes = 2 ** 50;

let told = false;

/**
 * Selects the device of the tensors made from now on, or, without a name, says which it is.
 * 'auto' takes CUDA where it works and otherwise the CPU, saying why on stderr once (GANVAS_SILENT=1: not at all).
 * @throws GanvasError ERR_CUDA_UNAVAILABLE with the reason for 'cuda' where there is none, ERR_DEVICE for an unknown name
 */
export function device(name?: DeviceName | 'auto'): DeviceName {
  switch (name) {
    case undefined:
      return host.device;
    case 'cpu':
      return select('cpu');
    case 'cuda':
      requireCuda();
      return select('cuda');
    case 'auto': {
      const status = cudaStatus();
      if (status.available) return select('cuda');
      if (!told && process.env.GANVAS_SILENT !== '1') {
        told = true;
        process.stderr.write(`ganvas: using the CPU, CUDA is off: ${cudaProblem(status)}\n`);
      }
      return select('cpu');
    }
    default:
      throw new GanvasError(
        'ERR_DEVICE',
        `device must be 'cpu', 'cuda' or 'auto', got ${JSON.stringify(name)}`,
      );
  }
}

/** Opens the CUDA device, or throws ERR_CUDA_UNAVAILABLE with everything that was tried. */
function requireCuda(): void {
  const status = cudaStatus();
  if (status.available) return;
  throw new GanvasError(
    'ERR_CUDA_UNAVAILABLE',
    `device 'cuda' is not available: ${cudaProblem(status)}. Tried:\n${cudaReport(status)}`,
  );
}

function select(name: DeviceName): DeviceName {
  if (name === host.device) return name;
  callNative(() => addon().setDevice(devices.indexOf(name)));
  host.device = name;
  return name;
}

/**
 * Whether f32 matrix products on the CUDA device may round their operands to TF32 (10 bits of mantissa), which is several
 * times faster. Off at the start. Convolutions follow setConvPrecision(): 'fast' uses TF32, 'accurate' does not.
 * @throws GanvasError ERR_CUDA_UNAVAILABLE where there is no CUDA device
 */
export function allowTF32(allowed: boolean): void {
  requireCuda();
  callNative(() => addon().allowTF32(allowed ? 1 : 0));
}

export interface MemoryUse {
  /** Bytes that tensors and running kernels hold. */
  live: number;
  /** The most that `live` has been. */
  peak: number;
  /** Bytes kept for reuse. */
  cached: number;
  /** The most that live and cached may be together. */
  limit: number;
  /** Tensors that have not been disposed. */
  tensors: number;
}

/** What the selected device's memory is used for, now. Commands still waiting have not taken theirs yet: sync() first. */
export function memory(): MemoryUse {
  return addon().memory();
}

/**
 * Limits what tensors may take together; a command that needs more fails with ERR_OUT_OF_MEMORY.
 * @param bytes Infinity takes the limit away; the limit at the start is the memory of the machine or container
 * @throws GanvasError ERR_ARGUMENT unless bytes is a positive number
 */
export function setMemoryLimit(bytes: number): void {
  if (!(bytes > 0)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `setMemoryLimit: expected a positive number of bytes, got ${bytes}`,
    );
  }
  callNative(() => addon().setMemoryLimit(Math.min(Math.floor(bytes), mostBytes)));
}

/** Starts the measurement of `memory().peak` again from what is live now. */
export function resetPeakMemory(): void {
  addon().resetPeakMemory();
}

/** Resolves when everything enqueued so far has run; rejects with the first error since the last read or sync. */
export async function sync(): Promise<void> {
  await callNative(() => addon().sync());
}

/** Resolves when the queue has room. Await it in loops that enqueue without reading, so that the queue stays short. */
export async function ready(): Promise<void> {
  await callNative(() => addon().ready(queueLimit));
}

/** How many threads CPU kernels use: the cores this process may use, GANVAS_THREADS, or what setThreads set. */
export function threads(): number {
  return addon().threads();
}

/**
 * Sets how many threads CPU kernels use, for the whole process. Results do not depend on it.
 * @throws GanvasError ERR_ARGUMENT unless `count` is an integer from 1 to 1024
 */
export function setThreads(count: number): void {
  callNative(() => addon().setThreads(count));
}
