// One network of a trained run, from its directory. Continuing the training is checkpoint.ts.

import type { ConfigValue } from '../config/schema.js';
import { GanvasError } from '../errors.js';
import type { BuiltModel, ImageDims } from '../models/model.js';
import { loadModel, type ModelEntry } from '../models/registry.js';
import type { AnyModule } from '../nn/module.js';
import { loadWeights } from './checkpoint.js';
import type { ResolvedConfig } from './config.js';
import { RunDirectory } from './run-directory.js';

/** What of a run is needed to load its networks. */
export interface SavedRun {
  directory: RunDirectory;
  entry: ModelEntry;
  config: ResolvedConfig;
  dims: ImageDims;
}

/**
 * @throws GanvasError ERR_FILE_IO or ERR_CHECKPOINT when there is no run, ERR_CONFIG when its model or
 *   options are unknown
 */
export async function openRun(path: string): Promise<SavedRun> {
  const directory = await RunDirectory.open(path);
  const { model, data: _, ...options } = await directory.readConfig();
  const entry = await loadModel(String(model));
  const config = entry.schema.resolve(options, `${path}/config.json`);
  const { height, width, channels, classes: known } = config as Record<string, ConfigValue>;
  if (typeof height !== 'number' || typeof width !== 'number' || typeof channels !== 'number') {
    throw new GanvasError('ERR_CONFIG', `${path}/config.json: height, width and channels must be given`);
  }
  return {
    directory,
    entry,
    config,
    dims: { height, width, channels, classes: Number(known ?? 0) || undefined },
  };
}

/**
 * One network of a run, in evaluation mode, with the weights of a checkpoint, averaged ones where there are.
 * @param step default: the latest
 * @returns the network, undefined where the model has none of this name; of what was built with it the rest
 *   is freed
 * @throws GanvasError ERR_CHECKPOINT, ERR_FILE_IO or ERR_FILE_FORMAT when the checkpoint cannot be read or
 *   does not fit
 */
export async function loadNetwork(
  { directory, entry, config, dims }: SavedRun,
  name: string,
  step?: number,
): Promise<{ network: AnyModule | undefined; built: BuiltModel; step: number }> {
  const { weights, step: found } = await directory.loadCheckpoint(step);
  const built = entry.build(config, dims);
  for (const optimizer of Object.values(built.optimizers)) optimizer.dispose();
  for (const [other, network] of Object.entries(built.networks)) if (other !== name) network.dispose();
  const network: AnyModule | undefined = built.networks[name];
  const averaged = [...weights.keys()].some((key) => key.startsWith(`ema.${name}.`));
  if (network) loadWeights(network.eval(), weights, averaged ? `ema.${name}` : name);
  return { network, built, step: found };
}
