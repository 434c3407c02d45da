// The models, as one namespace.

export { dcganDiscriminator, dcganGenerator } from './dcgan.js';
export type { BuiltModel, ImageDims, Latent, ModelEntry } from './model.js';
export { normalLatent } from './model.js';
export { modelConfig, modelEntry, models } from './registry.js';
