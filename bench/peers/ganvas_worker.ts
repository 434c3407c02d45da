// ganvas's side of the training benchmark, through the Trainer as a user would run it. Same protocol and same step as
// torch_worker.py. Steps overlap (a step's losses are read while the next one runs), so a round's time is divided
// evenly among its steps.

import { createInterface } from 'node:readline';
import { manualSeed, nn, setThreads, Trainer, tensor, toUnitRange, version } from '../../src/index.js';
import { adversarialGame } from '../../src/models/game.js';
import { normalLatent } from '../../src/models/model.js';
import { modelEntry } from '../../src/models/registry.js';

const config = JSON.parse(process.argv[2]);
const { batch, threads } = config;
setThreads(threads);
manualSeed(0);

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
const options = modelEntry(config.model).schema.resolve(
  { ...(config.width && { baseWidth: config.width }) },
  'bench',
);

/** The perceptron GAN of the comparison: G 100-256-512-1024-784 with batch norm except first, D 784-512-256-1. */
function perceptronGame() {
  const generator = new nn.Sequential(
    new nn.Linear(100, 256, leaky),
    new nn.Linear(256, 512),
    new nn.BatchNorm1d(512, leaky),
    new nn.Linear(512, 1024),
    new nn.BatchNorm1d(1024, leaky),
    new nn.Linear(1024, 784, { activation: 'tanh' }),
  );
  const discriminator = new nn.Sequential(
    new nn.Linear(784, 512, leaky),
    new nn.Linear(512, 256, leaky),
    new nn.Linear(256, 1),
  );
  return adversarialGame({ generator, discriminator }, normalLatent(100), options as never);
}

const perceptrons = config.model === 'gan';
const { size = 28, channels = 1 } = config;
const game = perceptrons
  ? perceptronGame()
  : modelEntry('dcgan').build(options, { height: size, width: size, channels });
const shape = perceptrons ? [batch, 784] : [batch, size, size, channels];
const pixels = Uint8Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.random() * 256);
const trainer = new Trainer({
  ...game,
  data: {
    next: async () => ({ images: toUnitRange(tensor(pixels, shape)), size: batch }),
    state: () => null,
    restore: () => {},
  },
});

const emit = (o: object) => process.stdout.write(`${JSON.stringify(o)}\n`);
emit({ ready: true, version: `ganvas ${version}`, pid: process.pid });
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line);
  const began = performance.now();
  await trainer.run({ steps: trainer.steps + steps });
  const each = (performance.now() - began) / steps;
  emit({ ms: Array(steps).fill(each), rss: process.resourceUsage().maxRSS / 1024 });
}
