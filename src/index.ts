// The public surface of ganvas, nothing else.

export { type ConfigSchema, defineConfig } from './config/schema.js';
export type { Dataset, DatasetOptions } from './data/dataset.js';
export { type Batch, BatchLoader } from './data/loader.js';
export { type MemoryDatasetOptions, memoryDataset } from './data/memory.js';
export { datasetNames, openDataset } from './data/open.js';
export {
  type DeviceName,
  device,
  type MemoryUse,
  memory,
  ready,
  resetPeakMemory,
  setMemoryLimit,
  setThreads,
  sync,
  threads,
} from './device.js';
export { type ErrorCode, GanvasError } from './errors.js';
export { type GridOptions, type ImageBatch, writeGif, writePngGrid, writePngStrip } from './io/images.js';
export {
  type PlainTensor,
  readSafetensors,
  type SafetensorsFile,
  writeSafetensors,
} from './io/safetensors.js';
export * as losses from './losses/index.js';
export * as models from './models/index.js';
export * as nn from './nn/index.js';
export * as optim from './optim/index.js';
export { grad, noGrad, type ValueAndGrad, valueAndGrad } from './tensor/autograd.js';
export {
  abs,
  add,
  arange,
  argmax,
  argmin,
  batchNorm,
  batchNormInference,
  batchNormStats,
  bernoulli,
  biasAct,
  broadcastTo,
  type ConvPrecision,
  cast,
  ceil,
  clamp,
  concat,
  conv2d,
  convInputGrad,
  convTranspose2d,
  convWeightGrad,
  cos,
  div,
  equal,
  exp,
  expm1,
  eye,
  flatten,
  flip,
  floor,
  full,
  gather,
  greater,
  greaterEqual,
  instanceNorm,
  layerNorm,
  leakyRelu,
  less,
  lessEqual,
  linspace,
  log,
  log1p,
  logSoftmax,
  matmul,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  neg,
  notEqual,
  oneHot,
  ones,
  onesLike,
  pad,
  pow,
  rand,
  randn,
  reciprocal,
  relu,
  reshape,
  round,
  rsqrt,
  scatterAdd,
  setConvPrecision,
  sigmoid,
  sign,
  sin,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  squeeze,
  stack,
  std,
  sub,
  sum,
  tanh,
  tensor,
  transpose,
  uniform,
  unsqueeze,
  type Values,
  variance,
  where,
  zeros,
  zerosLike,
} from './tensor/ops/index.js';
export { Generator, type GeneratorState, manualSeed } from './tensor/random-state.js';
export { keep, scope } from './tensor/scope.js';
export { type DType, type NestedArray, type Shape, Tensor, type TypedArray } from './tensor/tensor.js';
export { LoaderBatches, toPixels, toUnitRange } from './train/batches.js';
export { type Generator as ImageGenerator, loadGenerator } from './train/generator.js';
export type { BatchSource, Networks, Phase, PhaseResult, TrainBatch } from './train/phase.js';
export { type TrainEvent, type TrainRunOptions, type TrainSummary, trainRun } from './train/run.js';
export { type StepReport, Trainer, type TrainerCallback, type TrainerOptions } from './train/trainer.js';
export { version } from './version.js';
