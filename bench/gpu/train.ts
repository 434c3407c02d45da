// Training steps on the GPU, ganvas against PyTorch on the same device: f32 without and with TF32, and bf16. The same work
// and the same alternation as bench/train.bench.ts; a round's steps are timed from outside, until both losses have been
// read. Memory is the device's. Part of scripts/gpu-check.sh.
//
//   node --import tsx bench/gpu/train.ts [--rounds 5] [--steps N] [--case TEXT] [--json FILE]

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cudaStatus } from '../../src/cuda.js';
import { compare, type Plan } from '../harness.js';
import { type System, torch } from '../peers.js';
import { best, caseTable, fixed, markdown, median, ratio, record, time } from '../report.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    steps: { type: 'string' },
    case: { type: 'string' },
    json: { type: 'string' },
  },
});

const dcgan = { model: 'dcgan', width: 64, batch: 64 };
const models: [string, object, Omit<Plan, 'rounds'>][] = [
  ['perceptron GAN, batch 128', { model: 'gan', batch: 128 }, { warmup: 50, steps: 200 }],
  ['DCGAN-28, batch 64', { ...dcgan, size: 28, channels: 1 }, { warmup: 50, steps: 100 }],
  ['DCGAN-64, batch 64', { ...dcgan, size: 64, channels: 3 }, { warmup: 50, steps: 100 }],
  [
    'WGAN-GP-64, batch 32',
    { ...dcgan, model: 'wgan-gp', size: 64, channels: 3, batch: 32 },
    { warmup: 50, steps: 100 },
  ],
];
const precisions: [string, object][] = [
  ['f32', {}],
  ['TF32', { tf32: true }],
  ['bf16', { precision: 'bf16', tf32: true }],
];

/** ganvas from the sources: what a GPU machine is given need not be built first. */
function ganvas(config: object): System {
  const worker = join(fileURLToPath(new URL('../peers/', import.meta.url)), 'ganvas_train.ts');
  return { name: 'ganvas', command: [process.execPath, '--import', 'tsx', worker, JSON.stringify(config)] };
}

const summary: string[][] = [];
let done = 0;
for (const [model, work, plan] of models) {
  for (const [precision, how] of precisions) {
    const title = `${model}, ${precision}`;
    if (options.case && !title.includes(options.case)) continue;
    const config = { ...work, ...how, device: 'cuda', threads: availableParallelism() };
    // PyTorch on the emulated device would be PyTorch without a GPU.
    const peers =
      cudaStatus().device?.build === 'emulated'
        ? []
        : [
            torch('torch_train.py', { ...config, format: 'channels_last' }, 'PyTorch eager'),
            torch(
              'torch_train.py',
              { ...config, format: 'channels_last', compile: true },
              'PyTorch compiled',
            ),
          ];
    const few = options.steps ? { warmup: 1, steps: Number(options.steps) } : {};
    // torch.compile tunes for minutes.
    const all = { ...plan, ...few, rounds: Number(options.rounds), patience: 420 };
    const readings = await compare([ganvas(config), ...peers], all);
    console.log(caseTable(title, readings));
    record(options.json, title, readings);
    const [own] = readings;
    if (!own.missing) done++;
    const against = (prefix: string) => {
      const peer = own.missing ? undefined : best(readings, prefix);
      return peer ? `${time(median(peer.ms))} (${fixed(ratio(peer, own), 2)}×)` : '–';
    };
    const ms = own.missing ?? `**${time(median(own.ms))}**`;
    summary.push([
      title,
      ms,
      against('PyTorch eager'),
      against('PyTorch compiled'),
      fixed(own.extra?.deviceMiB, 0),
    ]);
  }
}
console.log(
  markdown(['training step', 'ganvas, ms', 'PyTorch eager, ms', 'compiled, ms', 'device MiB'], summary),
);
process.exitCode = done === summary.length ? 0 : 1;
