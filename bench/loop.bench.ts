// Is the event loop free while a DCGAN trains in the same process? Prints monitorEventLoopDelay's percentiles, less the
// resolution of its own timer, over a run of DCGAN-28 on the digits.
//
//   npx tsx bench/loop.bench.ts [--steps 300] [--json FILE]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { trainRun } from '../src/train/run.js';
import { record } from './harness.js';

const { values } = parseArgs({ options: { steps: { type: 'string' }, json: { type: 'string' } } });
const steps = Number(values.steps ?? 300);
const resolution = 5;
const folder = await mkdtemp(join(tmpdir(), 'ganvas-loop-'));
const delay = monitorEventLoopDelay({ resolution });
await trainRun({
  model: 'dcgan',
  data: 'mnist',
  out: join(folder, 'run'),
  config: { steps, seed: 1, sampleEvery: 100, saveEvery: 100 },
  signal: new AbortController().signal,
  onEvent: (event) => {
    // Loading the data and compiling JavaScript are not training.
    if (event.type === 'step' && event.step === 10) delay.enable();
  },
});
delay.disable();
await rm(folder, { recursive: true });
const ms = (p: number) => delay.percentile(p) / 1e6;
const result = { steps, p50: ms(50), p99: ms(99), max: delay.max / 1e6, resolution };
console.log(
  `event-loop delay over ${steps} steps (timer resolution ${resolution} ms): p50 ${result.p50.toFixed(1)} ms, p99 ${result.p99.toFixed(1)} ms, max ${result.max.toFixed(1)} ms`,
);
if (values.json) record(values.json, 'event-loop delay, DCGAN-28', result);
