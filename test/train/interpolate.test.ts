// Spherical interpolation keeps to the sphere, meets both ends, and survives the vectors for which it is undefined.

import { expect, test } from 'vitest';
import { interpolationPath, slerp } from '../../src/train/interpolate.js';

const norm = (v: Float32Array) => Math.hypot(...v);

test('the ends are the vectors, the middle halves the angle', () => {
  const a = Float32Array.of(2, 0, 0);
  const b = Float32Array.of(0, 2, 0);
  expect(slerp(a, b, 0)).toEqual(a);
  expect(slerp(a, b, 1)[1]).toBeCloseTo(2, 6);
  for (const i of [0, 1]) expect(slerp(a, b, 0.5)[i]).toBeCloseTo(Math.SQRT2, 6);
  for (const t of [0.1, 0.3, 0.9]) expect(norm(slerp(a, b, t))).toBeCloseTo(2, 5);
});

test.each([
  ['equal', [1, 2], [1, 2], [1, 2]],
  ['parallel', [1, 0], [3, 0], [2, 0]],
  ['opposite', [1, 0], [-1, 0], [0, 0]],
  ['zero', [0, 0], [0, 4], [0, 2]],
])('%s vectors fall back to the straight line', (_, a, b, middle) => {
  expect([...slerp(Float32Array.from(a), Float32Array.from(b), 0.5)]).toEqual(middle);
});

test('a path has its steps in order', () => {
  const path = interpolationPath(Float32Array.of(1, 0), Float32Array.of(0, 1), 3);
  expect(path.length).toBe(6);
  expect([...path.subarray(0, 2)]).toEqual([1, 0]);
  expect(path[3]).toBeCloseTo(Math.SQRT1_2, 6);
});

test.each([0, 1, 2.5, Number.NaN])('%d steps are refused', (steps) => {
  const v = Float32Array.of(1);
  expect(() => interpolationPath(v, v, steps)).toThrowError(
    expect.objectContaining({ code: 'ERR_ARGUMENT' }),
  );
});

test('vectors of two lengths are refused', () => {
  expect(() => slerp(new Float32Array(2), new Float32Array(3), 0.5)).toThrowError(
    expect.objectContaining({ code: 'ERR_SHAPE' }),
  );
});
