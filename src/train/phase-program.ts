// Runs the updates of one phase, as a program (capture) as soon as it has been seen to do the same twice in a row, and
// eagerly where it does not. Results are the same bits either way. Knows nothing of losses and optimisers: an update is
// a function of a batch.

import { GanvasError } from '../errors.js';
import { capture, type Program } from '../tensor/program.js';
import { Tensor } from '../tensor/tensor.js';
import type { PhaseResult, TrainBatch } from './phase.js';

/** Replayed updates between two checks that the phase still does the same. */
const checkEvery = 100;

/** Programs for batches of different shapes; beyond, batches of new shapes run eagerly. */
const mostPrograms = 4;

interface Replayed {
  program: Program<readonly Tensor[], PhaseResult>;
  /** Updates since the last check; undefined until the second recording has agreed with the first. */
  sinceCheck: number | undefined;
}

export class PhaseProgram {
  readonly #update: (batch: TrainBatch) => PhaseResult;
  readonly #replayed = new Map<string, Replayed>();
  readonly #seen = new Set<string>();
  #reason: string | undefined;

  /** @param reason if given, why the phase shall run eagerly */
  constructor(update: (batch: TrainBatch) => PhaseResult, reason?: string) {
    this.#update = update;
    this.#reason = reason;
  }

  /** Why updates run eagerly, if that is settled. */
  get reason(): string | undefined {
    return this.#reason;
  }

  /** Whether updates on some batches are replayed. */
  get replaying(): boolean {
    return [...this.#replayed.values()].some(({ sinceCheck }) => sinceCheck !== undefined);
  }

  run(batch: TrainBatch): PhaseResult {
    if (this.#reason !== undefined) return this.#update(batch);
    try {
      return this.#captured(batch);
    } catch (error) {
      if (!(error instanceof GanvasError) || error.code !== 'ERR_CAPTURE') throw error;
      this.#giveUp(error.message);
      return this.#update(batch);
    }
  }

  #captured(batch: TrainBatch): PhaseResult {
    const { key, names, inputs } = describeBatch(batch);
    // The first update is eager, because layers may make state when they are first used.
    const known = this.#seen.has(key);
    if (!known && this.#seen.size < mostPrograms) this.#seen.add(key);
    if (!known) return this.#update(batch);
    let replayed = this.#replayed.get(key);
    if (!replayed) {
      const program = capture((...tensors: readonly Tensor[]) =>
        this.#update({ ...batch, ...Object.fromEntries(names.map((name, i) => [name, tensors[i]])) }),
      );
      replayed = { program, sinceCheck: undefined };
      this.#replayed.set(key, replayed);
    }
    return this.#replay(replayed, inputs);
  }

  #replay(replayed: Replayed, inputs: readonly Tensor[]): PhaseResult {
    const { program, sinceCheck } = replayed;
    if (program.size.operations > 0 && (sinceCheck === undefined || sinceCheck + 1 >= checkEvery)) {
      const { result, difference } = program.rerun(inputs);
      replayed.sinceCheck = 0;
      if (difference) this.#giveUp(`${difference} between two steps`);
      return result;
    }
    if (sinceCheck !== undefined) replayed.sinceCheck = sinceCheck + 1;
    return program.run(inputs);
  }

  #giveUp(reason: string): void {
    this.dispose();
    this.#reason = reason;
  }

  /** Frees the programs; a later update records anew. */
  dispose(): void {
    for (const { program } of this.#replayed.values()) program.dispose();
    this.#replayed.clear();
  }
}

/** The tensors of a batch, and a key that differs where anything else about it does. ERR_CAPTURE for what has none. */
function describeBatch(batch: TrainBatch): { key: string; names: string[]; inputs: Tensor[] } {
  const names: string[] = [];
  const inputs: Tensor[] = [];
  let key = '';
  for (const [name, value] of Object.entries(batch)) {
    if (value instanceof Tensor) {
      names.push(name);
      inputs.push(value);
    } else if (typeof value === 'object' ? value !== null : typeof value === 'function') {
      throw new GanvasError(
        'ERR_CAPTURE',
        `the batch holds "${name}", which is neither a tensor nor a plain value`,
      );
    }
    key += `${name}=${String(value)};`;
  }
  return { key, names, inputs };
}
