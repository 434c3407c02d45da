// Choosing a device, and what its memory and queue report.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { device, memory, ready, resetPeakMemory, setMemoryLimit, sync } from '../src/device.js';
import { zeros } from '../src/tensor/ops/index.js';

const code = (c: string) => expect.objectContaining({ code: c });

describe('device', () => {
  test('is the CPU unless told otherwise', () => {
    expect(device()).toBe('cpu');
    expect(device('cpu')).toBe('cpu');
  });

  test('cuda that is not there is an error with the reason', () => {
    expect(() => device('cuda')).toThrow(code('ERR_CUDA_UNAVAILABLE'));
    expect(() => device('cuda')).toThrow(/libganvas_cuda.so .*: file missing/s);
  });

  test('an unknown name is an error that lists the known ones', () => {
    expect(() => device('gpu' as never)).toThrow(/'cpu', 'cuda' or 'auto', got "gpu"/);
  });

  describe('auto', () => {
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const silent = process.env.GANVAS_SILENT;
    beforeEach(() => write.mockClear());
    afterEach(() => {
      process.env.GANVAS_SILENT = silent ?? '';
    });

    test('falls back to the CPU, says so once, and not at all when silenced', () => {
      process.env.GANVAS_SILENT = '1';
      expect(device('auto')).toBe('cpu');
      expect(write).not.toHaveBeenCalled();
      process.env.GANVAS_SILENT = '';
      expect(device('auto')).toBe('cpu');
      expect(device('auto')).toBe('cpu');
      expect(write).toHaveBeenCalledTimes(1);
      expect(write.mock.calls[0][0]).toMatch(/using the CPU, CUDA is off: .+\n$/);
    });
  });
});

describe('memory', () => {
  test('counts tensors and bytes', async () => {
    const before = memory();
    const t = zeros([1024, 256]);
    await sync();
    expect(memory().tensors).toBe(before.tensors + 1);
    expect(memory().live - before.live).toBeGreaterThanOrEqual(2 ** 20);
    expect(memory().peak).toBeGreaterThanOrEqual(memory().live);
    t.dispose();
    await sync();
    expect(memory().live).toBe(before.live);
    resetPeakMemory();
    expect(memory().peak).toBe(memory().live);
  });

  test('a limit makes the command that exceeds it fail, and may be taken away again', async () => {
    setMemoryLimit(2 ** 20);
    const t = zeros([2 ** 20]);
    await expect(t.data()).rejects.toThrow(code('ERR_OUT_OF_MEMORY'));
    setMemoryLimit(Number.POSITIVE_INFINITY);
    t.dispose();
    expect(await zeros([1]).item()).toBe(0);
    for (const bytes of [0, -1, Number.NaN])
      expect(() => setMemoryLimit(bytes)).toThrow(code('ERR_ARGUMENT'));
  });
});

test('ready resolves when the queue is short', async () => {
  await expect(ready()).resolves.toBeUndefined();
});
