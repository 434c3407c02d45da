// Memory: what a DCGAN-64 step needs at its peak, inside the engine and as a process, against PyTorch; and whether it stays
// flat over 3,000 steps of the perceptron GAN (read halfway between the grids and checkpoints, which hold some for a moment).

import { memory } from '../src/index.js';
import { compare } from './harness.js';
import { ganvas, tfjs, torchFormats } from './peers.js';
import { best, caseTable, fixed, machine, markdown, record } from './report.js';
import type { BenchOptions } from './run.js';
import { watchTraining } from './training.js';

export const question = 'How much memory does a step need, and does it stay flat over 3,000 steps?';

export async function run(options: BenchOptions): Promise<void> {
  const wanted = (title: string) => !options.case || title.includes(options.case);
  if (wanted('peak')) await peak(options);
  if (wanted('soak')) await soak(options);
}

async function peak(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const work = { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64, threads };
  const readings = await compare(
    [
      ganvas('ganvas_train.ts', work),
      ganvas('ganvas_train.ts', { ...work, precision: 'bf16' }, 'ganvas bf16'),
      ...torchFormats('torch_train.py', work),
      tfjs('tensorflow', 'tfjs_train.cjs', work),
    ],
    { warmup: 2, rounds: 2, steps: 2 },
  );
  console.log(caseTable('DCGAN-64, batch 64: peak of the process', readings));
  const [own] = readings;
  const peer = best(readings, 'PyTorch');
  if (peer && own.rss && peer.rss) {
    console.log(`ganvas needs ${fixed((100 * own.rss) / peer.rss, 0)} % of PyTorch's memory`);
  }
  record(options.json, 'peak memory, DCGAN-64', readings);
}

async function soak(options: BenchOptions): Promise<void> {
  const steps = options.steps ?? 3000;
  const readings: { step: number; tensors: number; liveMiB: number; residentMiB: number }[] = [];
  await watchTraining({
    model: 'gan',
    steps,
    every: 500,
    onStep: (step) => {
      if (step % 500 !== 250) return;
      const { tensors, live } = memory();
      const residentMiB = process.memoryUsage().rss / 2 ** 20;
      readings.push({ step, tensors, liveMiB: live / 2 ** 20, residentMiB });
    },
  });
  const rows = readings.map((r) => [
    String(r.step),
    String(r.tensors),
    fixed(r.liveMiB),
    fixed(r.residentMiB, 0),
  ]);
  console.log(
    `### Perceptron GAN on the digits\n\n${markdown(['step', 'live tensors', 'live, MiB', 'resident, MiB'], rows)}`,
  );
  record(options.json, 'soak, perceptron GAN', readings);
}
