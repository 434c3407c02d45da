// Tests that need a CUDA device, a real one or the emulated one: skipped, with the reason in the title, where there is
// none; an error under GANVAS_REQUIRE_CUDA=1. scripts/test-cuda.mjs runs them where there is one.

import { afterAll, beforeAll, describe, test } from 'vitest';
import { cudaProblem, cudaStatus } from '../../src/cuda.js';
import { device } from '../../src/device.js';

const status = cudaStatus();
if (!status.available && process.env.GANVAS_REQUIRE_CUDA === '1') {
  throw new Error(`GANVAS_REQUIRE_CUDA=1, and there is no CUDA device: ${cudaProblem(status)}`);
}

export const { available } = status;

/** Whether the device is the host itself, with the limits that a test sets by GANVAS_EMULATED_MEMORY. */
export const emulated = status.device?.build === 'emulated';

/** Bytes of the device's memory. */
export const deviceMemory = status.device?.memory ?? 0;

/** describe(), with CUDA selected. */
export function describeOnCuda(title: string, body: () => void): void {
  if (!status.available) {
    test.skip(`${title}: skipped, no CUDA device (${cudaProblem(status)})`, () => {});
    return;
  }
  describe(title, () => {
    const before = device();
    beforeAll(() => {
      device('cuda');
    });
    afterAll(() => {
      device(before);
    });
    body();
  });
}

/** Runs `fn` with new tensors on a device. */
export async function on<T>(name: 'cpu' | 'cuda', fn: () => T | Promise<T>): Promise<T> {
  const before = device();
  device(name);
  try {
    return await fn();
  } finally {
    device(before);
  }
}
