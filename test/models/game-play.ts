// What the tests of the game share: a tiny game of two perceptrons with a batch for it, and its phases against a
// formula written out in ops with the same random draws.

import { expect } from 'vitest';
import { adversarialGame, type Game } from '../../src/models/game.js';
import { type GameConfig, plainGame } from '../../src/models/game-options.js';
import { normalLatent } from '../../src/models/index.js';
import type { BuiltModel } from '../../src/models/model.js';
import { perceptronDiscriminator, perceptronGenerator } from '../../src/networks/perceptron.js';
import type { Module } from '../../src/nn/module.js';
import { noGrad, valueAndGrad } from '../../src/tensor/autograd.js';
import { add, mean, uniform } from '../../src/tensor/ops/index.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import type { PhaseResult, TrainBatch } from '../../src/train/phase.js';

export const dims = { height: 4, width: 4, channels: 1 };
export const size = 6;
export const rates = { lr: 1e-2, lrGenerator: null, lrDiscriminator: null, beta1: 0.5, beta2: 0.999 };
const seed = 23;

/** A game of two perceptrons without normalisation, and a batch for it. */
export function play(options: Partial<GameConfig> = {}, more: Partial<Game> = {}) {
  manualSeed(3);
  const config = plainGame({ ...rates, dSteps: 1, batch: size, ...options });
  const generator = perceptronGenerator(dims, 3, { hidden: 2, norm: 'none' });
  const discriminator = perceptronDiscriminator(dims, { hidden: 3 });
  const latent = normalLatent(3);
  const game: Game = { generator, discriminator, latent, dims, ...more };
  const built = adversarialGame(game, config);
  const images = uniform([size, 4, 4, 1], { low: -1, high: 1, generator: new Generator(8) });
  const batch: TrainBatch = { images, size };
  return { ...game, built, batch, images, config };
}

export type Played = ReturnType<typeof play>;

export const phaseOf = (built: BuiltModel, name: string) =>
  built.phases.find((phase) => phase.name === name)!;

export interface Outcome {
  parts: Record<string, number>;
  grads: number[][];
}

/** What a loss gives with the draws of one seed: its parts and its gradients. */
export async function outcome(network: Module, loss: () => PhaseResult): Promise<Outcome> {
  manualSeed(seed);
  return scope(async () => {
    const { value, grads } = valueAndGrad(loss, network.parameters());
    const entries = Object.entries(value).map(async ([name, t]) => [name, await t.item()] as const);
    return {
      parts: Object.fromEntries(await Promise.all(entries)),
      grads: await Promise.all(grads.map(async (g) => Array.from(await g.data()))),
    };
  });
}

function expectClose(got: Outcome, want: Outcome): void {
  for (const [name, value] of Object.entries(want.parts)) {
    expect(Math.abs(got.parts[name] - value), `${name}: ${got.parts[name]}, not ${value}`).toBeLessThan(
      1e-5 * Math.max(1, Math.abs(value)),
    );
  }
  expect(got.grads).toHaveLength(want.grads.length);
  const largest = Math.max(...want.grads.flat().map(Math.abs));
  got.grads.forEach((g, i) => {
    g.forEach((v, j) => {
      expect(Math.abs(v - want.grads[i][j]), `gradient ${i}, element ${j}`).toBeLessThan(
        1e-5 * largest + 1e-9,
      );
    });
  });
}

/** The phase's outcome is that of the formula. Returns it. */
export async function expectPhase(
  played: Played,
  name: string,
  formula: (played: Played) => PhaseResult,
): Promise<Outcome> {
  const { built, batch, generator, discriminator } = played;
  const phase = phaseOf(built, name);
  const network = phase.train[0] === 'generator' ? generator : discriminator;
  const want = await outcome(network, () => formula(played));
  const got = await outcome(network, () => phase.loss(batch, built.networks));
  expectClose(got, want);
  return got;
}

/** Images of fresh latents, constants to D. */
export const fakes = ({ generator, latent }: Played) => noGrad(() => generator.forward(latent.sample(size)));
export const bce = (real: Tensor, fake: Tensor) => add(mean(real.neg().softplus()), mean(fake.softplus()));
