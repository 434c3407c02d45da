// Mixtures of Gaussians in the plane, where dropped modes can be counted: 8 on a circle, 25 on a square. Trains the same
// small perceptrons as a vanilla GAN, with minibatch discrimination, as WGAN-GP and as SNGAN, for the same number of steps; then, of
// 2,500 samples, a sample is good if it lies within three standard deviations of the nearest mode, and a mode found if a
// good sample is nearest to it. Draws the samples. With Adam's usual β₁ of 0.9 the vanilla GAN keeps one mode or none,
// and minibatch discrimination is tried against that.
//
//   npx tsx bench/quality/gaussians.ts [--steps 8000] [--seeds 3] [--mixtures '8 on a circle,25 on a square,8 with momentum']
//                                      [--json bench/results/quality-cpu.json] [--images docs/images]

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  add,
  gather,
  manualSeed,
  nn,
  noGrad,
  randint,
  randn,
  scope,
  Trainer,
  tensor,
} from '../../src/index.js';
import { writePngGrid } from '../../src/io/images.js';
import { adversarialGame } from '../../src/models/game.js';
import { type GameConfig, plainGame } from '../../src/models/game-options.js';
import { normalLatent } from '../../src/models/model.js';
import { PlainDiscriminator } from '../../src/networks/discriminator.js';
import type { BatchSource } from '../../src/train/phase.js';
import { fixed, markdown, median, record } from '../report.js';

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '8000' },
    seeds: { type: 'string', default: '3' },
    mixtures: { type: 'string' },
    json: { type: 'string' },
    images: { type: 'string' },
  },
});
const steps = Number(values.steps);
const seeds = Number(values.seeds);
const samples = 2500;
const batch = 64;
const hidden = 128;

interface Mixture {
  modes: [number, number][];
  std: number;
  /** What differs from the methods' own options, and which methods are tried; default: all. */
  options?: Partial<GameConfig>;
  methods?: string[];
}

// Metz et al. 2017, appendix: radius 2, σ = 0.02.
const circle: Mixture = {
  modes: Array.from({ length: 8 }, (_, i) => [
    2 * Math.cos((Math.PI * i) / 4),
    2 * Math.sin((Math.PI * i) / 4),
  ]),
  std: 0.02,
};

const mixtures: Record<string, Mixture> = {
  '8 on a circle': circle,
  // Srivastava et al. 2017: a grid from -4 to 4, σ = 0.05.
  '25 on a square': {
    modes: Array.from({ length: 25 }, (_, i) => [2 * (i % 5) - 4, 2 * Math.floor(i / 5) - 4]),
    std: 0.05,
  },
  '8 with momentum': {
    ...circle,
    options: { lr: 2e-4, beta1: 0.9 },
    methods: ['vanilla GAN', 'GAN + minibatch discrimination'],
  },
};

interface Method extends Partial<GameConfig> {
  minibatch?: 'discrimination';
  spectral?: boolean;
}

const rates = {
  lr: 1e-3,
  lrGenerator: null,
  lrDiscriminator: null,
  beta1: 0.5,
  beta2: 0.999,
  dSteps: 1,
  batch,
};
const methods: Record<string, Method> = {
  'vanilla GAN': {},
  'GAN + minibatch discrimination': { minibatch: 'discrimination' },
  'WGAN-GP': { loss: 'wasserstein', penalty: 'wgan-gp', penaltyWeight: 0.1, beta1: 0, beta2: 0.9, dSteps: 2 },
  SNGAN: { loss: 'hinge', spectral: true, beta1: 0, beta2: 0.9, dSteps: 2 },
};

/** Points of a mixture, drawn on the device. */
function pointsOf({ modes, std }: Mixture): BatchSource {
  const centres = tensor(Float32Array.from(modes.flat()), [modes.length, 2]);
  return {
    next: async () => ({
      images: scope(() =>
        add(gather(centres, randint([batch], 0, modes.length)), randn([batch, 2], { std })),
      ),
      size: batch,
    }),
    state: () => null,
    restore: () => {},
  };
}

