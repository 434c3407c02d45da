// ganvas's side of the block benchmark: the gradients of the sum of the results by inputs and parameters.

import {
  add,
  conditionalBatchNorm,
  groupNorm,
  nn,
  randn,
  scope,
  setThreads,
  setupFilter,
  sum,
  sync,
  type Tensor,
  upsample2d,
  valueAndGrad,
  version,
} from '../../src/index.js';
import type { BlockCase } from '../blocks.bench.js';
import { serve, timeEach } from './worker.js';

const c: BlockCase & { threads: number } = JSON.parse(process.argv[2]);
setThreads(c.threads);

const styleSize = 512;
const layer = { activation: 'leakyRelu', noise: true } as const;
const filter = setupFilter([1, 3, 3, 1]);

/** The function to differentiate and what by. */
function work(): { loss: () => Tensor; by: Tensor[]; before?: () => void } {
  const { batch, size, channels } = c;
  const style = randn([batch, styleSize]);
  if (c.block === 'synthesis') {
    const up = new nn.ModulatedConv2d(channels, channels, 3, styleSize, { ...layer, up: 2 });
    const conv = new nn.ModulatedConv2d(channels, channels, 3, styleSize, layer);
    const rgb = new nn.ModulatedConv2d(channels, 3, 1, styleSize, { demodulate: false });
    const [x, skip] = [randn([batch, size / 2, size / 2, channels]), randn([batch, size / 2, size / 2, 3])];
    const loss = () => {
      const h = conv.forward(up.forward(x, style), style);
      return add(sum(h), sum(add(rgb.forward(h, style), upsample2d(skip, filter))));
    };
    return { loss, by: [x, skip, style, ...[up, conv, rgb].flatMap((m) => m.parameters())] };
  }
  if (c.block === 'modulated') {
    const conv = new nn.ModulatedConv2d(channels, channels, 3, styleSize, layer);
    const x = randn([batch, size, size, channels]);
    return { loss: () => sum(conv.forward(x, style)), by: [x, style, ...conv.parameters()] };
  }
  if (c.block === 'spectral') {
    const layers = Array.from(
      { length: batch },
      () => new nn.Conv2d(channels, channels, size, { bias: false, spectralNorm: true }),
    );
    const network = new nn.Sequential(...layers);
    return {
      before: () => nn.spectralStep(network),
      loss: () => layers.map((l) => sum(l.weight)).reduce((a, b) => add(a, b)),
      by: network.parameters(),
    };
  }
  const x = randn([batch, size, size, channels]);
  const of = c.block === 'conditional' ? [batch, channels] : [channels];
  const [gamma, beta] = [randn(of), randn(of)];
  const relu = { activation: 'relu' } as const;
  const loss = () =>
    sum(
      c.block === 'conditional'
        ? conditionalBatchNorm(x, gamma, beta, relu)
        : groupNorm(x, 32, gamma, beta, relu),
    );
  return { loss, by: [x, gamma, beta] };
}

const { loss, by, before } = work();
await serve(`ganvas ${version}`, (n) =>
  timeEach(n, () =>
    scope(async () => {
      before?.();
      valueAndGrad(loss, by);
      await sync();
    }),
  ),
);
