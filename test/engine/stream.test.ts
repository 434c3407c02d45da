// The stream and the memory pool as JavaScript sees them: errors found by a kernel reject the next read, skip what
// depended on them, free what they held and leave the stream usable; memory() counts; waiting is asynchronous.

import { afterEach, describe, expect, test } from 'vitest';
import { addon, callNative } from '../../src/native.js';
import { native, upload } from '../../src/tensor/define.js';
import { tensor } from '../../src/tensor/from.js';
import { add, gather, matmul, mul, sum, zeros } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

const MiB = 1 << 20;
const limit = addon().memory().limit;
const vector = (...x: number[]) => tensor(Float32Array.from(x), [x.length]);
const sync = () => callNative(() => addon().sync());
const failing = (code: string, message: RegExp) =>
  expect.objectContaining({ name: 'GanvasError', code, message: expect.stringMatching(message) });

afterEach(() => addon().setMemoryLimit(limit));

/** A tensor whose kernel will fail: an index beyond the end. */
const broken = () => gather(zeros([3, 2]), tensor(Int32Array.of(0, 7), [2]), 0);

/** Runs fn with only `bytes` of memory left. */
async function withMemory(bytes: number, fn: () => Promise<void>): Promise<void> {
  await sync();
  addon().clearMemoryCache();
  addon().setMemoryLimit(addon().memory().live + bytes);
  await fn();
  addon().setMemoryLimit(limit);
}

describe('an error in a kernel', () => {
  test('rejects the next read with op, shapes and code', async () => {
    await scope(async () => {
      await expect(broken().data()).rejects.toThrow(failing('ERR_INDEX', /gather.*\[3,2\].*7/s));
    });
  });

  test('rejects the next sync once, and the one after succeeds', async () => {
    await scope(async () => {
      broken();
      await expect(sync()).rejects.toThrow(failing('ERR_INDEX', /gather/));
      await expect(sync()).resolves.toBeUndefined();
    });
  });

  test('rejects the next read of another tensor, whose data stays readable', async () => {
    await scope(async () => {
      const fine = vector(1, 2);
      broken();
      await expect(fine.data()).rejects.toThrow(failing('ERR_INDEX', /gather/));
      expect(Array.from(await fine.data())).toEqual([1, 2]);
    });
  });

  test('poisons what was computed from the failed result, as often as it is read', async () => {
    await scope(async () => {
      const y = sum(mul(broken(), zeros([2])));
      for (let i = 0; i < 3; i++) await expect(y.data()).rejects.toThrow(failing('ERR_INDEX', /gather/));
      await expect(sync()).resolves.toBeUndefined();
    });
  });

  test('reports the first of several errors', async () => {
    await scope(async () => {
      gather(zeros([4]), tensor(Int32Array.of(11), [1]), 0);
      gather(zeros([4]), tensor(Int32Array.of(22), [1]), 0);
      await expect(sync()).rejects.toThrow(failing('ERR_INDEX', /11/));
      await expect(sync()).resolves.toBeUndefined();
    });
  });

  test('leaves the stream usable and returns all memory', async () => {
    await sync();
    const before = addon().memory();
    for (let i = 0; i < 20; i++) {
      await scope(async () => {
        const y = add(broken(), zeros([2]));
        await expect(y.data()).rejects.toThrow(failing('ERR_INDEX', /gather/));
        expect(Array.from(await add(vector(1), vector(2)).data())).toEqual([3]);
      });
    }
    await sync();
    expect(addon().memory().tensors).toBe(before.tensors);
    expect(addon().memory().live).toBe(before.live);
  });

  test('does not stop independent work that was enqueued after it', async () => {
    await scope(async () => {
      broken();
      const y = mul(vector(3), vector(4));
      await expect(sync()).rejects.toThrow(failing('ERR_INDEX', /gather/));
      expect(Array.from(await y.data())).toEqual([12]);
    });
  });

  test('many concurrent reads all settle', async () => {
    await scope(async () => {
      const [good, bad] = [vector(1), broken()];
      const results = await Promise.allSettled(
        Array.from({ length: 200 }, (_, i) => (i % 3 ? good : bad).data()),
      );
      results.forEach((r, i) => {
        if (i % 3 === 0) expect(r.status).toBe('rejected');
      });
      expect(results.filter((r) => r.status === 'fulfilled').length).toBeGreaterThan(100);
    });
  });
});

