// The models, as one namespace.

export { adversarialGame, type Game, type Judged, type JudgedFake, type Terms } from './game.js';
export { type GameConfig, gameFields, plainGame } from './game-options.js';
export { dcganFields, dcganNetworks, perceptronFields } from './layer-options.js';
export type { BuiltModel, Code, ImageDims, Latent, ModelEntry } from './model.js';
export { classesOf, defineModel, normalLatent, uniformLatent } from './model.js';
export { loadModel, modelConfig, modelEntry, models } from './registry.js';
