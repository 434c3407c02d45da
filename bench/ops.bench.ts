// The fused blocks that every GAN uses, forward and backward, beside the same block from separate ops and PyTorch. Blocks of
// StyleGAN2, BigGAN and SNGAN: blocks.bench.ts; attention and recurrent layers: attention.bench.ts; odd convolutions:
// conv.bench.ts.

import { ganvas, type System, torch, torchFormats } from './peers.js';
import { machine } from './report.js';
import type { BenchOptions } from './run.js';
import { compositeName, versusTorch } from './versus.js';

export const question = 'How long do the fused blocks take, beside their composites and PyTorch?';

const composed = (work: object) => ganvas('ganvas_ops.ts', { ...work, composite: true }, compositeName);
const images = (work: object): System[] => [composed(work), ...torchFormats('torch_ops.py', work)];

/** Titles, block names of the workers, and what they are compared with. */
const cases: { title: string; block: string; peers: (work: object) => System[] }[] = [
  {
    title: 'conv 4x4 s2 64→128 at 32x32, batch norm, leaky ReLU, batch 64',
    block: 'conv-norm-act',
    peers: images,
  },
  {
    title: 'transposed conv 4x4 s2 128→64 at 16x16, batch norm, leaky ReLU, batch 64',
    block: 'convT-norm-act',
    peers: images,
  },
  { title: 'the same transposed block folded, forward only', block: 'folded', peers: images },
  { title: 'bias, leaky ReLU and gain, 32x32x128, batch 32', block: 'bias-act', peers: images },
  { title: 'batch norm and ReLU, 32x32x128, batch 32', block: 'norm-act', peers: images },
  { title: 'residual block of 3x3 convolutions, 32x32x128, batch 32', block: 'residual', peers: images },
  {
    title: 'SAGAN attention block, 32x32x256, batch 16',
    block: 'attention',
    peers: (work) => [
      composed(work),
      ...torchFormats('torch_ops.py', work),
      ...torchFormats('torch_ops.py', { ...work, flash: true }, 'PyTorch fused attention'),
    ],
  },
  { title: 'matrix product 1024x1024x1024', block: 'matmul', peers: (work) => [torch('torch_ops.py', work)] },
  {
    title: 'Adam over 10 M parameters',
    block: 'adam',
    peers: (work) => [
      torch('torch_ops.py', work),
      torch('torch_ops.py', { ...work, foreach: true }, 'PyTorch foreach'),
      torch('torch_ops.py', { ...work, fused: true }, 'PyTorch fused'),
    ],
  },
  {
    title: 'moving average of 10 M parameters',
    block: 'ema',
    peers: (work) => [torch('torch_ops.py', work)],
  },
  {
    title: 'clipping the norm of 10 M gradients',
    block: 'clip',
    peers: (work) => [torch('torch_ops.py', work)],
  },
];

export function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const plan = { warmup: 3, steps: 5 };
  return versusTorch(
    cases.map(({ title, block, peers }) => {
      const work = { block, threads };
      return { title, systems: [ganvas('ganvas_ops.ts', work), ...peers(work)], plan };
    }),
    options,
  );
}
