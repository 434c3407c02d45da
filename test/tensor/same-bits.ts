// Compares a captured function with the function itself, bit by bit; for the tests of programs.

import { expect } from 'vitest';
import { type Captured, capture } from '../../src/tensor/program.js';
import { defaultGenerator, manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import { Tensor } from '../../src/tensor/tensor.js';

export const bits = async (t: Tensor) => Buffer.from((await t.data()).buffer).toString('hex');

export interface World {
  fn: (...inputs: Tensor[]) => Captured;
  state: () => Tensor[];
}

/** Calls a function and, in an equal world, its program, on the same inputs: results, state and generator must agree. */
export async function sameBits(make: () => World, inputs: () => Tensor[], runs = 5): Promise<void> {
  const play = async (replayed: boolean) => {
    manualSeed(11);
    const { fn, state } = make();
    const program = capture(fn);
    const seen: string[] = [];
    for (let i = 0; i < runs; i++) {
      const given = inputs();
      const results: Tensor[] = [];
      JSON.stringify(replayed ? program.run(given) : fn(...given), (_, value) => {
        if (value instanceof Tensor) results.push(value);
        return value instanceof Tensor ? undefined : value;
      });
      for (const t of results) seen.push(await bits(t));
    }
    for (const t of state()) seen.push(await bits(t));
    seen.push(JSON.stringify(defaultGenerator.state()));
    program.dispose();
    return seen;
  };
  await scope(async () => {
    const [eager, replayed] = [await play(false), await play(true)];
    expect(eager.length).toBeGreaterThan(runs);
    expect(replayed).toEqual(eager);
  });
}
