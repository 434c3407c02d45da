// Reads the fixtures that make_fixtures.py wrote. A fixture array is { shape, data }; everything else is plain JSON.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { grad, valueAndGrad } from '../../src/tensor/autograd.js';
import { tensor } from '../../src/tensor/from.js';
import { add, mul, sum } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
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

/** A test whose tensors are freed at its end. */
export const scoped = (name: string, fn: () => Promise<void>) => test(name, () => scope(fn));

/** Checks y, the gradients of <y, gy>, and the gradients of <those, v>. */
export async function checkDerivatives(
  f: (inputs: Record<string, Tensor>) => Tensor,
  d: Derivatives,
  tolerance: number,
): Promise<void> {
  const inputs = loadAll(d.inputs);
  const v = loadAll(d.v);
  const gy = load(d.gy);
  const names = Object.keys(inputs);
  await expectClose(f(inputs), d.y, tolerance, 'y');

  const loss = (...xs: Tensor[]) =>
    sum(mul(f(Object.fromEntries(names.map((name, i) => [name, xs[i]]))), xs[names.length] ?? gy));
  const { grads } = valueAndGrad(() => loss(...Object.values(inputs)), Object.values(inputs));
  for (const [i, name] of names.entries())
    await expectClose(grads[i], d.grads[name], tolerance, `gradient by ${name}`);

  const inner = grad(
    loss,
    names.map((_, i) => i),
  );
  const along = (...xs: Tensor[]) =>
    inner(...xs)
      .map((g, i) => sum(mul(g, v[names[i]])))
      .reduce(add);
  const second = valueAndGrad(along, [...Object.values(inputs), gy]).grads;
  for (const [i, name] of [...names, 'gy'].entries()) {
    await expectClose(second[i], d.second[name], 5 * tolerance, `second gradient by ${name}`);
  }
}
