// ganvas's side of the inference benchmark: a folded generator, latents in, pixels out.

import { manualSeed, nn, noGrad, randn, setThreads, version } from '../../src/index.js';
import { scope } from '../../src/tensor/scope.js';
import { buildGame, type Work } from './ganvas_models.js';
import { serve, timeEach } from './worker.js';

const work: Work = JSON.parse(process.argv[2]);
setThreads(work.threads);
manualSeed(0);
const { generator } = buildGame(work).networks;
const network = nn.foldBatchNorm(generator as nn.Sequential);
const z = randn([work.batch, 100]);
const image = () => scope(() => noGrad(() => network.forward(z)).data());
await serve(`ganvas ${version}`, (n) =>
  timeEach(n, async () => {
    await image();
  }),
);