/** `samples` points of a generator trained on a mixture. */
async function train(mixture: Mixture, { minibatch, spectral, ...options }: Method, seed: number) {
  manualSeed(seed);
  const relu = { activation: 'relu' } as const;
  const leaky = { activation: 'leakyRelu', spectralNorm: spectral } as const;
  const latent = normalLatent(2);
  const generator = new nn.Sequential(
    new nn.Linear(2, hidden, relu),
    new nn.Linear(hidden, hidden, relu),
    new nn.Linear(hidden, hidden, relu),
    new nn.Linear(hidden, 2),
  );
  const body = new nn.Sequential(
    new nn.Linear(2, hidden, leaky),
    new nn.Linear(hidden, hidden, leaky),
    new nn.Linear(hidden, hidden, leaky),
  );
  const discriminator = new PlainDiscriminator(body, hidden, { minibatch, spectralNorm: spectral });
  const dims = { height: 1, width: 1, channels: 2 };
  const built = adversarialGame(
    { generator, discriminator, latent, dims },
    plainGame({ ...rates, ...options, ...mixture.options }),
  );
  const trainer = new Trainer({ ...built, data: pointsOf(mixture) });
  await trainer.run({ steps });
  const points = await scope(() => noGrad(() => generator.forward(latent.sample(samples))).data());
  trainer.dispose();
  for (const part of [...Object.values(built.networks), ...Object.values(built.optimizers)]) part.dispose();
  return points as Float32Array;
}

/** How many modes are found, and the share of good samples. */
function judge(points: Float32Array, { modes, std }: Mixture): { found: number; good: number } {
  const found = new Set<number>();
  let good = 0;
  for (let i = 0; i < samples; i++) {
    const distances = modes.map(([x, y]) => Math.hypot(points[2 * i] - x, points[2 * i + 1] - y));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest] > 3 * std) continue;
    found.add(nearest);
    good += 1 / samples;
  }
  return { found: found.size, good };
}

const side = 160;

/** The points as white dots on black; the picture's edges lie a quarter beyond the outermost modes. */
function draw(points: Float32Array, { modes }: Mixture): Uint8Array {
  const reach = 1.25 * Math.max(...modes.flat().map(Math.abs));
  const picture = new Uint8Array(side * side).fill(16);
  for (let i = 0; i < points.length; i += 2) {
    const column = Math.round(((points[i] / reach + 1) / 2) * (side - 1));
    const row = Math.round(((1 - points[i + 1] / reach) / 2) * (side - 1));
    if (column < 0 || column >= side || row < 0 || row >= side) continue;
    picture[row * side + column] = Math.min(255, picture[row * side + column] + 120);
  }
  return picture;
}

const rows: string[][] = [];
for (const name of values.mixtures?.split(',') ?? Object.keys(mixtures)) {
  const mixture = mixtures[name];
  if (!mixture) throw new Error(`no mixture "${name}"; there are ${Object.keys(mixtures).join(', ')}`);
  const real = (await scope(async () => {
    const { images } = await pointsOf(mixture).next();
    return images.data();
  })) as Float32Array;
  const pictures = [draw(real, mixture)];
  for (const method of mixture.methods ?? Object.keys(methods)) {
    const options = methods[method];
    const results: { found: number; good: number }[] = [];
    for (let seed = 1; seed <= seeds; seed++) {
      const points = await train(mixture, options, seed);
      results.push(judge(points, mixture));
      if (seed === 1) pictures.push(draw(points, mixture));
    }
    const found = results.map((r) => r.found);
    const good = results.map((r) => r.good);
    record(values.json, `gaussians, ${name}: ${method}`, { steps, samples, found, good });
    rows.push([name, method, found.join(', '), `${fixed(100 * median(good), 0)} %`]);
    console.log(rows.at(-1)!.join('  '));
  }
  if (values.images) {
    await mkdir(values.images, { recursive: true });
    const data = Uint8Array.from(Buffer.concat(pictures));
    const grid = { data, count: pictures.length, height: side, width: side, channels: 1 };
    const file = join(values.images, `gaussians-${name.replaceAll(' ', '-')}.png`);
    await writePngGrid(file, grid, { columns: pictures.length });
  }
}
console.log(`\n${markdown(['mixture', 'method', 'modes found, by seed', 'good samples (median)'], rows)}`);
