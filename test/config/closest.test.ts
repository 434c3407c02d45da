// The nearest known name for a mistyped one.

import { expect, test } from 'vitest';
import { closestName, didYouMean, editDistance } from '../../src/config/closest.js';

const known = ['batch', 'steps', 'epochs', 'saveEvery', 'sampleEvery', 'lr', 'dSteps'];

test.each([
  ['', '', 0],
  ['abc', 'abc', 0],
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['batch', 'bacth', 1],
  ['ca', 'abc', 3],
])('the distance from "%s" to "%s" is %i', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test.each([
  ['bacth', 'batch'],
  ['Batch', 'batch'],
  ['save-every', 'saveEvery'],
  ['save_evry', 'saveEvery'],
  ['step', 'steps'],
  ['l', 'lr'],
])('"%s" is near "%s"', (name, expected) => {
  expect(closestName(name, known)).toBe(expected);
});

test.each(['learningRate', 'zzz', '', 'x'.repeat(10_000)])('"%s" is near nothing', (name) => {
  expect(closestName(name, known)).toBeUndefined();
  expect(didYouMean(name, known)).toBe('');
});

test('the end of a message', () => {
  expect(didYouMean('bacth', known)).toBe('; did you mean "batch"?');
});
