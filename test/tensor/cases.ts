// What the tests generated from the op table share: a sample's inputs in both worlds, a loss over an op, and the comparison
// of gradients with finite differences of the reference. Knows no op.

import { expect } from 'vitest';
import { GanvasError } from '../../src/errors.js';
import { applyAll, type OpSpec, type Sample, upload } from '../../src/tensor/define.js';
import { mul, sum } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { references } from '../reference/naive/index.js';
import { make, type Nd, size } from '../reference/nd.js';
import { draw, fromTyped, type Loss, largest, mismatch, randomFrom, shuffled, toTyped } from './numeric.js';

const allCoordinates = 40; // samples with more elements are differentiated at a few random coordinates
const fewCoordinates = 10;

export interface Case {
  spec: OpSpec<never>;
  sample: Sample<never>;
  inputs: Nd[];
  tensors: Tensor[];
  /** Positions of the inputs that have gradients. */
  floats: number[];
  random: () => number;
}

/** The sample's inputs and tensors; those at the positions `narrow`, which are f32, become bf16. */
export function prepare(
  spec: OpSpec<never>,
  sample: Sample<never>,
  number: number,
  narrow: readonly number[] = [],
): Case {
  const random = randomFrom(`${spec.name} ${number}`);
  const dtypes = sample.inputs.map(({ dtype = 'f32' }, k) => (narrow.includes(k) ? 'bf16' : dtype));
  const inputs = sample.inputs.map((input, k) => draw({ ...input, dtype: dtypes[k] }, k, random));
  const tensors = inputs.map((x, k) => upload(toTyped(x.data, dtypes[k]), x.shape, dtypes[k]));
  const floats = dtypes.flatMap((dtype, k) => (dtype === 'f32' || narrow.includes(k) ? [k] : []));
  return { spec, sample, inputs, tensors, floats, random };
}

/** The case with as many inputs in bf16 as the op takes: from the first on, for parameters come last. */
export function narrowed(spec: OpSpec<never>, sample: Sample<never>, number: number): Case | undefined {
  const floats = sample.inputs.flatMap(({ dtype = 'f32' }, k) => (dtype === 'f32' ? [k] : []));
  for (let count = floats.length; count > 0; count--) {
    const c = prepare(spec, sample, number, floats.slice(0, count));
    try {
      applyAll(spec, c.tensors, sample.attrs);
      return c;
    } catch (error) {
      if (!(error instanceof GanvasError) || error.code !== 'ERR_DTYPE') throw error;
    }
  }
  return undefined;
}

export function uniformLike(shape: readonly number[], random: () => number): Nd {
  return make(
    shape,
    Array.from({ length: size(shape) }, () => Math.fround(2 * random() - 1)),
  );
}

export const asTensor = (x: Nd): Tensor => upload(toTyped(x.data, 'f32'), x.shape, 'f32');

/** The loss sum(y * u) in both worlds; u comes last in the list of inputs and is differentiated by as well. */
export function lossOf(c: Case): {
  reference: Loss;
  engine: (...xs: Tensor[]) => Tensor;
  list: Nd[];
  watched: Tensor[];
} {
  const { spec, sample, inputs, tensors, floats, random } = c;
  const u = uniformLike(references[spec.name](inputs, sample.attrs).shape, random);
  return {
    list: [...inputs, u],
    watched: [...floats.map((k) => tensors[k]), asTensor(u)],
    reference: (list) => {
      const weights = list[list.length - 1].data;
      const y = references[spec.name](list.slice(0, -1), sample.attrs).data;
      return y.reduce((total, value, i) => total + value * weights[i], 0);
    },
    engine: (...xs) => {
      const args = [...tensors];
      // The op's inputs are intermediates here, freed as early as its `saves` allows.
      floats.forEach((k, m) => {
        args[k] = mul(xs[m], 1);
      });
      return sum(mul(applyAll(spec, args, sample.attrs)[0], xs[xs.length - 1]));
    },
  };
}

function coordinates(x: Nd, total: number, random: () => number): number[] {
  const order = shuffled(x.data.length, random);
  return total <= allCoordinates ? order : order.slice(0, fewCoordinates);
}

/** Gradients by each watched tensor against derivatives of the reference, at all or some coordinates. */
export async function compare(
  c: Case,
  list: Nd[],
  grads: Tensor[],
  derivative: (k: number, i: number) => number,
  relative: number,
): Promise<void> {
  const positions = [...c.floats, list.length - 1];
  const total = positions.reduce((n, k) => n + list[k].data.length, 0);
  for (const [m, k] of positions.entries()) {
    expect(grads[m].shape, `shape of gradient ${k}`).toEqual(list[k].shape);
    const values = fromTyped(await grads[m].data(), grads[m].dtype);
    const some = coordinates(list[k], total, c.random);
    const smooth = some
      .map((i) => ({ got: values[i], want: derivative(k, i) }))
      .filter(({ want }) => !Number.isNaN(want));
    expect(smooth.length, 'coordinates away from kinks').toBeGreaterThanOrEqual(some.length / 2);
    const want = smooth.map((s) => s.want);
    const got = smooth.map((s) => s.got);
    expect(
      mismatch(got, want, relative, Math.max(1, largest(want))),
      `by input ${k}, at ${some}`,
    ).toBeUndefined();
  }
}

export function title(sample: Sample<never>): string {
  const inputs = sample.inputs.map((i) => `${i.dtype ?? ''}[${i.shape}]`).join(' ');
  const attrs = JSON.stringify(sample.attrs ?? {});
  return `${inputs} ${attrs === '{}' ? '' : attrs}`.trim();
}
