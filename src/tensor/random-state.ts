// Where random numbers come from: a key (the seed) and a counter that every draw moves on, the two inputs of Philox
// (native/engine/philox.h). The numbers themselves are made on the device by ops/random.ts; here is only the
// bookkeeping, so that saving two 64-bit words and restoring them continues a run bit for bit.

import { GanvasError } from '../errors.js';
import type { Live } from './live.js';

/** The whole state of a generator, plain JSON: two 64-bit words as [high, low] halves. */
export interface GeneratorState {
  key: [number, number];
  counter: [number, number];
}

const wordsPerCounter = 4;
const two32 = 2 ** 32;

function checkSeed(seed: unknown): asserts seed is number {
  if (!Number.isSafeInteger(seed) || (seed as number) < 0) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `seed must be an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got ${String(seed)}`,
    );
  }
}

function isHalves(value: unknown): value is [number, number] {
  const isHalf = (half: unknown) =>
    Number.isInteger(half) && (half as number) >= 0 && (half as number) < two32;
  return Array.isArray(value) && value.length === 2 && value.every(isHalf);
}

/** A source of random numbers: same seed, same numbers, on every device and for any number of threads. */
export class Generator {
  #key: [number, number] = [0, 0];
  #counter: [number, number] = [0, 0];

  /** @throws GanvasError ERR_ARGUMENT unless `seed` is an integer from 0 to 2^53 - 1 */
  constructor(seed = 0) {
    this.manualSeed(seed);
  }

  /** Starts again from a seed. Throws ERR_ARGUMENT unless it is an integer from 0 to 2^53 - 1. */
  manualSeed(seed: number): this {
    checkSeed(seed);
    this.#key = [Math.floor(seed / two32), seed % two32];
    this.#counter = [0, 0];
    return this;
  }

  /**
   * Reserves random 32-bit words for one draw; four come from each counter value.
   * @returns [key high, key low, counter high, counter low]: where the draw begins
   */
  take(words: number): [number, number, number, number] {
    const [high, low] = this.#counter;
    const next = low + Math.ceil(words / wordsPerCounter);
    this.#counter = [(high + Math.floor(next / two32)) % two32, next % two32];
    return [...this.#key, high, low];
  }

  /** The same as attributes of a native op: each run of a program reserves words of its own. */
  draw(words: number): Live {
    const save = () => {
      const before = this.state();
      return () => this.restore(before);
    };
    return { width: 4, values: () => this.take(words), save };
  }

  /** What `restore` needs to continue from here. */
  state(): GeneratorState {
    return { key: [...this.#key], counter: [...this.#counter] };
  }

  /** Continues from a saved state. Throws ERR_ARGUMENT when it is malformed. */
  restore(state: GeneratorState): void {
    if (!isHalves(state?.key) || !isHalves(state?.counter)) {
      throw new GanvasError(
        'ERR_ARGUMENT',
        `generator state: expected { key, counter } of two unsigned 32-bit halves each, got ${JSON.stringify(state)}`,
      );
    }
    this.#key = [...state.key];
    this.#counter = [...state.counter];
  }
}

/** What random ops, initialisers and dropout draw from unless given a generator of their own. */
export const defaultGenerator = new Generator(0);

/** Seeds the default generator. Throws ERR_ARGUMENT unless `seed` is an integer from 0 to 2^53 - 1. */
export function manualSeed(seed: number): void {
  defaultGenerator.manualSeed(seed);
}