describe('out of memory', () => {
  test('rejects the next read, names the op, the shapes and the remedy, and recovers', async () => {
    await scope(async () => {
      const x = zeros([1024]);
      await withMemory(2 * MiB, async () => {
        const big = native('broadcastTo', [x], [2, 4096, 1024])[0];
        await expect(sum(big).data()).rejects.toThrow(
          failing('ERR_OUT_OF_MEMORY', /broadcastTo.*\[1024\].*33554432 bytes.*setMemoryLimit/s),
        );
        expect(await sum(x).item()).toBe(0);
      });
    });
    await sync();
  });

  test('frees what the failed step held', async () => {
    await sync();
    const before = addon().memory();
    await scope(async () => {
      await withMemory(6 * MiB, async () => {
        await scope(async () => {
          const parts: Tensor[] = [];
          for (let i = 0; i < 16; i++) parts.push(native('fill', [], [0, 1, 1, MiB / 4])[0]);
          await expect(parts[15].data()).rejects.toThrow(failing('ERR_OUT_OF_MEMORY', /fill/));
        });
        expect(await sum(zeros([MiB / 4])).item()).toBe(0);
      });
    });
    await sync();
    expect(addon().memory().live).toBe(before.live);
    expect(addon().memory().tensors).toBe(before.tensors);
  });

  test('an upload that does not fit throws at once', async () => {
    await withMemory(MiB, async () => {
      expect(() => upload(new Float32Array(MiB), [MiB], 'f32')).toThrow(
        failing('ERR_OUT_OF_MEMORY', /4194304 bytes/),
      );
    });
  });

  test('a shape no machine can hold is refused before anything runs', () => {
    expect(() => native('fill', [], [0, 1, 3, 1e9, 1e9, 1e9])).toThrow(failing('ERR_SHAPE', /2\^40/));
    expect(() => zeros([-1])).toThrow(failing('ERR_SHAPE', /-1/));
  });
});

describe('memory()', () => {
  test('counts tensors, live and cached bytes, and the peak', async () => {
    await sync();
    addon().clearMemoryCache();
    addon().resetPeakMemory();
    const before = addon().memory();
    expect(before.cached).toBe(0);
    expect(before.peak).toBe(before.live);
    const x = upload(new Float32Array(MiB), [MiB], 'f32');
    expect(addon().memory().tensors).toBe(before.tensors + 1);
    expect(addon().memory().live - before.live).toBe(4 * MiB);
    x.dispose();
    const after = addon().memory();
    expect(after.live).toBe(before.live);
    expect(after.cached).toBe(4 * MiB);
    expect(after.peak - before.live).toBe(4 * MiB);
    addon().clearMemoryCache();
    expect(addon().memory().cached).toBe(0);
  });

  test('an intermediate is freed as soon as its last use has run', async () => {
    await sync();
    addon().resetPeakMemory();
    const before = addon().memory().live;
    let y = upload(new Float32Array(MiB), [MiB], 'f32');
    for (let i = 0; i < 50; i++) {
      const next = add(y, y);
      y.dispose();
      y = next;
    }
    await y.data();
    expect(addon().memory().peak - before).toBeLessThanOrEqual(3 * 4 * MiB);
    y.dispose();
  });

  test('views share their storage', async () => {
    await sync();
    const before = addon().memory();
    const x = zeros([MiB]);
    const y = x.reshape([1024, -1]);
    await sync();
    expect(addon().memory().live - before.live).toBe(4 * MiB);
    x.dispose();
    expect(await sum(y).item()).toBe(0);
    y.dispose();
    await sync();
    expect(addon().memory().live).toBeLessThan(before.live + MiB);
  });
});

describe('waiting', () => {
  const work = (n: number) => {
    const a = zeros([768, 768]);
    for (let i = 0; i < n; i++) matmul(a, a).dispose();
    a.dispose();
  };

  test('ready resolves when few commands are left', async () => {
    work(40);
    expect(addon().pending()).toBeGreaterThan(10);
    await addon().ready(10);
    expect(addon().pending()).toBeLessThanOrEqual(10);
    await addon().ready(0);
    expect(addon().pending()).toBe(0);
    await addon().ready(0);
  });

  test('enqueuing returns long before the work is done', async () => {
    await sync();
    const a = zeros([768, 768]);
    await sync();
    const start = performance.now();
    for (let i = 0; i < 30; i++) matmul(a, a).dispose();
    const enqueued = performance.now() - start;
    await sync();
    expect(enqueued).toBeLessThan((performance.now() - start) / 4);
    a.dispose();
  });

  test('the event loop goes on while two seconds of products are computed', async () => {
    await sync();
    const start = performance.now();
    work(10);
    await sync();
    const each = (performance.now() - start) / 10;
    let ticks = 0;
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      ticks++;
    }, 10);
    const begin = performance.now();
    work(Math.min(5000, Math.ceil(2000 / each)));
    await sync();
    const taken = performance.now() - begin;
    clearInterval(timer);
    expect(taken).toBeGreaterThan(500);
    expect(ticks).toBeGreaterThan(taken / 10 / 4);
    expect(longest).toBeLessThan(taken / 3); // other processes want the cores too
  });
});
