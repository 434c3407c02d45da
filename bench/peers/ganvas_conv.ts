// ganvas's side of the convolution benchmark: the sum of y and its gradients by x and the weight.

import {
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  randn,
  scope,
  setThreads,
  sum,
  sync,
  type Tensor,
  valueAndGrad,
  version,
} from '../../src/index.js';
import type { ConvCase } from '../conv.bench.js';
import { serve, timeEach } from './worker.js';

const c: ConvCase & { threads: number } = JSON.parse(process.argv[2]);
setThreads(c.threads);

const plain = [conv1d, conv2d, conv3d][c.rank - 1];
const transposed = [convTranspose1d, convTranspose2d, convTranspose3d][c.rank - 1];
const sides = (n: number): number[] => Array(c.rank).fill(n);
const [first, last] = c.transposed ? [c.inChannels, c.outChannels] : [c.outChannels, c.inChannels];
const x = randn([c.batch, ...sides(c.size), c.inChannels]);
const w = randn([first, ...sides(c.kernel), last / c.groups]);
const options = { stride: c.stride, padding: c.padding, groups: c.groups };
const convolve = (): Tensor => (c.transposed ? transposed : plain)(x, w, options);

await serve(`ganvas ${version}`, (n) =>
  timeEach(n, () =>
    scope(async () => {
      valueAndGrad(() => sum(convolve()), [x, w]);
      await sync();
    }),
  ),
);
