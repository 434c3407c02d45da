// GANVAS_PROFILE: a process that runs some ops leaves a Chrome trace of them, in order and without overlap.

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { nativeStatus } from '../../src/native.js';
import { temporaryFolder } from '../train/helpers.js';

interface TraceEvent {
  ph: string;
  name: string;
  ts: number;
  dur: number;
  args: { shapes?: string };
}

const run = promisify(execFile);
const folder = await temporaryFolder();

async function traceOf(file: string): Promise<TraceEvent[]> {
  const child = fileURLToPath(new URL('child/profiled.mjs', import.meta.url));
  const path = join(folder, file);
  await run(process.execPath, [child, nativeStatus().path!], {
    env: { ...process.env, GANVAS_PROFILE: path },
  });
  const { traceEvents } = JSON.parse(await readFile(path, 'utf8'));
  return traceEvents;
}

test('every op that ran is in the trace, by itself or in a program, in order, with its shapes; reads are too', async () => {
  const events = (await traceOf('trace.json')).filter((e) => e.ph === 'X');
  const products = events.filter((e) => e.name === 'matmul');
  expect(products.map((e) => e.args.shapes)).toEqual(Array(2).fill('[64,64] [64,64] -> [64,64]'));
  const chains = events.filter((e) => e.name === 'mul+add');
  expect(chains.map((e) => e.args.shapes)).toEqual(Array(2).fill('[64,64] -> [64,64]'));
  for (const name of ['read or sync', 'wait for JavaScript'])
    expect(events.some((e) => e.name === name)).toBe(true);
  for (const event of events) expect(event.dur).toBeGreaterThanOrEqual(0);
  // One stream does one thing at a time; the trace keeps tenths of a microsecond.
  for (let i = 1; i < events.length; i++) {
    expect(events[i].ts).toBeGreaterThanOrEqual(events[i - 1].ts + events[i - 1].dur - 0.2);
  }
});
