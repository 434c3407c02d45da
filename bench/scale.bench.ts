// How time and memory of a DCGAN training step grow: with the batch (1 to 256), the width (16 to 256 channels next to the
// image) and the image (32 to 256 pixels). One axis at a time, from DCGAN-64, width 64, batch 16.

import { adversarialStep, dcganDiscriminator, dcganGenerator } from './flops.js';
import { compare } from './harness.js';
import { ganvas, torch } from './peers.js';
import { fixed, machine, markdown, median, ratio, record, time } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'How do time and memory of a step grow with batch, width and image size?';

const base = { model: 'dcgan', batch: 16, size: 64, channels: 3, width: 64 } as const;
const axes = {
  batch: [1, 4, 16, 64, 256],
  width: [16, 32, 64, 128, 256],
  size: [32, 64, 128, 256],
} as const;

export async function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  for (const [axis, values] of Object.entries(axes)) {
    if (options.case && !axis.includes(options.case)) continue;
    const rows: string[][] = [];
    for (const value of values) {
      const work = { ...base, [axis]: value, threads };
      const readings = await compare(
        [
          ganvas('ganvas_train.ts', work),
          torch('torch_train.py', { ...work, format: 'channels_last' }, 'PyTorch channels_last'),
        ],
        { warmup: 2, rounds: Math.min(options.rounds, 3), steps: options.steps ?? 3 },
      );
      const [own, peer] = readings;
      const { batch, size, channels, width } = work;
      const flops = adversarialStep(
        dcganGenerator(batch, size, channels, width, 100),
        dcganDiscriminator(batch, size, channels, width),
      );
      const ms = median(own.ms);
      rows.push([
        String(value),
        time(ms),
        fixed(flops / (ms * 1e6), 0),
        fixed(own.rss, 0),
        ...(peer.missing ? [peer.missing, ''] : [fixed(ratio(peer, own), 2), fixed(peer.rss, 0)]),
      ]);
      record(options.json, `DCGAN, ${axis} ${value}`, readings);
    }
    const columns = [
      axis,
      'ms / step',
      'direct GFLOP/s',
      'memory, MiB',
      "PyTorch's time ÷ ganvas's",
      "PyTorch's memory",
    ];
    console.log(`### DCGAN step by ${axis}\n\n${markdown(columns, rows)}`);
  }
}
