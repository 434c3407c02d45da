// Endless shuffled batches, made a few ahead of their use. Every epoch has its own order and every batch its
// own random numbers, both derived from the seed and a count; so the whole cursor is "how many batches were
// handed out", and what had been prefetched when a run ended cannot matter. The last, incomplete batch of an
// epoch is dropped.

import { GanvasError } from '../errors.js';
import type { Dataset } from './dataset.js';
import { HostRandom } from './random.js';

export interface Batch {
  /** u8 [batch, height, width, channels]. */
  images: Uint8Array;
  /** Class of each image, when the data set has classes. */
  labels?: Int32Array;
  /** Which pass over the data, from 0. */
  epoch: number;
  /** Which batch of the epoch, from 0. */
  index: number;
}

/**
 * Where a loader is; plain JSON. `batches` have been handed out; the rest guards against resuming with other
 * data.
 */
export interface LoaderState {
  batches: number;
  seed: number;
  batch: number;
  length: number;
}

export interface LoaderOptions {
  /** Images per batch. */
  batch: number;
  /** Non-negative integer; same seed, same batches. */
  seed?: number;
  /** Batches made ahead; default 4. */
  prefetch?: number;
}

const orderStream = 1;
const augmentationStream = 2;

export class BatchLoader {
  readonly dataset: Dataset;
  readonly batch: number;
  readonly batchesPerEpoch: number;
  readonly #seed: number;
  readonly #prefetch: number;
  #delivered = 0;
  #ahead: Promise<Batch>[] = [];
  #orders = new Map<number, Int32Array>();
  #closed = false;
  // Buffers given back, for batches to come: fresh ones for every batch would pile up until the next collection.
  readonly #spare: Uint8Array[] = [];

  /** Throws ERR_ARGUMENT for an absurd option, ERR_DATA when the data set has less than one batch. */
  constructor(dataset: Dataset, { batch, seed = 0, prefetch = 4 }: LoaderOptions) {
    for (const [name, value, least] of [
      ['batch', batch, 1],
      ['seed', seed, 0],
      ['prefetch', prefetch, 0],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < least) {
        throw new GanvasError(
          'ERR_ARGUMENT',
          `BatchLoader: ${name} must be an integer of at least ${least}, got ${value}`,
        );
      }
    }
    if (dataset.length < batch) {
      const remedy = `use a batch of at most ${dataset.length}, or more images`;
      throw new GanvasError(
        'ERR_DATA',
        `${dataset.name} has ${dataset.length} images, a batch takes ${batch}: ${remedy}`,
      );
    }
    this.dataset = dataset;
    this.batch = batch;
    this.batchesPerEpoch = Math.floor(dataset.length / batch);
    this.#seed = seed;
    this.#prefetch = prefetch;
  }

  /**
   * The next batch. Calls need not wait for each other; batches come in order of the calls.
   * @throws GanvasError ERR_DISPOSED after close(), or what the data set throws
   */
  async next(): Promise<Batch> {
    if (this.#closed) throw new GanvasError('ERR_DISPOSED', 'BatchLoader: next() was called after close()');
    this.#fill(this.#prefetch + 1);
    const batch = this.#ahead.shift()!;
    this.#delivered += 1;
    this.#fill(this.#prefetch);
    return batch;
  }

  /** Gives the images of a batch back for reuse, once nobody reads them any more. Never required. */
  recycle(images: Uint8Array): void {
    if (this.#spare.length <= this.#prefetch) this.#spare.push(images);
  }

  #fill(count: number): void {
    while (this.#ahead.length < count) {
      const promise = this.#make(this.#delivered + this.#ahead.length);
      // A failure is reported by the next() that reaches it; until then it must not count as unhandled.
      promise.catch(() => {});
      this.#ahead.push(promise);
    }
  }

  async #make(number: number): Promise<Batch> {
    const epoch = Math.floor(number / this.batchesPerEpoch);
    const index = number % this.batchesPerEpoch;
    const indices = this.#order(epoch).slice(index * this.batch, (index + 1) * this.batch);
    const { labels } = this.dataset;
    const random = new HostRandom(this.#seed, augmentationStream, number);
    const images = await this.dataset.batch(indices, random, this.#spare.pop());
    return { images, labels: labels && Int32Array.from(indices, (i) => labels[i]), epoch, index };
  }

  #order(epoch: number): Int32Array {
    let order = this.#orders.get(epoch);
    if (order === undefined) {
      order = new HostRandom(this.#seed, orderStream, epoch).permutation(this.dataset.length);
      for (const old of this.#orders.keys()) if (old < this.epoch) this.#orders.delete(old);
      this.#orders.set(epoch, order);
    }
    return order;
  }

  /** The epoch of the batch that next() will return. */
  get epoch(): number {
    return Math.floor(this.#delivered / this.batchesPerEpoch);
  }

  /**
   * The cursor: a loader of the same data that restores it continues with the batch that next() would return
   * here.
   */
  state(): LoaderState {
    return { batches: this.#delivered, seed: this.#seed, batch: this.batch, length: this.dataset.length };
  }

  /**
   * Continues from a saved cursor; what was prefetched is dropped.
   * @throws GanvasError ERR_CHECKPOINT when the cursor is malformed or belongs to other data, another batch
   * or seed
   */
  restore(state: LoaderState): void {
    if (!Number.isSafeInteger(state?.batches) || state.batches < 0) {
      throw new GanvasError(
        'ERR_CHECKPOINT',
        `the data cursor must count batches, got ${JSON.stringify(state)}`,
      );
    }
    const expected = this.state();
    for (const key of ['seed', 'batch', 'length'] as const) {
      if (state[key] !== expected[key]) {
        const what = { seed: 'the seed', batch: 'the batch size', length: 'the number of images' }[key];
        const problem = `${what} was ${state[key]} when it was saved and is ${expected[key]} now`;
        throw new GanvasError('ERR_CHECKPOINT', `cannot continue reading ${this.dataset.name}: ${problem}`);
      }
    }
    this.#delivered = state.batches;
    this.#ahead = [];
    this.#orders.clear();
  }

  /** Stops prefetching and waits for what is being read. */
  async close(): Promise<void> {
    this.#closed = true;
    const ahead = this.#ahead;
    this.#ahead = [];
    await Promise.allSettled(ahead);
  }
}
