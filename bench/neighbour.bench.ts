// What a busy neighbour costs: DCGAN-64 steps alone and beside \`yes\` on one core, alternating, in ganvas and PyTorch.
// A machine of which one core is taken has 1.5 of 2 cores left, so 1.33 times slower is the best there is.

import { type ChildProcess, spawn } from 'node:child_process';
import { compare, type Reading } from './harness.js';
import { ganvas, torch } from './peers.js';
import { fixed, machine, markdown, median, record, time } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'How much slower is a step beside a busy process on one core?';

function startNeighbour(): ChildProcess {
  return spawn('yes', { stdio: ['ignore', 'ignore', 'ignore'] });
}

export async function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const work = { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64, threads };
  const systems = [
    ganvas('ganvas_train.ts', work),
    torch('torch_train.py', { ...work, format: 'channels_last' }, 'PyTorch channels_last'),
  ];
  const rows: string[][] = [];
  for (const system of systems) {
    const quiet: Reading[] = [];
    const busy: Reading[] = [];
    for (let round = 0; round < options.rounds; round++) {
      const plan = { warmup: 2, rounds: 1, steps: options.steps ?? 4 };
      quiet.push(...(await compare([system], plan)));
      const neighbour = startNeighbour();
      try {
        busy.push(...(await compare([system], plan)));
      } finally {
        neighbour.kill();
      }
    }
    if (quiet[0].missing) {
      rows.push([system.name, quiet[0].missing, '', '']);
      continue;
    }
    const alone = median(quiet.map((r) => median(r.ms)));
    const beside = median(busy.map((r) => median(r.ms)));
    const slower = median(quiet.map((r, i) => median(busy[i].ms) / median(r.ms)));
    rows.push([system.name, time(alone), time(beside), `×${fixed(slower, 2)}`]);
    record(options.json, `busy neighbour, ${system.name}`, { quiet, busy });
  }
  console.log(markdown(['system', 'alone, ms', 'beside `yes`, ms', 'slower'], rows));
}
