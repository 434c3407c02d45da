// Optimisers, schedules, clipping and moving averages, as one namespace.

export { Adam, type AdamOptions, AdamW } from './adam.js';
export { clipGradNorm, globalNorm } from './clip.js';
export { EMA, type EMAOptions } from './ema.js';
export { Optimizer, type OptimizerState } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export * as schedules from './schedules.js';
export { SGD, type SGDOptions } from './sgd.js';
