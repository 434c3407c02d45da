// Does memory stay flat? 3,000 steps of the perceptron GAN: live tensors and resident memory every 500 steps, halfway between
// the sample grids and checkpoints, which hold memory for a moment.
//
//   npx tsx bench/soak.bench.ts [--steps 3000] [--json FILE]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memory } from '../src/index.js';
import { trainRun } from '../src/train/run.js';
import { record } from './harness.js';

const { values } = parseArgs({ options: { steps: { type: 'string' }, json: { type: 'string' } } });
const steps = Number(values.steps ?? 3000);
const folder = await mkdtemp(join(tmpdir(), 'ganvas-soak-'));
const readings: { step: number; tensors: number; liveMiB: number; residentMiB: number }[] = [];
await trainRun({
  model: 'gan',
  data: 'mnist',
  out: join(folder, 'run'),
  config: { steps, seed: 1, sampleEvery: 500, saveEvery: 500 },
  signal: new AbortController().signal,
  onEvent: (event) => {
    if (event.type !== 'step' || event.step % 500 !== 250) return;
    const { tensors, live } = memory();
    const residentMiB = process.memoryUsage().rss / 2 ** 20;
    readings.push({ step: event.step, tensors, liveMiB: live / 2 ** 20, residentMiB });
    console.log(
      `step ${event.step}: ${tensors} live tensors, ${(live / 2 ** 20).toFixed(1)} MiB live, ${residentMiB.toFixed(0)} MiB resident`,
    );
  },
});
await rm(folder, { recursive: true });
if (values.json) record(values.json, 'soak, perceptron GAN', readings);
