// Runs before each test file: an unhandled rejection fails the test during which it happens, by name, and not only the
// run as a whole. GANVAS_TEST_DEVICE names the device of all tensors, so that any test can be run on any device.

import { afterEach, beforeEach } from 'vitest';
import type { DeviceName } from '../src/device.js';

const { GANVAS_TEST_DEVICE } = process.env;
if (GANVAS_TEST_DEVICE) {
  const { device } = await import('../src/device.js');
  if (device(GANVAS_TEST_DEVICE as DeviceName) === 'cuda') {
    // By default a GPU rounds what it convolves to TF32; tests expect the numbers of f32.
    const { setConvPrecision } = await import('../src/tensor/ops/conv.js');
    setConvPrecision('accurate');
  }
}

const rejections: unknown[] = [];
process.on('unhandledRejection', (reason) => rejections.push(reason));

beforeEach(() => {
  rejections.length = 0;
});

afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve)); // rejections are reported after the microtasks have run
  const [first] = rejections.splice(0);
  if (first !== undefined) throw new Error('a promise was rejected and nobody handled it', { cause: first });
});
