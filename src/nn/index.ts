// Layers, as one namespace.

export { type ActivationOptions, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh } from './activation.js';
export { Conv2d, ConvTranspose2d, type KernelSize } from './conv.js';
export { Dropout } from './dropout.js';
export { Embedding, type EmbeddingOptions } from './embedding.js';
export * as init from './init.js';
export { Linear, type WeightedOptions } from './linear.js';
export { type AnyModule, buffer, Module, parameter } from './module.js';
export {
  BatchNorm1d,
  BatchNorm2d,
  type BatchNormOptions,
  InstanceNorm2d,
  LayerNorm,
  type NormOptions,
} from './norm.js';
export { Flatten, Reshape } from './reshape.js';
export { Sequential } from './sequential.js';
