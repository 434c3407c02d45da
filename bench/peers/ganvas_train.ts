// ganvas's side of the training benchmark, through the Trainer as a user would run it. Steps overlap (a step's losses are
// read while the next one runs), so a round's time is divided evenly among its steps.

import {
  allowTF32,
  device,
  manualSeed,
  matmul,
  memory,
  randn,
  setConvPrecision,
  setThreads,
  sync,
  Trainer,
  tensor,
  toUnitRange,
  version,
} from '../../src/index.js';
import { scope } from '../../src/tensor/scope.js';
import { buildGame, type Work } from './ganvas_models.js';
import { serve, timeEach, timeTogether } from './worker.js';

const work: Work = JSON.parse(process.argv[2]);
const { model, batch, size = 28, channels = 1, precision, threads, tf32 = false } = work;
setThreads(threads);
if (device(work.device ?? 'cpu') === 'cuda') {
  allowTF32(tf32);
  setConvPrecision(tf32 ? 'fast' : 'accurate');
}
manualSeed(0);

/** Rate of a 1024 x 1024 x 1024 product, GFLOP/s: the floor's unit. */
async function productRate(): Promise<number> {
  const side = 1024;
  const a = randn([side, side]);
  const product = async () => {
    scope(() => {
      matmul(a, a);
    });
    await sync();
  };
  await timeEach(5, product);
  const ms = await timeEach(15, product);
  a.dispose();
  return (2 * side ** 3) / (Math.min(...ms) * 1e6);
}

const gflops = await productRate();
const game = buildGame(work);
const shape = model === 'gan' ? [batch, 784] : [batch, size, size, channels];
const pixels = Uint8Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.random() * 256);
const trainer = new Trainer({
  ...game,
  precision,
  data: {
    next: async () => ({ images: toUnitRange(tensor(pixels, shape)), size: batch }),
    state: () => null,
    restore: () => {},
  },
});
const steps = (n: number) => timeTogether(n, () => trainer.run({ steps: trainer.steps + n }));
await serve(`ganvas ${version}`, steps, {
  gflops,
  get deviceMiB() {
    return memory().peak / 2 ** 20;
  },
});
