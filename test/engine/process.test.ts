// The addon among processes and threads: several workers, some terminated in mid-work; a process that ends while work
// is queued; and hostile arguments, which must never bring the process down. Each in a thread or process of its own.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { addon, nativeStatus } from '../../src/native.js';

const path = nativeStatus().path!;
const child = (name: string) => fileURLToPath(new URL(`child/${name}`, import.meta.url));
const run = promisify(execFile);

function start(number: number, endless: boolean): Worker {
  return new Worker(child('worker.mjs'), { workerData: { path, number, endless } });
}

describe('worker threads', () => {
  test('four workers use the addon at once; two are terminated in mid-work', async () => {
    addon();
    await addon().sync();
    const before = addon().memory();
    const workers = [1, 2, 3, 4].map((n) => start(n, n > 2));
    const [a, b, c, d] = workers;
    const finished = [a, b].map(async (w) => expect(await once(w, 'exit')).toEqual([0]));
    await Promise.all([c, d].map((w) => once(w, 'message')));
    await Promise.all([c, d].map((w) => w.terminate()));
    await Promise.all(finished);
    // The main thread's slots and stream are untouched, and what the workers held is back.
    for (let i = 0; i < 50 && addon().memory().live > before.live; i++) {
      await addon().sync();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(addon().memory().tensors).toBe(before.tensors);
    expect(addon().memory().live).toBe(before.live);
  });

  test('three workers record and replay programs at once, and are terminated in mid-run', async () => {
    await addon().sync();
    const before = addon().memory();
    const workers = [1, 2, 3].map(
      (number) =>
        new Worker(child('program-worker.mjs'), { workerData: { path, number, endless: number > 1 } }),
    );
    const finished = once(workers[0], 'exit');
    await Promise.all(workers.map((w) => once(w, 'message')));
    expect(await finished).toEqual([0]);
    await Promise.all(workers.slice(1).map((w) => w.terminate()));
    for (let i = 0; i < 50 && addon().memory().live > before.live; i++) {
      await addon().sync();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(addon().memory().live).toBe(before.live);
  });

  test('workers can be started and terminated over and over', async () => {
    for (let i = 0; i < 8; i++) {
      const workers = [start(5, true), start(6, true)];
      if (i % 2) await Promise.all(workers.map((w) => once(w, 'message')));
      await Promise.all(workers.map((w) => w.terminate()));
    }
    await addon().sync();
  });

  test('a worker sees only its own tensors', async () => {
    const worker = start(9, false);
    const [message] = await once(worker, 'message');
    expect(message.tensors).toBe(2);
    await worker.terminate();
  });
});

describe('a process that ends with work queued', () => {
  for (const [how, code] of [
    ['end', 0],
    ['exit', 7],
    ['read', 7],
    ['throw', 1],
  ] as const) {
    test(`${how}: ends promptly, with its own exit code`, async () => {
      for (let i = 0; i < 3; i++) {
        const begin = performance.now();
        const result = await run(process.execPath, [child('pending.mjs'), path, how], {
          timeout: 10_000,
        }).catch((e) => e);
        expect(result.signal ?? null, result.stderr).toBe(null);
        expect(result.code ?? 0).toBe(code);
        expect(performance.now() - begin).toBeLessThan(4000);
      }
    });
  }
});

describe('hostile arguments', () => {
  for (const seed of [1, 2, 3, 4]) {
    test(`never crash the process (seed ${seed})`, { timeout: 120_000 }, async () => {
      const { stdout } = await run(process.execPath, [child('fuzz.mjs'), path, String(seed), '20000'], {
        timeout: 110_000,
      });
      expect(stdout).toMatch(/^accepted \d+/);
    });
  }
});
