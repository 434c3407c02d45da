// The number of threads decides how fast a training step is, never what it computes: weights after some steps are the
// same bit for bit on 1, 2 and 4 threads, through every block that the families of GANs are made of.

import { afterEach, expect, test } from 'vitest';
import { setThreads, threads } from '../../src/device.js';
import { gradientPenalty, hinge, wasserstein } from '../../src/losses/index.js';
import { dcgan } from '../../src/models/dcgan.js';
import { gan } from '../../src/models/gan.js';
import type { BuiltModel, ModelEntry } from '../../src/models/model.js';
import { dcganGenerator } from '../../src/networks/dcgan.js';
import * as nn from '../../src/nn/index.js';
import { Adam } from '../../src/optim/adam.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { add, rand, randn } from '../../src/tensor/ops/index.js';
import type { Precision } from '../../src/tensor/precision.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { Phase } from '../../src/train/phase.js';
import { Trainer } from '../../src/train/trainer.js';

const batch = 16;
const before = threads();
afterEach(() => setThreads(before));

type Game = Omit<BuiltModel, 'latent'>;

async function weightsAfter(build: () => Game, side: number, count: number, precision: Precision) {
  setThreads(count);
  manualSeed(3);
  const game = build();
  const data = {
    next: async () => ({ images: rand([batch, side, side, 3]), size: batch }),
    state: () => null,
    restore: () => {},
  };
  const trainer = new Trainer({ ...game, data, precision });
  await trainer.run({ steps: 4 });
  const bytes: Buffer[] = [];
  for (const network of Object.values(game.networks)) {
    for (const [, t] of Object.entries(network.stateDict())) bytes.push(Buffer.from((await t.data()).buffer));
    network.dispose();
  }
  for (const optimizer of Object.values(game.optimizers)) optimizer.dispose();
  return Buffer.concat(bytes).toString('base64');
}

const entry = (model: ModelEntry, options: object, side: number) => (): Game => {
  const config = model.schema.resolve({ ...options, batch }, 'test');
  return model.build(config, { height: side, width: side, channels: 3 });
};

/** A game of two phases whose latents have 32 numbers. */
function game(
  generator: nn.Module,
  discriminator: nn.Module,
  lossD: (real: Tensor, fake: Tensor) => Tensor,
  lossG: (logits: Tensor) => Tensor,
): Game {
  const betas: [number, number] = [0, 0.9];
  const fakes = (size: number) => generator.forward(randn([size, 32]));
  const phases: Phase[] = [
    {
      name: 'D',
      train: ['discriminator'],
      loss: ({ images, size }) => ({
        loss: lossD(
          images,
          noGrad(() => scope(() => fakes(size))),
        ),
      }),
    },
    {
      name: 'G',
      train: ['generator'],
      loss: ({ size }) => ({ loss: lossG(discriminator.forward(fakes(size))) }),
    },
  ];
  return {
    networks: { generator, discriminator },
    optimizers: {
      generator: new Adam(generator, { betas }),
      discriminator: new Adam(discriminator, { betas }),
    },
    phases,
  };
}

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;
const halving = { stride: 2, padding: 1, ...leaky } as const;

function wganGp(): Game {
  const critic = new nn.Sequential(
    new nn.Conv2d(3, 24, 4, halving),
    new nn.Conv2d(24, 48, 4, { stride: 2, padding: 1 }),
    new nn.LayerNorm([8, 8, 48], leaky),
    new nn.Flatten(),
    new nn.Linear(48 * 64, 1),
  );
  const generator = dcganGenerator({ height: 32, width: 32, channels: 3 }, 32, { baseWidth: 16 });
  const penalised = (real: Tensor, fake: Tensor) =>
    add(
      wasserstein.discriminator(critic.forward(real), critic.forward(fake)),
      gradientPenalty((x) => critic.forward(x), real, fake),
    );
  return game(generator, critic, penalised, (logits) => wasserstein.generator(logits));
}

function sagan(): Game {
  const spectralNorm = true;
  const discriminator = new nn.Sequential(
    new nn.Conv2d(3, 32, 4, { ...halving, spectralNorm }),
    new nn.SelfAttention2d(32),
    new nn.Conv2d(32, 64, 3, { padding: 1, ...leaky, spectralNorm }),
    new nn.GlobalAvgPool(),
    new nn.Linear(64, 1, { spectralNorm }),
  );
  const generator = new nn.Sequential(
    new nn.Linear(32, 8 * 8 * 48, { spectralNorm }),
    new nn.Reshape([8, 8, 48]),
    new nn.BatchNorm2d(48, { activation: 'relu' }),
    new nn.ConvTranspose2d(48, 32, 4, { stride: 2, padding: 1, spectralNorm }),
    new nn.SelfAttention2d(32),
    new nn.ConvTranspose2d(32, 3, 4, { stride: 2, padding: 1, spectralNorm, activation: 'tanh' }),
  );
  const objective = (real: Tensor, fake: Tensor) =>
    hinge.discriminator(discriminator.forward(real), discriminator.forward(fake));
  return game(generator, discriminator, objective, (logits) => hinge.generator(logits));
}

// Wide enough that convolutions and products are split into many chunks, Winograd's included.
const games: [name: string, build: () => Game, side: number][] = [
  ['dcgan', entry(dcgan, { baseWidth: 32 }, 32), 32],
  ['gan', entry(gan, { hidden: 96 }, 16), 16],
  ['a WGAN with gradient penalty', wganGp, 32],
  ['a SAGAN: attention and spectral norm', sagan, 32],
];

test.each(
  games.flatMap(([name, build, side]) =>
    (['f32', 'bf16'] as const).map((precision) => ({ name, build, side, precision })),
  ),
)('$name in $precision trains to the same bits on 1, 2 and 4 threads', async ({ build, side, precision }) => {
  const one = await weightsAfter(build, side, 1, precision);
  expect(await weightsAfter(build, side, 2, precision)).toBe(one);
  expect(await weightsAfter(build, side, 4, precision)).toBe(one);
  expect(one.length).toBeGreaterThan(1000);
});
