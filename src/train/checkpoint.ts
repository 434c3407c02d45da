// What a checkpoint holds and how a trainer continues from it: weights, moving averages, moments, counters, random state,
// the data cursor. Tensors by name and JSON; where they are written is run-directory.ts. Restoring is all or nothing.
//   weights: <network>.<name>, ema.<network>.<name>    optim: <network>.<moment>.<name>

import { GanvasError } from '../errors.js';
import type { PlainTensor } from '../io/safetensors.js';
import type { AnyModule } from '../nn/module.js';
import { assertSameState } from '../nn/state.js';
import { globalNorm } from '../optim/clip.js';
import type { OptimizerState } from '../optim/optimizer.js';
import { upload } from '../tensor/define.js';
import { defaultGenerator, type GeneratorState } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { version } from '../version.js';
import type { Networks } from './phase.js';
import type { Checkpoint, CheckpointContent, NamedTensors } from './run-directory.js';
import type { Trainer } from './trainer.js';

/** The part of a checkpoint that is JSON. */
interface TrainingState {
  step: number;
  random: GeneratorState;
  data: unknown;
  optimizers: Record<string, { step: number; lr: number }>;
}

type NamedState = Record<string, Tensor>;

function prefixed(state: Readonly<NamedState>, prefix: string): NamedState {
  return Object.fromEntries(Object.entries(state).map(([name, t]) => [`${prefix}.${name}`, t]));
}

function below<T>(state: Readonly<Record<string, T>>, prefix: string): Record<string, T> {
  const entries = Object.entries(state).filter(([name]) => name.startsWith(`${prefix}.`));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(prefix.length + 1), value]));
}

function weightsOf({ networks, averages }: Trainer<Networks>): NamedState {
  const parts = Object.entries(networks).map(([name, network]) => prefixed(network.stateDict(), name));
  const averaged = Object.entries(averages).map(([name, ema]) => prefixed(ema!.stateDict(), `ema.${name}`));
  return Object.assign({}, ...parts, ...averaged);
}

function momentsOf({ optimizers }: Trainer<Networks>): NamedState {
  const parts = Object.entries(optimizers).map(([name, o]) => prefixed(o!.stateDict().tensors, name));
  return Object.assign({}, ...parts);
}

/** Reads tensors; all reads are enqueued at once, so that they show one moment. */
export async function readTensors(state: Readonly<NamedState>): Promise<NamedTensors> {
  const entries = Object.entries(state).map(async ([name, t]): Promise<[string, PlainTensor]> => {
    const data = await t.data();
    return [name, { dtype: t.dtype, shape: [...t.shape], data } as PlainTensor];
  });
  return new Map(await Promise.all(entries));
}

/** Uploads tensors; the caller's scope owns them. */
export function uploadTensors(state: Readonly<Record<string, PlainTensor>>): NamedState {
  return Object.fromEntries(
    Object.entries(state).map(([name, { data, shape, dtype }]) => [name, upload(data, shape, dtype)]),
  );
}

/**
 * Puts the weights of a checkpoint whose names begin with `prefix` into a network, all or nothing.
 * @throws GanvasError ERR_CHECKPOINT unless every name, shape and dtype fits; the network is then freed
 */
export function loadWeights(network: AnyModule, weights: NamedTensors, prefix: string): void {
  try {
    scope(() => network.loadStateDict(uploadTensors(below(Object.fromEntries(weights), prefix))));
  } catch (error) {
    network.dispose();
    throw error;
  }
}

/** Throws ERR_NAN naming the first network with a weight that is NaN or infinite. */
async function assertFinite({ networks, steps }: Trainer<Networks>): Promise<void> {
  const norms = Object.entries(networks).map(([name, network]) => {
    const parameters = network.parameters();
    return [name, parameters.length === 0 ? undefined : scope(() => globalNorm(parameters).data())] as const;
  });
  for (const [name, norm] of norms) {
    if (norm === undefined || Number.isFinite((await norm)[0])) continue;
    throw new GanvasError('ERR_NAN', `the weights of the ${name} are no longer finite at step ${steps}`);
  }
}

/**
 * Everything that continuing after the present step needs.
 * @param extra more JSON to keep with it
 * @throws GanvasError ERR_NAN when a loss or a weight is not finite: such a state is not worth keeping
 */
export async function captureTraining(
  trainer: Trainer<Networks>,
  extra: Readonly<Record<string, unknown>> = {},
): Promise<CheckpointContent> {
  await trainer.settle();
  await assertFinite(trainer);
  const optimizers = Object.entries(trainer.optimizers).map(([name, optimizer]) => {
    const { step, lr } = optimizer!.stateDict();
    return [name, { step, lr }];
  });
  const [weights, optim] = await Promise.all([
    readTensors(weightsOf(trainer)),
    readTensors(momentsOf(trainer)),
  ]);
  const state: TrainingState = {
    step: trainer.steps,
    random: defaultGenerator.state(),
    data: trainer.data.state(),
    optimizers: Object.fromEntries(optimizers),
  };
  return { weights, optim, state: { ganvas: version, ...extra, ...state } };
}

/**
 * Continues from a checkpoint: the next step is the one that would have followed.
 * @throws GanvasError ERR_CHECKPOINT unless everything fits the trainer; weights and moments are then untouched
 */
export function restoreTraining(trainer: Trainer<Networks>, checkpoint: Checkpoint): void {
  const weights = Object.fromEntries(checkpoint.weights);
  const moments = Object.fromEntries(checkpoint.optim);
  const { random, data, optimizers } = checkpoint.state as unknown as TrainingState;
  assertSameState(weightsOf(trainer), weights, `${checkpoint.path}/weights.safetensors`);
  assertSameState(momentsOf(trainer), moments, `${checkpoint.path}/optim.safetensors`);
  const states = Object.keys(trainer.optimizers).map((name): [string, OptimizerState] => {
    const saved = optimizers?.[name];
    if (!Number.isSafeInteger(saved?.step) || !Number.isFinite(saved?.lr)) {
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${checkpoint.path}/state.json has no optimizer state for "${name}"`,
      );
    }
    return [name, { ...saved, tensors: {} }];
  });
  trainer.data.restore(data);
  defaultGenerator.restore(random);
  scope(() => {
    const uploaded = uploadTensors(weights);
    for (const [name, network] of Object.entries(trainer.networks))
      network.loadStateDict(below(uploaded, name));
    for (const [name, ema] of Object.entries(trainer.averages))
      ema!.loadStateDict(below(uploaded, `ema.${name}`));
    const uploadedMoments = uploadTensors(moments);
    for (const [name, state] of states) {
      trainer.optimizers[name]!.loadStateDict({ ...state, tensors: below(uploadedMoments, name) });
    }
  });
  trainer.steps = checkpoint.step;
}
