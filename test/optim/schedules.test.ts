// Learning-rate schedules at their corners.

import { expect, test } from 'vitest';
import { constant, cosine, exponential, linear, step } from '../../src/optim/schedules.js';

test('constant is 1', () => {
  expect([0, 10].map(constant())).toEqual([1, 1]);
});

test('linear holds, goes straight down, and holds again', () => {
  expect([0, 10, 15, 20, 99].map(linear({ start: 10, end: 20 }))).toEqual([1, 1, 0.5, 0, 0]);
  expect(linear({ end: 10, to: 0.5 })(5)).toBe(0.75);
});

test('cosine goes from 1 to its end along half a wave', () => {
  const f = cosine({ end: 10, to: 0.2 });
  expect(f(0)).toBe(1);
  expect(f(5)).toBeCloseTo(0.6, 12);
  expect(f(10)).toBeCloseTo(0.2, 12);
  expect(f(50)).toBeCloseTo(0.2, 12);
});

test('step and exponential', () => {
  expect([0, 9, 10, 25].map(step({ every: 10, gamma: 0.5 }))).toEqual([1, 1, 0.5, 0.25]);
  expect(exponential({ gamma: 0.5 })(3)).toBe(0.125);
});

test('absurd options are refused', () => {
  const refused = expect.objectContaining({ code: 'ERR_ARGUMENT' });
  expect(() => linear({ start: 5, end: 5 })).toThrow(refused);
  expect(() => cosine({ end: Number.NaN })).toThrow(refused);
  expect(() => step({ every: 0 })).toThrow(refused);
  expect(() => exponential({ gamma: -1 })).toThrow(refused);
});
