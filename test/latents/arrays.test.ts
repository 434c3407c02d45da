// What is done with latents on plain arrays: sums, traversals, style mixing, classes by name.

import { describe, expect, test } from 'vitest';
import { analogy, meanVector, neighbours } from '../../src/latents/arithmetic.js';
import { classNumber, everyClass, oneHotLabels } from '../../src/latents/labels.js';
import { layerRange, mixStyles } from '../../src/latents/styles.js';
import { evenly, traversal } from '../../src/latents/traversal.js';

const fails = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });
const f32 = (...values: number[]) => Float32Array.from(values);

describe('arithmetic', () => {
  test('means and analogies', () => {
    expect([...meanVector([f32(1, 2), f32(3, 4), f32(5, 9)])]).toEqual([3, 5]);
    expect([...analogy(f32(1, 2), f32(3, 4), f32(5, 9))]).toEqual([3, 7]);
    expect(() => meanVector([])).toThrowError(fails('ERR_ARGUMENT'));
    expect(() => meanVector([f32(1), f32(1, 2)])).toThrowError(fails('ERR_SHAPE', '1 and 2'));
    expect(() => analogy(f32(1), f32(1, 2), f32(1))).toThrowError(fails('ERR_SHAPE', '1, 2 and 1'));
  });

  test('neighbours fill the box around a point, and come from the seed', async () => {
    const point = f32(10, -10, 0);
    const around = await neighbours(point, 1000, { seed: 3 });
    expect(around).toHaveLength(3000);
    const distances = [...around].map((value, i) => Math.abs(value - point[i % 3]));
    expect(Math.max(...distances)).toBeLessThanOrEqual(0.25 + 1e-6);
    // The mean of |U(-0.25, 0.25)| is 0.125; its standard error here is 0.0013.
    expect(distances.reduce((sum, d) => sum + d) / 3000).toBeCloseTo(0.125, 2);
    expect(await neighbours(point, 1000, { seed: 3 })).toEqual(around);
    expect(await neighbours(point, 1000, { seed: 4 })).not.toEqual(around);
    expect([...(await neighbours(point, 2, { distance: 0 }))]).toEqual([...point, ...point]);
    await expect(neighbours(point, 0)).rejects.toThrow(fails('ERR_ARGUMENT'));
    await expect(neighbours(point, 1, { distance: -1 })).rejects.toThrow(fails('ERR_ARGUMENT'));
  });
});

describe('traversal', () => {
  const z = f32(5, 0.5, 0, 1, 0, 6);

  test('a continuous code takes the values, everything else stays', () => {
    const code = { kind: 'continuous', start: 1, size: 1 } as const;
    expect([...traversal(z, code, [-2, 2])]).toEqual([5, -2, 0, 1, 0, 6, 5, 2, 0, 1, 0, 6]);
  });

  test('a categorical code takes each of its values', () => {
    const code = { kind: 'categorical', start: 2, size: 3 } as const;
    expect([...traversal(z, code)]).toEqual(
      [
        [5, 0.5, 1, 0, 0, 6],
        [5, 0.5, 0, 1, 0, 6],
        [5, 0.5, 0, 0, 1, 6],
      ].flat(),
    );
  });

  test('even steps meet both ends', () => {
    expect(evenly(-2, 2, 5)).toEqual([-2, -1, 0, 1, 2]);
    expect(evenly(0.1, 0.7, 4).at(-1)).toBe(0.7);
    expect(evenly(3, -3, 2)).toEqual([3, -3]);
    expect(evenly(3, 9, 1)).toEqual([3]);
    expect(() => evenly(0, 1, 0)).toThrowError(fails('ERR_ARGUMENT'));
  });

  test('what a latent does not have is refused', () => {
    const at = (start: number, size = 1) => ({ kind: 'continuous', start, size }) as const;
    expect(() => traversal(z, at(6), [1])).toThrowError(fails('ERR_SHAPE', 'no coordinates 6 to 6'));
    expect(() => traversal(z, at(-1), [1])).toThrowError(fails('ERR_SHAPE'));
    expect(() => traversal(z, at(1.5), [1])).toThrowError(fails('ERR_SHAPE'));
    expect(() => traversal(z, { kind: 'categorical', start: 4, size: 3 })).toThrowError(fails('ERR_SHAPE'));
    expect(() => traversal(z, at(0))).toThrowError(fails('ERR_ARGUMENT'));
    expect(() => traversal(z, at(0, 2), [1])).toThrowError(fails('ERR_ARGUMENT'));
  });
});

