// tensor(): shapes, types and refusals of values that come from JavaScript.

import { describe, expect, test } from 'vitest';
import { tensor } from '../../src/index.js';

describe('tensor', () => {
  test('takes nested arrays and finds their shape', async () => {
    const t = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect([t.shape, t.dtype]).toEqual([[2, 3], 'f32']);
    expect(await t.array()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  test('takes a number, an empty list and empty rows', async () => {
    expect(tensor(3).shape).toEqual([]);
    expect(await tensor(3).item()).toBe(3);
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(await tensor([[], []]).array()).toEqual([[], []]);
  });

  test.each([
    [new Float32Array([1.5, -2]), 'f32'],
    [new Float64Array([1.5, -2]), 'f32'],
    [new Int32Array([1, -2]), 'i32'],
    [new Uint8Array([1, 255]), 'u8'],
    [new Uint8ClampedArray([1, 255]), 'u8'],
    [new Uint16Array([0x3f80, 0xc000]), 'bf16'],
  ] as const)('keeps the type and the values of %o', async (values, dtype) => {
    const t = tensor(values);
    expect(t.dtype).toBe(dtype);
    expect(Array.from(await t.data())).toEqual(Array.from(values));
  });

  test('copies: a later change of the array changes nothing', async () => {
    const values = new Float32Array([1, 2]);
    const t = tensor(values);
    values[0] = 9;
    expect(Array.from(await t.data())).toEqual([1, 2]);
  });

  test('reads a view of a larger buffer, and NaN and infinities as they are', async () => {
    const values = new Float32Array([0, NaN, Infinity, -Infinity, 5]).subarray(1, 4);
    expect(Array.from(await tensor(values).data())).toEqual([NaN, Infinity, -Infinity]);
  });

  test('converts to the type asked for', async () => {
    expect(Array.from(await tensor([1.9, -1.9], [2], 'i32').data())).toEqual([1, -1]);
  });

  test.each([
    [() => tensor([[1, 2], [3]]), 'ERR_SHAPE', /ragged/],
    [() => tensor([1, [2]] as never), 'ERR_ARGUMENT', /expected numbers, got an array/],
    [() => tensor(['1'] as never), 'ERR_ARGUMENT', /expected numbers, got string/],
    [() => tensor(new Float32Array(5), [2, 3]), 'ERR_SHAPE', /holds 6 values, got 5/],
    [() => tensor([1], [-1]), 'ERR_SHAPE', /whole numbers/],
    [() => tensor([1], [1e15, 0.5]), 'ERR_SHAPE', /whole numbers/],
    [() => tensor([1], [1], 'f64' as never), 'ERR_DTYPE', /one of f32/],
    [() => tensor([1], [1], 'bf16'), 'ERR_DTYPE', /cast/],
    [() => tensor(undefined as never), 'ERR_ARGUMENT', /expected numbers, got undefined/],
    [() => tensor(null as never), 'ERR_ARGUMENT', /expected numbers, got/],
  ])('refuses %o with %s', (make, code, message) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }));
  });
});
