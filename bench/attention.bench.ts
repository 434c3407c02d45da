// Attention by itself at SAGAN's sizes and longer, multi-head attention and recurrent layers, forward and backward. The
// whole self-attention block with its convolutions is measured among the fused blocks.

import { ganvas, torch } from './peers.js';
import { machine } from './report.js';
import type { BenchOptions } from './run.js';
import { versusTorch } from './versus.js';

export const question =
  'How long do attention and recurrent layers take, forward and backward, against PyTorch?';

/** `kind` attention: q [batch, steps, depth], k [batch, keys, depth], v [batch, keys, valueDepth]; else see the workers. */
export interface AttentionCase {
  kind: 'attention' | 'multiHead' | 'gru' | 'lstm';
  batch: number;
  steps: number;
  /** Features of queries, or of the inputs of a layer. */
  depth: number;
  /** Of attention. */
  keys?: number;
  valueDepth?: number;
  /** Of multiHead. */
  heads?: number;
  /** Of gru and lstm. */
  hidden?: number;
}

const cases: Record<string, AttentionCase> = {
  'SAGAN: 32x32 pixels, 32 and 128 features, batch 16': {
    kind: 'attention',
    batch: 16,
    steps: 1024,
    keys: 1024,
    depth: 32,
    valueDepth: 128,
  },
  'BigGAN: 64x64 pixels, keys pooled, 24 and 96 features, batch 4': {
    kind: 'attention',
    batch: 4,
    steps: 4096,
    keys: 1024,
    depth: 24,
    valueDepth: 96,
  },
  '4096 by 4096, 64 features, batch 2': {
    kind: 'attention',
    batch: 2,
    steps: 4096,
    keys: 4096,
    depth: 64,
    valueDepth: 64,
  },
  'multi-head: 8 heads of 64, 128 steps, batch 32': {
    kind: 'multiHead',
    batch: 32,
    steps: 128,
    depth: 512,
    heads: 8,
  },
  'GRU: 128 to 256, 40 steps, batch 64': { kind: 'gru', batch: 64, steps: 40, depth: 128, hidden: 256 },
  'LSTM: 128 to 256, 40 steps, batch 64': { kind: 'lstm', batch: 64, steps: 40, depth: 128, hidden: 256 },
};

export function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const plan = { warmup: 3, steps: 5 };
  return versusTorch(
    Object.entries(cases).map(([title, layer]) => {
      const work = { ...layer, threads };
      const peers =
        layer.kind === 'attention'
          ? [
              torch('torch_attention.py', { ...work, fused: true }, 'PyTorch fused'),
              torch('torch_attention.py', work, 'PyTorch bmm and softmax'),
            ]
          : [torch('torch_attention.py', work)];
      return { title, systems: [ganvas('ganvas_attention.ts', work), ...peers], plan };
    }),
    options,
  );
}
