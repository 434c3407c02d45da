// The models that ganvas can train by name. To add one, write its file and add it here.

import { didYouMean } from '../config/closest.js';
import type { ConfigSchema } from '../config/schema.js';
import { GanvasError } from '../errors.js';
import { dcgan } from './dcgan.js';
import { gan } from './gan.js';
import type { ModelEntry } from './model.js';
import { wganGp } from './wgan_gp.js';

export type { ModelEntry } from './model.js';

/** Every model by name. */
export const models: Readonly<Record<string, ModelEntry>> = { gan, dcgan, 'wgan-gp': wganGp };

/** The model of a name. Throws ERR_CONFIG, with the nearest known name, when there is none. */
export function modelEntry(name: string): ModelEntry {
  if (Object.hasOwn(models, name)) return models[name];
  const hint = didYouMean(name, Object.keys(models)) || `; known: ${Object.keys(models).join(', ')}`;
  throw new GanvasError('ERR_CONFIG', `unknown model "${name}"${hint}`);
}

/** The options of a model. Throws ERR_CONFIG as modelEntry. */
export function modelConfig(name: string): ConfigSchema {
  return modelEntry(name).schema;
}
