// Every op family: importing this file fills the op table and gives Tensor its methods. With them `tensor`, which is how
// data get in.

export * from '../from.js';
export * from './bias.js';
export * from './binary.js';
export * from './compare.js';
export * from './concat.js';
export * from './conv.js';
export * from './create.js';
export * from './gather.js';
export * from './matmul.js';
export * from './norm.js';
export * from './optim.js';
export * from './random.js';
export * from './reduce.js';
export * from './shape.js';
export * from './softmax.js';
export * from './unary.js';
