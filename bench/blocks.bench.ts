// The fused blocks of StyleGAN2, BigGAN and SNGAN, forward and backward. For the modulated convolution PyTorch runs both
// of the authors' forms: one convolution shared by the batch, and one group per sample (their fused_modconv).

import { ganvas, torchFormats } from './peers.js';
import { machine } from './report.js';
import type { BenchOptions } from './run.js';
import { versusTorch } from './versus.js';

export const question =
  'How long do StyleGAN2, BigGAN and SNGAN blocks take, forward and backward, against PyTorch?';

/** `size` is the side of the result. */
export interface BlockCase {
  block: 'synthesis' | 'modulated' | 'conditional' | 'group' | 'spectral';
  batch: number;
  size: number;
  channels: number;
}

const cases: Record<string, BlockCase> = {
  'StyleGAN2 synthesis block (up, conv, RGB), 64x64x128, batch 8': {
    block: 'synthesis',
    batch: 8,
    size: 64,
    channels: 128,
  },
  'StyleGAN2 layer (modulated 3x3, noise, bias, leaky ReLU), 64x64x128, batch 8': {
    block: 'modulated',
    batch: 8,
    size: 64,
    channels: 128,
  },
  'conditional batch norm and ReLU, 64x64x96, batch 32': {
    block: 'conditional',
    batch: 32,
    size: 64,
    channels: 96,
  },
  'group norm (32 groups) and ReLU, 32x32x256, batch 16': {
    block: 'group',
    batch: 16,
    size: 32,
    channels: 256,
  },
  'spectral norm of 10 weights 3x3x256x256, power iteration included': {
    block: 'spectral',
    batch: 10,
    size: 3,
    channels: 256,
  },
};

export function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const plan = { warmup: 2, steps: 3 };
  return versusTorch(
    Object.entries(cases).map(([title, block]) => {
      const work = { ...block, threads };
      const modulated = block.block === 'synthesis' || block.block === 'modulated';
      const peers = torchFormats('torch_blocks.py', { ...work, grouped: false });
      const grouped = torchFormats('torch_blocks.py', { ...work, grouped: true }, 'PyTorch grouped');
      const systems = [ganvas('ganvas_blocks.ts', work), ...peers, ...(modulated ? grouped : [])];
      return { title, systems, plan };
    }),
    options,
  );
}
