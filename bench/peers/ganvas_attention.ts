// ganvas's side of the attention benchmark: the sum of y and its gradients by all inputs and parameters.

import {
  nn,
  randn,
  scaledDotProductAttention,
  scope,
  setThreads,
  sum,
  sync,
  type Tensor,
  valueAndGrad,
  version,
} from '../../src/index.js';
import type { AttentionCase } from '../attention.bench.js';
import { serve, timeEach } from './worker.js';

const c: AttentionCase & { threads: number } = JSON.parse(process.argv[2]);
setThreads(c.threads);

const x = randn([c.batch, c.steps, c.depth]);

function work(): { y: () => Tensor; watched: Tensor[] } {
  if (c.kind === 'attention') {
    const [k, v] = [randn([c.batch, c.keys!, c.depth]), randn([c.batch, c.keys!, c.valueDepth!])];
    return { y: () => scaledDotProductAttention(x, k, v), watched: [x, k, v] };
  }
  if (c.kind === 'multiHead') {
    const layer = new nn.MultiHeadAttention(c.depth, c.heads!);
    return { y: () => layer.forward(x), watched: [x, ...layer.parameters()] };
  }
  const layer = c.kind === 'gru' ? new nn.GRU(c.depth, c.hidden!) : new nn.LSTM(c.depth, c.hidden!);
  return { y: () => layer.forward(x)[0], watched: [x, ...layer.parameters()] };
}

const { y, watched } = work();
await serve(`ganvas ${version}`, (n) =>
  timeEach(n, () =>
    scope(async () => {
      valueAndGrad(() => sum(y()), watched);
      await sync();
    }),
  ),
);
