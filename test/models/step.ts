// One training step of a model against PyTorch's on the same weights, images, labels and random draws: the loss of every
// phase, what it reports, and the gradients of what it trains. PyTorch's side is test/reference/make/steps_*.py, which
// reads what this file writes when GANVAS_DUMP_STEPS names a folder; CONTRIBUTING.md shows the two commands.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Dataset } from '../../src/data/dataset.js';
import { memoryDataset } from '../../src/data/memory.js';
import { HostRandom } from '../../src/data/random.js';
import { type PlainTensor, writeSafetensors } from '../../src/io/safetensors.js';
import { everyClass } from '../../src/latents/labels.js';
import type { BuiltModel, ImageDims, ModelEntry } from '../../src/models/model.js';
import { addon, dtypes } from '../../src/native.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { add, mul, randn, tensor, uniform } from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { Generator, manualSeed } from '../../src/tensor/random-state.js';
import { keep, scope } from '../../src/tensor/scope.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { readTensors } from '../../src/train/checkpoint.js';
import type { TrainBatch } from '../../src/train/phase.js';
import { expectClose, fixture, type Named } from '../reference/fixtures.js';

export interface StepCase {
  model: ModelEntry;
  /** Of the fixture, if one model has several. Default: the model's. */
  name?: string;
  /** Differences from the defaults; make the networks tiny, a few thousand weights. */
  config?: Record<string, unknown>;
  dims: ImageDims;
  /** Images per batch. Default 4. */
  batch?: number;
}

interface PhaseFixture {
  parts: Record<string, number>;
  grads: Named;
}

const randomOps = new Set(['uniform', 'normal', 'bernoulli', 'gumbel', 'randint', 'randperm', 'multinomial']);

/** Calls fn and notes every random tensor that is drawn meanwhile, by drawing each a second time from the same place. */
function recordDraws<T>(draws: Tensor[], fn: () => T): T {
  const native = addon();
  const { run } = native;
  const random = new Set([...native.ops.keys()].filter((i) => randomOps.has(native.ops[i])));
  native.run = (op, inputs, attributes) => {
    if (!random.has(op)) return run(op, inputs, attributes);
    const given = native.args.slice(0, inputs + attributes);
    run(op, inputs, attributes);
    const rank = native.args[2];
    draws.push(
      keep(new Tensor(native.args[0], [...native.args.subarray(3, 3 + rank)], dtypes[native.args[1]])),
    );
    native.args.set(given);
    return run(op, inputs, attributes);
  };
  try {
    return fn();
  } finally {
    native.run = run;
  }
}

/** The model with no weight left at 0 or 1, where mistakes would not show. */
function build({ model, config, dims, batch = 4 }: StepCase): BuiltModel {
  manualSeed(17);
  const built = model.build(model.schema.resolve({ ...config, batch }, 'step'), dims);
  const generator = new Generator(3);
  scope(() => {
    for (const network of Object.values(built.networks)) {
      const parameters = network.parameters();
      if (parameters.length === 0) continue;
      assign(
        parameters,
        parameters.map((t) => add(t, mul(randn(t.shape, { generator }), 0.1))),
      );
    }
  });
  return built;
}

function batchFor({ dims, batch = 4 }: StepCase): TrainBatch {
  const { height, width, channels, classes } = dims;
  const generator = new Generator(5);
  return {
    images: uniform([batch, height, width, channels], { low: -1, high: 1, generator }),
    labels: classes === undefined ? undefined : tensor(everyClass(batch, classes), [batch]),
    size: batch,
  };
}

/** Random images with labels, for models that keep some of the data. */
function dataFor({ dims: { height, width, channels, classes = 1 } }: StepCase): Dataset {
  const random = new HostRandom(9);
  const images = Uint8Array.from({ length: 4 * classes * height * width * channels }, () =>
    random.below(256),
  );
  const labels = everyClass(4 * classes, classes);
  return memoryDataset({ name: 'step', images, height, width, channels, labels });
}

/** Every number that PyTorch needs to take the same step. */
async function dump(folder: string, name: string, built: BuiltModel, batch: TrainBatch) {
  const { images, labels } = batch;
  const weights = Object.entries(built.networks).flatMap(([network, module]) =>
    Object.entries(module.stateDict()).map(([key, t]): [string, Tensor] => [`${network}.${key}`, t]),
  );
  const tensors = await readTensors({ ...Object.fromEntries(weights), images, ...(labels && { labels }) });
  for (const phase of built.phases) {
    const draws: Tensor[] = [];
    scope(() => recordDraws(draws, () => phase.loss(batch, built.networks)));
    const read = await readTensors(Object.fromEntries(draws.map((t, i) => [`draw.${phase.name}.${i}`, t])));
    for (const [key, value] of read) tensors.set(key, value);
    for (const t of draws) t.dispose();
  }
  mkdirSync(folder, { recursive: true });
  await writeSafetensors(join(folder, `${name}.safetensors`), tensors as Map<string, PlainTensor>);
}

/** Declares the test. */
export function stepTest(stepCase: StepCase): void {
  const { model, name = model.name } = stepCase;
  test(`one step of ${name} is PyTorch's`, async () => {
    const built = build(stepCase);
    await built.prepare?.(dataFor(stepCase));
    const batch = batchFor(stepCase);
    const folder = process.env.GANVAS_DUMP_STEPS;
    if (folder) {
      await dump(folder, name, built, batch);
      expect(existsSync(join(folder, `${name}.safetensors`))).toBe(true);
      return;
    }
    const want = fixture<Record<string, PhaseFixture>>(`steps/${name}`);
    expect(built.phases.map((phase) => phase.name)).toEqual(Object.keys(want));
    for (const phase of built.phases) {
      const named = phase.train.flatMap((network) =>
        built.networks[network]
          .namedParameters()
          .map(([key, t]): [string, Tensor] => [`${network}.${key}`, t]),
      );
      const { parts, grads } = want[phase.name];
      await scope(async () => {
        const result = valueAndGrad(
          () => phase.loss(batch, built.networks),
          named.map(([, t]) => t),
        );
        const got = Object.entries(result.value);
        expect(got.map(([part]) => part).sort()).toEqual(Object.keys(parts).sort());
        for (const [part, value] of got) {
          const [number] = await value.data();
          const allowed = 1e-3 * Math.max(Math.abs(parts[part]), 1e-2);
          expect(Math.abs(number - parts[part]), `${phase.name}: ${part}`).toBeLessThanOrEqual(allowed);
        }
        expect(named.map(([key]) => key).sort()).toEqual(Object.keys(grads).sort());
        for (const [i, [key]] of named.entries()) {
          await expectClose(result.grads[i], grads[key], 1e-3, `${phase.name}: the gradient of ${key}`);
        }
      });
    }
    for (const network of Object.values(built.networks)) network.dispose();
    for (const optimizer of Object.values(built.optimizers)) optimizer.dispose();
  });
}
