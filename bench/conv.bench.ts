// Single convolutions, forward and backward: the grouped, depthwise, pointwise, one- and three-dimensional ones of the
// GAN recipes. The k4 s2 and k3 s1 layers that a training step lives on are measured in train and in bench/native.

import { ganvas, torchFormats } from './peers.js';
import { machine } from './report.js';
import type { BenchOptions } from './run.js';
import { versusTorch } from './versus.js';

export const question = 'How long does a convolution take, forward and backward, against PyTorch?';

/** One layer: `size` is the side of its input, `rank` the number of sides. */
export interface ConvCase {
  batch: number;
  rank: 1 | 2 | 3;
  size: number;
  inChannels: number;
  outChannels: number;
  kernel: number;
  stride: number;
  padding: number;
  groups: number;
  transposed: boolean;
}

const layer = (c: Partial<ConvCase> & Pick<ConvCase, 'batch' | 'size' | 'inChannels'>): ConvCase => ({
  rank: 2,
  outChannels: c.inChannels,
  kernel: 3,
  stride: 1,
  padding: 1,
  groups: 1,
  transposed: false,
  ...c,
});

const depthwise = (batch: number, size: number, inChannels: number, stride: number): ConvCase =>
  layer({ batch, size, inChannels, stride, groups: inChannels });

const cases: Record<string, ConvCase> = {
  'R3GAN: 3x3, 1536 channels in 96 groups, 16x16, batch 16': layer({
    batch: 16,
    size: 16,
    inChannels: 1536,
    groups: 96,
  }),
  'depthwise 3x3, 64 channels, 64x64, batch 16': depthwise(16, 64, 64, 1),
  'depthwise 3x3 stride 2, 64 channels, 64x64, batch 16': depthwise(16, 64, 64, 2),
  'depthwise 3x3, 512 channels, 16x16, batch 16': depthwise(16, 16, 512, 1),
  'depthwise 3x3 stride 2, 512 channels, 16x16, batch 16': depthwise(16, 16, 512, 2),
  '1x1, 256 channels, 32x32, batch 16': layer({
    batch: 16,
    size: 32,
    inChannels: 256,
    kernel: 1,
    padding: 0,
  }),
  '3D-GAN D: 4x4x4 stride 2, 64 to 128 channels, 16 voxels, batch 4': layer({
    batch: 4,
    rank: 3,
    size: 16,
    inChannels: 64,
    outChannels: 128,
    kernel: 4,
    stride: 2,
  }),
  '3D-GAN G: transposed 4x4x4 stride 2, 128 to 64 channels, 8 voxels, batch 4': layer({
    batch: 4,
    rank: 3,
    size: 8,
    inChannels: 128,
    outChannels: 64,
    kernel: 4,
    stride: 2,
    transposed: true,
  }),
  '3x3x3, 64 channels, 16 voxels, batch 4': layer({ batch: 4, rank: 3, size: 16, inChannels: 64 }),
  'WaveGAN D: 25 stride 4, 64 to 128 channels, 4096 samples, batch 16': layer({
    batch: 16,
    rank: 1,
    size: 4096,
    inChannels: 64,
    outChannels: 128,
    kernel: 25,
    stride: 4,
    padding: 11,
  }),
};

export function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const plan = { warmup: 3, steps: 5 };
  return versusTorch(
    Object.entries(cases).map(([title, convolution]) => {
      const work = { ...convolution, threads };
      return {
        title,
        systems: [ganvas('ganvas_conv.ts', work), ...torchFormats('torch_conv.py', work)],
        plan,
      };
    }),
    options,
  );
}
