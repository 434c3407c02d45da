// The networks of the training benchmark, as peers/torch_models.py builds them.

import { add, avgPool2d, losses, nn, optim, relu, sum, type Tensor } from '../../src/index.js';
import { adversarialGame } from '../../src/models/game.js';
import type { GameConfig } from '../../src/models/game-options.js';
import { type BuiltModel, normalLatent } from '../../src/models/model.js';
import { modelEntry } from '../../src/models/registry.js';
import { PlainDiscriminator } from '../../src/networks/discriminator.js';
import { noGrad } from '../../src/tensor/autograd.js';
import { scope } from '../../src/tensor/scope.js';

export interface Work {
  model: 'gan' | 'dcgan' | 'wgan-gp' | 'sngan';
  batch: number;
  size?: number;
  channels?: number;
  width?: number;
  precision?: 'f32' | 'bf16';
  threads: number;
  device?: 'cpu' | 'cuda';
  /** On a GPU, whether products and convolutions of f32 may use TF32. */
  tf32?: boolean;
}

const leaky = { activation: 'leakyRelu', slope: 0.2 } as const;

/** G 100-256-512-1024-784 with batch norm except first, D 784-512-256-1. */
function perceptronGan(config: GameConfig): BuiltModel {
  const generator = new nn.Sequential(
    new nn.Linear(100, 256, leaky),
    new nn.Linear(256, 512),
    new nn.BatchNorm1d(512, leaky),
    new nn.Linear(512, 1024),
    new nn.BatchNorm1d(1024, leaky),
    new nn.Linear(1024, 784, { activation: 'tanh' }),
  );
  const body = new nn.Sequential(new nn.Linear(784, 512, leaky), new nn.Linear(512, 256, leaky));
  const discriminator = new PlainDiscriminator(body, 256);
  const dims = { height: 28, width: 28, channels: 1 };
  return adversarialGame({ generator, discriminator, latent: normalLatent(100), dims }, config);
}

const spectral = { spectralNorm: true } as const;
const same = { padding: 1 } as const;

/** Miyato et al. 2018, the generator's residual block: BN, ReLU, upsample, conv, BN, ReLU, conv; 1x1 shortcut. */
class UpBlock extends nn.Module {
  readonly main: nn.Sequential;
  readonly shortcut: nn.Sequential;

  constructor(from: number, to: number) {
    super();
    this.main = new nn.Sequential(
      new nn.BatchNorm2d(from, { activation: 'relu' }),
      new nn.Upsample({ scaleFactor: 2 }),
      new nn.Conv2d(from, to, 3, same),
      new nn.BatchNorm2d(to, { activation: 'relu' }),
      new nn.Conv2d(to, to, 3, same),
    );
    // A 1x1 convolution commutes with nearest upsampling, and is four times cheaper before it.
    this.shortcut = new nn.Sequential(new nn.Conv2d(from, to, 1), new nn.Upsample({ scaleFactor: 2 }));
  }

  forward(x: Tensor): Tensor {
    return add(this.main.forward(x), this.shortcut.forward(x));
  }
}

/** The discriminator's residual block with spectral norm; `first` has no activation before its first convolution. */
class DownBlock extends nn.Module {
  readonly conv1: nn.Conv2d;
  readonly conv2: nn.Conv2d;
  readonly shortcut: nn.Conv2d | undefined;

  constructor(
    from: number,
    to: number,
    private readonly down: boolean,
    private readonly first = false,
  ) {
    super();
    this.conv1 = new nn.Conv2d(from, to, 3, { ...same, ...spectral, activation: 'relu' });
    this.conv2 = new nn.Conv2d(to, to, 3, { ...same, ...spectral });
    this.shortcut = down || from !== to ? new nn.Conv2d(from, to, 1, spectral) : undefined;
  }

  forward(x: Tensor): Tensor {
    const pooled = (t: Tensor) => (this.down ? avgPool2d(t, 2) : t);
    const h = this.conv2.forward(this.conv1.forward(this.first ? x : relu(x)));
    return add(pooled(h), this.shortcut?.forward(pooled(x)) ?? x);
  }
}

class SumPool extends nn.Module {
  forward(x: Tensor): Tensor {
    return sum(x, [1, 2]);
  }
}

function sngan({ channels = 3, width = 128 }: Work): BuiltModel {
  const top = 2 * width;
  const generator = new nn.Sequential(
    new nn.Linear(128, 16 * top),
    new nn.Reshape([4, 4, top]),
    new UpBlock(top, top),
    new UpBlock(top, top),
    new UpBlock(top, top),
    new nn.BatchNorm2d(top, { activation: 'relu' }),
    new nn.Conv2d(top, channels, 3, { ...same, activation: 'tanh' }),
  );
  const discriminator = new nn.Sequential(
    new DownBlock(channels, width, true, true),
    new DownBlock(width, width, true),
    new DownBlock(width, width, false),
    new DownBlock(width, width, false),
    new nn.ReLU(),
    new SumPool(),
    new nn.Linear(width, 1, spectral),
  );
  const latent = normalLatent(128);
  const adam = { lr: 2e-4, betas: [0, 0.9] as [number, number] };
  return {
    networks: { generator, discriminator },
    latent,
    optimizers: {
      generator: new optim.Adam(generator, adam),
      discriminator: new optim.Adam(discriminator, adam),
    },
    phases: [
      {
        name: 'D',
        train: ['discriminator'],
        loss({ images, size }) {
          const fake = noGrad(() => scope(() => generator.forward(latent.sample(size))));
          // One power iteration per forward pass, as the layers of PyTorch do.
          const judge = (x: Tensor) => {
            nn.spectralStep(discriminator);
            return discriminator.forward(x);
          };
          return { loss: losses.hinge.discriminator(judge(images), judge(fake)) };
        },
      },
      {
        name: 'G',
        train: ['generator'],
        loss({ size }) {
          nn.spectralStep(discriminator);
          return {
            loss: losses.hinge.generator(discriminator.forward(generator.forward(latent.sample(size)))),
          };
        },
      },
    ],
  };
}

export function buildGame(work: Work): BuiltModel {
  const { model, size = 28, channels = 1, width } = work;
  if (model === 'sngan') return sngan(work);
  const { schema, build } = modelEntry(model);
  // One critic step per generator step, and DCGAN's latents, as in the peers.
  const own = model === 'wgan-gp' ? { dSteps: 1, zSize: 100 } : {};
  const config = schema.resolve({ ...(model !== 'gan' && { baseWidth: width }), ...own }, 'bench');
  if (model === 'gan') return perceptronGan(config as unknown as GameConfig);
  return build(config, { height: size, width: size, channels });
}
