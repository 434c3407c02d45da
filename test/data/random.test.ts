// The host's random numbers: reproducible, different per stream and counter, and uniform enough to shuffle with.

import { expect, test } from 'vitest';
import { HostRandom } from '../../src/data/random.js';

test('the same seed, stream and counter give the same numbers; anything else does not', () => {
  const first = (...key: [number, number?, number?]) => {
    const random = new HostRandom(...key);
    return Array.from({ length: 4 }, () => random.bits());
  };
  const keys: [number, number, number][] = [
    [0, 0, 0],
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [2 ** 32, 0, 0],
    [0, 0, 2 ** 32],
    [Number.MAX_SAFE_INTEGER, 0, 0],
  ];
  const sequences = keys.map((key) => first(...key).join());
  expect(new Set(sequences).size).toBe(keys.length);
  expect(keys.map((key) => first(...key).join())).toEqual(sequences);
});

test('uniform numbers are in [0, 1) with mean 1/2 and variance 1/12', () => {
  const random = new HostRandom(7);
  const n = 100_000;
  let sum = 0;
  let squares = 0;
  let outside = 0;
  for (let i = 0; i < n; i++) {
    const value = random.uniform();
    outside += value >= 0 && value < 1 ? 0 : 1;
    sum += value;
    squares += value * value;
  }
  expect(outside).toBe(0);
  const mean = sum / n;
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.005);
  expect(Math.abs(squares / n - mean * mean - 1 / 12)).toBeLessThan(0.002);
});

test('a permutation holds every number once, each place equally likely', () => {
  const counts = new Array(6).fill(0);
  for (let counter = 0; counter < 6000; counter++) {
    const order = new HostRandom(3, 1, counter).permutation(6);
    expect([...order].sort()).toEqual([0, 1, 2, 3, 4, 5]);
    counts[order[0]]++;
  }
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
  expect(new HostRandom(1).permutation(0).length).toBe(0);
});
