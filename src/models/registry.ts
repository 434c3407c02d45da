// The models that ganvas can train by name. To add one, write its file and add it here.

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { didYouMean } from '../config/closest.js';
import type { ConfigSchema } from '../config/schema.js';
import { GanvasError } from '../errors.js';
import { acgan } from './acgan.js';
import { bigan } from './bigan.js';
import { biggan } from './biggan.js';
import { cgan } from './cgan.js';
import { dcgan } from './dcgan.js';
import { dragan } from './dragan.js';
import { gan } from './gan.js';
import { infogan } from './infogan.js';
import { lapgan } from './lapgan.js';
import { lsgan } from './lsgan.js';
import type { ModelEntry } from './model.js';
import { pggan } from './pggan.js';
import { projgan } from './projgan.js';
import { r3gan } from './r3gan.js';
import { ragan } from './ragan.js';
import { sagan } from './sagan.js';
import { sgan } from './sgan.js';
import { sngan } from './sngan.js';
import { stylegan2 } from './stylegan2.js';
import { vaegan } from './vaegan.js';
import { wgan } from './wgan.js';
import { wganGp } from './wgan_gp.js';

export type { ModelEntry } from './model.js';

/** Every model by name. */
export const models: Readonly<Record<string, ModelEntry>> = {
  gan,
  dcgan,
  lsgan,
  wgan,
  'wgan-gp': wganGp,
  dragan,
  ragan,
  cgan,
  acgan,
  infogan,
  sngan,
  projgan,
  sagan,
  biggan,
  lapgan,
  pggan,
  stylegan2,
  sgan,
  vaegan,
  bigan,
  r3gan,
};

/** The model of a name. Throws ERR_CONFIG, with the nearest known name, when there is none. */
export function modelEntry(name: string): ModelEntry {
  if (Object.hasOwn(models, name)) return models[name];
  const hint = didYouMean(name, Object.keys(models)) || `; known: ${Object.keys(models).join(', ')}`;
  throw new GanvasError('ERR_CONFIG', `unknown model "${name}"${hint}`);
}

/** Whether a model's name is the path of a file that exports it. */
export const isModelFile = (name: string) => /^[./]|^[a-z]:[\\/]|\.[cm]?[jt]s$/i.test(name);

/**
 * The model of a name, or the default export of a file: `./my-gan.js`, relative to the working directory.
 * @throws GanvasError ERR_CONFIG for an unknown name, or a file that cannot be loaded or exports no model (see defineModel)
 */
export async function loadModel(name: string): Promise<ModelEntry> {
  if (Object.hasOwn(models, name) || !isModelFile(name)) return modelEntry(name);
  let exported: Partial<ModelEntry> | undefined;
  try {
    exported = (await import(pathToFileURL(resolve(name)).href)).default;
  } catch (error) {
    throw new GanvasError('ERR_CONFIG', `cannot load the model ${name}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  if (typeof exported?.build === 'function' && exported.schema) return exported as ModelEntry;
  throw new GanvasError(
    'ERR_CONFIG',
    `${name} has no model: expected a file with \`export default defineModel({ ... })\``,
  );
}

/** The options of a model. Throws ERR_CONFIG as modelEntry. */
export function modelConfig(name: string): ConfigSchema {
  return modelEntry(name).schema;
}