describe('style mixing', () => {
  test.each([3, 4, 5, 6, 8, 18])('the groups of %d layers share them out in order', (layers) => {
    const groups = ['coarse', 'middle', 'fine'].map((name) => layerRange(name, layers));
    expect(groups[0].from).toBe(0);
    expect(groups[1].from).toBe(groups[0].until);
    expect(groups[2].from).toBe(groups[1].until);
    expect(groups[2].until).toBe(layers);
  });

  test('a group without layers is refused', () => {
    expect(layerRange('coarse', 2)).toEqual({ from: 0, until: 1 });
    expect(() => layerRange('middle', 2)).toThrowError(fails('ERR_CONFIG', '2 layers are too few'));
  });

  test('layers by number', () => {
    expect(layerRange('0-3', 6)).toEqual({ from: 0, until: 4 });
    expect(layerRange('5', 6)).toEqual({ from: 5, until: 6 });
    for (const text of ['6', '0-6', '3-2', '-1', '', 'corse', '1.5', '0,1']) {
      expect(() => layerRange(text, 6)).toThrowError(
        fails('ERR_CONFIG', `from 0 to 5 such as 0-3, got "${text}"`),
      );
    }
  });

  test('the layers taken come from the other image, the rest stay', () => {
    const [base, other] = [f32(1, 1, 2, 2, 3, 3), f32(7, 7, 8, 8, 9, 9)];
    expect([...mixStyles(base, other, 3, { from: 1, until: 2 })]).toEqual([1, 1, 8, 8, 3, 3]);
    expect([...mixStyles(base, other, 3, { from: 0, until: 3 })]).toEqual([...other]);
    expect([...base]).toEqual([1, 1, 2, 2, 3, 3]);
    expect(() => mixStyles(base, f32(1), 3, { from: 0, until: 1 })).toThrowError(fails('ERR_SHAPE'));
    expect(() => mixStyles(base, other, 4, { from: 0, until: 1 })).toThrowError(fails('ERR_SHAPE'));
  });
});

describe('classes', () => {
  const animals = { classes: 3, classNames: ['cat', 'dog', '0'] };

  test('by name, which goes first, or by number', () => {
    expect(['cat', 'dog', '0', '1', '2'].map((text) => classNumber(animals, text))).toEqual([0, 1, 2, 1, 2]);
    expect(classNumber({ classes: 3 }, '2')).toBe(2);
  });

  test('unknown ones are refused in a sentence that helps', () => {
    expect(() => classNumber(animals, 'catt')).toThrowError(
      fails('ERR_CONFIG', 'unknown class "catt"; did you mean "cat"?'),
    );
    expect(() => classNumber(animals, 'elephant')).toThrowError(fails('ERR_CONFIG', '; known: cat, dog, 0'));
    expect(() => classNumber({ classes: 3 }, '3')).toThrowError(fails('ERR_CONFIG', 'a number from 0 to 2'));
    expect(() => classNumber({ classes: 3 }, '-1')).toThrowError(fails('ERR_CONFIG'));
    expect(() => classNumber({ classes: 3 }, '')).toThrowError(fails('ERR_CONFIG'));
    expect(() => classNumber({}, 'cat')).toThrowError(fails('ERR_CONFIG', 'without classes'));
    const many = { classes: 100, classNames: Array.from({ length: 100 }, (_, i) => `class${i}`) };
    expect(() => classNumber(many, 'something else')).toThrowError(fails('ERR_CONFIG', 'class11, ...'));
  });

  test('in turn, and as weights', () => {
    expect([...everyClass(5, 3)]).toEqual([0, 1, 2, 0, 1]);
    expect(oneHotLabels([2, 0], 3).map((weights) => [...weights])).toEqual([
      [0, 0, 1],
      [1, 0, 0],
    ]);
  });
});
