// Training steps against PyTorch and tfjs-node: same model, batch, precision (f32), optimiser and updates everywhere.
// One step: fakes are made without gradients; D learns from real and fake (separate batches); G learns through a D
// whose weight gradients are not computed; Adam on both; both losses are read.
//
//   npx tsx bench/train.bench.ts [--case NAME] [--rounds N] [--steps N] [--json FILE]

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { compare, ganvasSystem, machine, record, table, tfjsSystem, torchSystem } from './harness.js';

const cases = {
  'perceptron GAN, batch 128': { model: 'gan', batch: 128, steps: 20, warmup: 20 },
  'DCGAN-28, batch 64': { model: 'dcgan', size: 28, channels: 1, width: 64, batch: 64, steps: 8, warmup: 5 },
  'DCGAN-64, batch 64': { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64, steps: 4, warmup: 3 },
};

const { values } = parseArgs({
  options: {
    case: { type: 'string' },
    rounds: { type: 'string' },
    steps: { type: 'string' },
    json: { type: 'string' },
  },
});
const threads = availableParallelism();
const m = machine();
console.log(
  `${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, Node ${m.node}, ${threads} threads, ${m.date}\n`,
);

for (const [title, { steps, warmup, ...model }] of Object.entries(cases)) {
  if (values.case && !title.includes(values.case)) continue;
  const config = { ...model, threads };
  const readings = await compare(
    [
      ganvasSystem('ganvas', 'ganvas_worker.ts', config),
      torchSystem('PyTorch', 'torch_worker.py', { ...config, format: 'contiguous' }),
      ...(model.model === 'gan'
        ? []
        : [torchSystem('PyTorch channels_last', 'torch_worker.py', { ...config, format: 'channels_last' })]),
      tfjsSystem('tfjs-node', 'tfjs_worker.cjs', config),
    ],
    { warmup, rounds: Number(values.rounds ?? 5), steps: Number(values.steps ?? steps) },
  );
  console.log(table(title, readings));
  if (values.json) record(values.json, title, readings);
}
