// The options of a classifier's training: those it shares with every run, and its own. The command line holds only
// differences, config.json all of them, with the data and the names of the classes.

import { type ConfigOf, defineConfig } from '../config/schema.js';
import { GanvasError } from '../errors.js';
import { trainingConfig } from '../train/config.js';
import type { RunDirectory } from '../train/run-directory.js';

/** In place of a model's name in config.json. */
export const classifierModel = 'classifier';

const { steps, epochs, batch, seed, device, precision, lr } = trainingConfig.fields;
const { height, width, channels, flip, saveEvery } = trainingConfig.fields;

export const classifierConfig = defineConfig({
  steps,
  epochs: { ...epochs, default: 10 },
  batch,
  seed,
  device,
  precision,
  lr: { ...lr, default: 1e-3 },
  baseWidth: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 4096,
    help: 'channels of the layer nearest to the image; doubles with each halving, up to 8 times',
  },
  dropout: {
    type: 'number',
    default: 0.3,
    min: 0,
    max: 0.95,
    help: 'probability of dropout before each of the two dense layers',
  },
  adversarial: { type: 'boolean', default: false, help: 'learn from adversarial images as well' },
  eps: {
    type: 'number',
    default: 0.25,
    min: 0,
    max: 1,
    help: 'with --adversarial: how far a pixel may be moved, where black is 0 and white 1',
  },
  attackSteps: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 1000,
    help: 'with --adversarial: steps of the attack; 1: FGSM, more: projected gradient from a random start',
  },
  alpha: {
    type: 'number',
    default: 0.5,
    min: 0,
    max: 1,
    help: 'with --adversarial: weight of the images as they are; 0: adversarial images only',
  },
  height,
  width,
  channels,
  flip,
  saveEvery,
});

export type ClassifierConfig = ConfigOf<typeof classifierConfig.fields>;

/**
 * What config.json says of a classifier's run.
 * @throws GanvasError ERR_CONFIG when the run is another model's or its options are not a classifier's
 */
export async function readClassifierRun(
  directory: RunDirectory,
): Promise<{ data: string; classes: readonly string[]; config: ClassifierConfig }> {
  const { model, data, classes, ...options } = await directory.readConfig();
  const source = `${directory.path}/config.json`;
  if (model !== classifierModel) {
    throw new GanvasError(
      'ERR_CONFIG',
      `${directory.path} is a run of the model ${String(model)}, not a classifier's`,
    );
  }
  if (typeof data !== 'string') throw new GanvasError('ERR_CONFIG', `${source}: data must be a string`);
  if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string')) {
    throw new GanvasError('ERR_CONFIG', `${source}: classes must be an array of names`);
  }
  return { data, classes, config: classifierConfig.resolve(options, source) };
}
