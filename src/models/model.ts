// What a model is: a config schema, and a function from config and image size to networks and phases. One file per model,
// none per resolution.

import type { ConfigFields, ConfigOf, ConfigSchema } from '../config/schema.js';
import { defineConfig } from '../config/schema.js';
import type { AnyModule, Module } from '../nn/module.js';
import type { Optimizer } from '../optim/optimizer.js';
import { randn } from '../tensor/ops/index.js';
import type { Generator } from '../tensor/random-state.js';
import type { Tensor } from '../tensor/tensor.js';
import { type ResolvedConfig, trainingConfig } from '../train/config.js';
import type { Phase } from '../train/phase.js';

/** Size of the images. */
export interface ImageDims {
  height: number;
  width: number;
  channels: number;
}

/** The random input of a generator. */
export interface Latent {
  /** Numbers per image. */
  size: number;
  /** f32 [n, size]; drawn from the generator that manualSeed seeds unless given another. */
  sample(n: number, generator?: Generator): Tensor;
}

/** z ~ N(0, I). */
export function normalLatent(size: number): Latent {
  return { size, sample: (n, generator) => randn([n, size], { generator }) };
}

/** Networks with their training. `generator` is the one that makes images from latents. */
export interface BuiltModel {
  networks: Readonly<Record<string, AnyModule>> & { generator: Module };
  phases: Phase[];
  optimizers: Readonly<Record<string, Optimizer>>;
  latent: Latent;
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
