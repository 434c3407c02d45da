// Training steps against PyTorch, tfjs and jax-js: same model, batch, precision, optimiser and updates everywhere.
// One step: fakes are made without gradients; D learns from real and fake (separate batches; the gradient penalty
// included where there is one); G learns through a D whose weight gradients are not computed; Adam on both; both losses
// are read. The floor is the step's direct matrix products at the rate of a large product, measured in the same run.

import { adversarialStep, dcganDiscriminator, dcganGenerator, perceptron } from './flops.js';
import { compare, type Plan, type Reading } from './harness.js';
import { ganvas, npmPeer, type System, tfjs, torch, torchFormats } from './peers.js';
import { best, caseTable, fixed, machine, markdown, median, ratio, record, time } from './report.js';
import type { BenchOptions } from './run.js';

export const question = 'How long does a training step take, against PyTorch, tfjs and jax-js?';

/** What the workers are told. */
interface Work {
  model: 'gan' | 'dcgan' | 'wgan-gp' | 'sngan';
  batch: number;
  size?: number;
  channels?: number;
  width?: number;
  precision?: 'f32' | 'bf16';
}

interface Case {
  title: string;
  work: Work;
  plan: Omit<Plan, 'rounds'>;
  /** FLOPs of a step with direct convolutions. */
  flops?: number;
  /** JavaScript systems that are worth starting; the others take minutes a step. */
  javascript: (work: object) => System[];
}

const nodeOnly = (work: object) => [tfjs('tensorflow', 'tfjs_train.cjs', work)];
const everyTfjs = (work: object) => [
  ...nodeOnly(work),
  tfjs('wasm', 'tfjs_train.cjs', work),
  tfjs('cpu', 'tfjs_train.cjs', work),
];
const dcganFlops = (batch: number, size: number, channels: number) =>
  adversarialStep(
    dcganGenerator(batch, size, channels, 64, 100),
    dcganDiscriminator(batch, size, channels, 64),
  );

const cases: Case[] = [
  {
    title: 'perceptron GAN, batch 128',
    work: { model: 'gan', batch: 128 },
    plan: { warmup: 20, steps: 20 },
    flops: adversarialStep(perceptron(128, [100, 256, 512, 1024, 784]), perceptron(128, [784, 512, 256, 1])),
    javascript: (work) => [...everyTfjs(work), npmPeer('jax-js wasm', '@jax-js/jax', 'jax_train.mjs', work)],
  },
  {
    title: 'DCGAN-28, batch 64',
    work: { model: 'dcgan', size: 28, channels: 1, width: 64, batch: 64 },
    plan: { warmup: 5, steps: 8 },
    flops: dcganFlops(64, 28, 1),
    javascript: everyTfjs,
  },
  {
    title: 'DCGAN-64, batch 64',
    work: { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64 },
    plan: { warmup: 3, steps: 4 },
    flops: dcganFlops(64, 64, 3),
    javascript: nodeOnly,
  },
  {
    title: 'DCGAN-64, batch 16',
    work: { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 16 },
    plan: { warmup: 5, steps: 8 },
    flops: dcganFlops(16, 64, 3),
    javascript: nodeOnly,
  },
  {
    title: 'WGAN-GP-64 with penalty, batch 32',
    work: { model: 'wgan-gp', size: 64, channels: 3, width: 64, batch: 32 },
    plan: { warmup: 3, steps: 4 },
    javascript: nodeOnly,
  },
  {
    title: 'SNGAN-32 (ResNet), batch 32',
    work: { model: 'sngan', size: 32, channels: 3, width: 128, batch: 32 },
    plan: { warmup: 2, steps: 3 },
    javascript: () => [],
  },
  {
    title: 'DCGAN-64, batch 64, bf16',
    work: { model: 'dcgan', size: 64, channels: 3, width: 64, batch: 64, precision: 'bf16' },
    plan: { warmup: 3, steps: 4 },
    javascript: () => [],
  },
];

// tfjs on its plain JavaScript backend takes minutes for a convolutional step: it is given this long, once.
const patience = 60;

export async function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const summary: string[][] = [];
  for (const { title, work, plan, flops, javascript } of cases) {
    if (options.case && !title.includes(options.case)) continue;
    const config = { ...work, threads };
    const peers =
      work.model === 'gan' ? [torch('torch_train.py', config)] : torchFormats('torch_train.py', config);
    const systems = [ganvas('ganvas_train.ts', config), ...peers, ...javascript(config)];
    const steps = options.steps ?? plan.steps;
    const readings = await compare(systems, { ...plan, steps, patience, rounds: options.rounds });
    console.log(caseTable(title, readings));
    summary.push(summaryRow(title, readings, flops));
    record(options.json, title, readings);
  }
  const columns = [
    'training step',
    'ganvas, ms',
    'share of the floor',
    'PyTorch, ms',
    'tfjs-node, ms',
    'memory',
  ];
  console.log(markdown(columns, summary));
}

/** One line of the table that the README quotes; memory is relative to PyTorch's. */
function summaryRow(title: string, readings: Reading[], flops: number | undefined): string[] {
  const [own] = readings;
  if (own.missing) return [title, own.missing, '', '', '', ''];
  const against = (peer: Reading | undefined) =>
    peer ? `${time(median(peer.ms))} (${fixed(ratio(peer, own), 2)}×)` : '–';
  const torchBest = best(readings, 'PyTorch');
  const floor = flops && own.extra?.gflops ? flops / (own.extra.gflops * 1e6) : undefined;
  const share = floor ? `${fixed((100 * floor) / median(own.ms), 0)} %` : '–';
  const memory = torchBest ? `${fixed((100 * own.rss!) / torchBest.rss!, 0)} %` : '–';
  const tfjsNode = best(readings, 'tfjs-node');
  return [title, `**${time(median(own.ms))}**`, share, against(torchBest), against(tfjsNode), memory];
}
