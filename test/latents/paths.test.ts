// Paths through latents: spherical ones keep to the sphere, meet their waypoints, and survive the vectors for
// which they are undefined; straight ones are straight.

import { expect, test } from 'vitest';
import { interpolationPath, joined, lerp, slerp } from '../../src/latents/paths.js';

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

test('a straight line', () => {
  expect([...lerp(Float32Array.of(0, 4), Float32Array.of(2, 0), 0.25)]).toEqual([0.5, 3]);
});

const [east, north, west] = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(-1, 0)];

test('a path has its steps in order', () => {
  const path = interpolationPath([east, north], { steps: 3 });
  expect(path.length).toBe(6);
  expect([...path.subarray(0, 2)]).toEqual([1, 0]);
  expect(path[3]).toBeCloseTo(Math.SQRT1_2, 6);
});

test('a path meets each of its waypoints once, a loop the first one not again', () => {
  const path = interpolationPath([east, north, west], { steps: 4, mode: 'linear' });
  expect(path.length).toBe(2 * 7);
  for (const [i, point] of [east, north, west].entries()) {
    expect([...path.subarray(6 * i, 6 * i + 2)]).toEqual([...point]);
  }
  expect([...path.subarray(2, 4)]).toEqual([2 / 3, 1 / 3].map(Math.fround));
  const loop = interpolationPath([east, north, west], { steps: 4, mode: 'linear', loop: true });
  expect([...loop.subarray(0, 14)]).toEqual([...path]);
  // From west straight back to east, without arriving.
  expect([...loop.subarray(14)]).toEqual([-1 / 3, 0, 1 / 3, 0].map(Math.fround));
});

test('two waypoints in a loop lead there and back', () => {
  const there = [...interpolationPath([east, north], { steps: 3 })];
  const loop = [...interpolationPath([east, north], { steps: 3, loop: true })];
  expect(loop).toEqual([...there, ...there.slice(2, 4)]);
});

test('arrays are joined in order', () => {
  expect([...joined([east, Float32Array.of(7), north])]).toEqual([1, 0, 7, 0, 1]);
  expect(joined([])).toHaveLength(0);
});

test.each([0, 1, 2.5, Number.NaN])('%d steps are refused', (steps) => {
  expect(() => interpolationPath([east, north], { steps })).toThrowError(
    expect.objectContaining({ code: 'ERR_ARGUMENT' }),
  );
});

test.each([[[]], [[east]]])('fewer than two waypoints are refused', (waypoints) => {
  expect(() => interpolationPath(waypoints, { steps: 3 })).toThrowError(
    expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: expect.stringContaining('at least 2 waypoints'),
    }),
  );
});

test('vectors of two lengths are refused', () => {
  for (const between of [lerp, slerp]) {
    expect(() => between(new Float32Array(2), new Float32Array(3), 0.5)).toThrowError(
      expect.objectContaining({ code: 'ERR_SHAPE' }),
    );
  }
  expect(() => interpolationPath([new Float32Array(2), new Float32Array(3)], { steps: 2 })).toThrowError(
    expect.objectContaining({ code: 'ERR_SHAPE' }),
  );
});
