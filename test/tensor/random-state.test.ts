// The bookkeeping of random numbers: seeds, counters, carrying into the high word, saving. What the numbers are like is
// tested with the random ops.

import { describe, expect, test } from 'vitest';
import { Generator } from '../../src/tensor/random-state.js';

const code = (c: string) => expect.objectContaining({ code: c });

describe('Generator', () => {
  test('reserves one counter per four words, rounded up', () => {
    const generator = new Generator(5);
    expect(generator.take(1)).toEqual([0, 5, 0, 0]);
    expect(generator.take(4)).toEqual([0, 5, 0, 1]);
    expect(generator.take(9)).toEqual([0, 5, 0, 2]);
    expect(generator.take(0)).toEqual([0, 5, 0, 5]);
    expect(generator.take(1)).toEqual([0, 5, 0, 5]);
  });

  test('splits a seed above 32 bits into two words', () => {
    expect(new Generator(2 ** 33 + 7).take(1).slice(0, 2)).toEqual([2, 7]);
  });

  test('carries into the high word of the counter and wraps around at 64 bits', () => {
    const generator = new Generator(0);
    generator.restore({ key: [0, 0], counter: [0xffffffff, 0xffffffff] });
    expect(generator.take(8)).toEqual([0, 0, 0xffffffff, 0xffffffff]);
    expect(generator.take(1)).toEqual([0, 0, 0, 1]);
  });

  test('continues from a saved state, which later draws do not change', () => {
    const generator = new Generator(3);
    generator.take(40);
    const saved = generator.state();
    const next = generator.take(8);
    const other = new Generator(99);
    other.restore(JSON.parse(JSON.stringify(saved)));
    expect(other.take(8)).toEqual(next);
  });

  test('starts again when it is seeded again', () => {
    const generator = new Generator(3);
    generator.take(100);
    expect(generator.manualSeed(4).take(1)).toEqual([0, 4, 0, 0]);
  });

  test.each([-1, 1.5, Number.NaN, 2 ** 53, '1' as never])('refuses the seed %s', (seed) => {
    expect(() => new Generator(seed)).toThrow(code('ERR_ARGUMENT'));
  });

  test.each([
    undefined,
    {},
    { key: [0, 0] },
    { key: [0, 0], counter: [0, 2 ** 32] },
    { key: [0], counter: [0, 0] },
  ])('refuses the state %j', (state) => {
    expect(() => new Generator().restore(state as never)).toThrow(code('ERR_ARGUMENT'));
  });
});
