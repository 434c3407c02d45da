// How a run in a directory is continued, whatever it trains: from its latest checkpoint, with the options that it
// was made with. What a checkpoint holds is checkpoint.ts; who may change which option, config.ts.

import type { Dataset } from '../data/dataset.js';
import { dataName } from '../data/open.js';
import { GanvasError } from '../errors.js';
import { restoreTraining } from './checkpoint.js';
import { configHash, type ResolvedConfig } from './config.js';
import type { Networks } from './phase.js';
import type { RunDirectory } from './run-directory.js';
import type { Trainer } from './trainer.js';

type Warn = (message: string) => void;

/** Throws ERR_CONFIG where a run that is continued is told another place. */
export function assertInPlace(out: string | undefined): void {
  if (out === undefined) return;
  throw new GanvasError(
    'ERR_CONFIG',
    `a run is continued where it is: out "${out}" cannot be combined with resume`,
  );
}

/** Warns where a run continues with other data than it was started with. */
export function warnOfOtherData(saved: unknown, data: string | Dataset, warn: Warn): void {
  if (saved === dataName(data)) return;
  warn(`the run was started with the data ${String(saved)} and continues with ${dataName(data)}`);
}

/**
 * Puts a trainer where the latest checkpoint of a run left off; without one (a run killed early), at the
 * beginning.
 * @param model name that the checkpoint's options are hashed with
 * @returns the step of the checkpoint, undefined if there is none
 * @throws GanvasError ERR_CHECKPOINT when it was made with other options, or does not fit, or is damaged
 */
export async function restoreLatest(
  trainer: Trainer<Networks>,
  directory: RunDirectory,
  model: string,
  config: ResolvedConfig,
  warn: Warn,
): Promise<number | undefined> {
  const latest = await directory.latestStep();
  if (latest === undefined) {
    warn('the run was stopped before its first checkpoint; it starts again from the beginning');
  } else {
    const checkpoint = await directory.loadCheckpoint(latest);
    if (checkpoint.state.configHash !== configHash(model, config)) {
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `${checkpoint.path} was made with other options than ${directory.path}/config.json has now`,
      );
    }
    restoreTraining(trainer, checkpoint);
  }
  await directory.continueFrom(trainer.steps);
  return latest;
}
