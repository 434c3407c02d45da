// What the commands stand on: the process's streams, the exit code, and the parts of ganvas they drive.
// Passed in rather than imported, so that `ganvas --help` loads nothing heavy and tests can put stand-ins in
// their place.

import type { measureRobustness } from '../adversarial/robustness.js';
import type { trainClassifier } from '../classifier/train.js';
import type { ModelEntry } from '../models/registry.js';
import type { loadGenerator } from '../train/generator.js';
import type { trainRun } from '../train/run.js';

export interface CommandContext {
  out: NodeJS.WriteStream;
  err: NodeJS.WriteStream;
  models: Readonly<Record<string, ModelEntry>>;
  trainRun: typeof trainRun;
  loadGenerator: typeof loadGenerator;
  trainClassifier: typeof trainClassifier;
  measureRobustness: typeof measureRobustness;
  /** Says how the process should end when the command returns; 0 unless called. */
  setExitCode(code: number): void;
}

/** Exit codes. A run stopped by a signal exits with 128 + the signal's number. */
export const exitCodes = { ok: 0, internal: 1, userError: 2, interrupted: 130, terminated: 143 } as const;
