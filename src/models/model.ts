// What a model is: a config schema, and a function from config and image size to networks and phases. One file per model,
// none per resolution.

import type { ConfigFields, ConfigOf, ConfigSchema } from '../config/schema.js';
import { defineConfig } from '../config/schema.js';
import type { Dataset } from '../data/dataset.js';
import { GanvasError } from '../errors.js';
import type { Code } from '../networks/codes.js';
import type { ImageDims } from '../networks/dims.js';
import type { AnyModule, Module } from '../nn/module.js';
import type { Optimizer } from '../optim/optimizer.js';
import type { Schedule } from '../optim/schedules.js';
import { randn, uniform } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ResolvedConfig, trainingConfig } from '../train/config.js';
import type { Phase } from '../train/phase.js';

export type { Code } from '../networks/codes.js';
export type { ImageDims } from '../networks/dims.js';

/** The random input of a generator. */
export interface Latent {
  /** Numbers per image. */
  size: number;
  /** Whether z ~ N(0, I), which can be truncated. Default false. */
  normal?: boolean;
  /** f32 [n, size]; drawn from the generator that manualSeed seeds unless given another. */
  sample(n: number, generator?: Generator): Tensor;
}

/** z ~ N(0, I). */
export function normalLatent(size: number): Latent {
  return { size, normal: true, sample: (n, generator) => randn([n, size], { generator }) };
}

/** Every number of z ~ U(low, high). */
export function uniformLatent(size: number, low = -1, high = 1): Latent {
  return { size, sample: (n, generator) => uniform([n, size], { low, high, generator }) };
}

/** Networks with their training. `generator` is the one that makes images from latents. */
export interface BuiltModel {
  networks: Readonly<Record<string, AnyModule>> & { generator: Module };
  phases: Phase[];
  optimizers: Readonly<Record<string, Optimizer>>;
  latent: Latent;
  /** Of a conditional model: how many classes, labels of which its generator takes after the latents. */
  classes?: number;
  /** The coordinates of a latent that have a meaning each, where some have. */
  codes?: readonly Code[];
  /** Factors of the learning rates by network, besides those that the config asks for. */
  schedules?: Readonly<Record<string, Schedule>>;
  /**
   * Called before the first step of a new run: puts what the model needs of the data into its networks' buffers, with
   * which it is saved. Never for a run that is continued.
   * @throws GanvasError ERR_DATA when the data lacks it
   */
  prepare?(dataset: Dataset): Promise<void>;
}

export interface ModelEntry {
  /** As on the command line. */
  name: string;
  /** One line. */
  summary: string;
  /** Every option, the shared ones of training included. */
  schema: ConfigSchema;
  /**
   * Makes the networks, initialised from the generator that manualSeed seeds.
   * @param config as resolved by `schema`
   * @throws GanvasError ERR_CONFIG when the model cannot make images of this size
   */
  build(config: ResolvedConfig, dims: ImageDims): BuiltModel;
}

/** The number of classes of the data. Throws ERR_CONFIG when it has none, which this model cannot do without. */
export function classesOf(model: string, { classes }: ImageDims): number {
  if (classes !== undefined) return classes;
  throw new GanvasError(
    'ERR_CONFIG',
    `${model} learns from labels, and these images have none: use data with classes, such as mnist, or a folder ` +
      'with a sub-folder for each class',
  );
}

type Shared = typeof trainingConfig.fields;

/** Declares a model: its own options are added to those of all training, replacing the ones of the same name. */
export function defineModel<const F extends ConfigFields>(model: {
  name: string;
  summary: string;
  fields: F;
  build(config: ConfigOf<Omit<Shared, keyof F> & F>, dims: ImageDims): BuiltModel;
}): ModelEntry {
  const { name, summary, fields, build } = model;
  return {
    name,
    summary,
    schema: trainingConfig.merge(defineConfig(fields)) as unknown as ConfigSchema,
    build: (config, dims) => build(config as Parameters<typeof build>[0], dims),
  };
}
