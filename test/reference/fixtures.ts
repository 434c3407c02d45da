// Reads the fixtures that make_fixtures.py wrote. A fixture array is { shape, data }; everything else is plain JSON.

import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { tensor } from '../../src/tensor/from.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { largest, mismatch } from '../tensor/numeric.js';

export interface Stored {
  shape: number[];
  data: number[];
}

export type Named = Record<string, Stored>;

/** What `derivatives` in make_fixtures.py found: first and second order of one function, by the names of its inputs. */
export interface Derivatives {
  inputs: Named;
  y: Stored;
  gy: Stored;
  grads: Named;
  v: Named;
  second: Named;
}

export function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`fixtures/${name}.json`, import.meta.url), 'utf8')) as T;
}

export const load = ({ shape, data }: Stored): Tensor => tensor(Float32Array.from(data), shape);

export function loadAll(named: Named): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(named).map(([name, x]) => [name, load(x)]));
}

/** Compares relative to the largest element, which is what f32 arithmetic can promise of a sum. */
export async function expectClose(got: Tensor, want: Stored, relative: number, what: string): Promise<void> {
  expect(got.shape, `shape of ${what}`).toEqual(want.shape);
  expect(
    mismatch(await got.data(), want.data, relative, Math.max(largest(want.data), 1e-3)),
    what,
  ).toBeUndefined();
}
