// Layers, as one namespace.

export {
  type ActivationOptions,
  CELU,
  ELU,
  GELU,
  GLU,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  Mish,
  PReLU,
  ReLU,
  SELU,
  Sigmoid,
  SiLU,
  Softplus,
  Tanh,
} from './activation.js';
export {
  MultiHeadAttention,
  type MultiHeadAttentionOptions,
  SelfAttention2d,
  type SelfAttention2dOptions,
} from './attention.js';
export {
  Conv1d,
  Conv2d,
  Conv3d,
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type KernelSize,
  type KernelSize3d,
  type PaddingMode,
  type PaddingModeOptions,
} from './conv.js';
export { Dropout, Dropout2d, type DropoutOptions } from './dropout.js';
export { Embedding, type EmbeddingOptions } from './embedding.js';
export {
  EqualizedConv2d,
  type EqualizedConv2dOptions,
  EqualizedLinear,
  type EqualizedOptions,
} from './equalized.js';
export { foldBatchNorm } from './fold.js';
export * as init from './init.js';
export { Linear, type WeightedOptions } from './linear.js';
export {
  MinibatchDiscrimination,
  type MinibatchDiscriminationOptions,
  MinibatchStdDev,
} from './minibatch.js';
export { ModulatedConv2d, type ModulatedConv2dOptions, NoiseInjection } from './modulated.js';
export { type AnyModule, buffer, Module, parameter } from './module.js';
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormOptions,
  GroupNorm,
  InstanceNorm2d,
  LayerNorm,
  type NormOptions,
  PixelNorm,
  standingStatistics,
} from './norm.js';
export {
  AdaIN,
  ConditionalBatchNorm2d,
  type ConditionalBatchNormOptions,
  setReference,
  VirtualBatchNorm,
} from './norm_adaptive.js';
export { AdaptiveAvgPool2d, AdaptiveMaxPool2d, AvgPool2d, GlobalAvgPool, MaxPool2d } from './pool.js';
export { Flatten, Reshape } from './reshape.js';
export {
  Blur,
  type BlurOptions,
  type BorderSize,
  PixelShuffle,
  PixelUnshuffle,
  ReflectionPad2d,
  ReplicationPad2d,
  Upsample,
  ZeroPad2d,
} from './resize.js';
export { GRU, GRUCell, LSTM, LSTMCell, type RnnCellOptions, type RnnOptions } from './rnn.js';
export { Sequential } from './sequential.js';
export { type SpectralLayer, type SpectralNormOptions, spectralNorm, spectralStep } from './spectral.js';
