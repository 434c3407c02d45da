// Every op on every one of its samples with values that no sensible run has: all inputs NaN, infinite, as large as f32
// goes, or as small. Nothing may hang or fail; NaN must come out where it went in, in results and in gradients.

import { describe, expect, test } from 'vitest';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { applyAll, type OpSpec, opTable, type Sample, upload } from '../../src/tensor/define.js';
import { cast, mul, sum } from '../../src/tensor/ops/index.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { size } from '../reference/nd.js';
import { prepare, title } from './cases.js';
import { fromTyped, toTyped } from './numeric.js';

const largest = 3.4028234663852886e38;
type Value = (i: number) => number;
const values: Record<string, Value> = {
  NaN: () => Number.NaN,
  infinity: (i) => (i % 3 === 2 ? -Infinity : Infinity),
  'the largest numbers': (i) => (i % 2 === 0 ? largest : -largest),
  'denormal numbers': (i) => (i % 2 === 0 ? 1e-45 : -1e-40),
};

/** The sample's tensors with its float inputs replaced; whole numbers (indices) stay. */
function filled(spec: OpSpec<never>, sample: Sample<never>, number: number, value: Value) {
  const c = prepare(spec, sample, number);
  for (const k of c.floats) {
    const { shape } = c.tensors[k];
    const data = Array.from({ length: size(shape) }, (_, i) => value(i));
    c.tensors[k] = upload(toTyped(data, 'f32'), shape, 'f32');
  }
  return c;
}

// Where NaN may vanish from the result: its zeroth power is 1, a place that is NaN lies outside of the image, and a sample
// alone in its batch has nothing to resemble.
const mayHide = new Set(['powScalar', 'gridSample', 'minibatchSimilarity', 'minibatchSimilarityGrad']);
// Where it may vanish from a gradient: constant steps, the side of a kink, the branch or the elements not taken.
const mayHideGradient = new Set([
  ...mayHide,
  'sign',
  'floor',
  'ceil',
  'round',
  'reluGrad',
  'leakyReluGrad',
  'preluGrad',
  'where',
  'scalarPow',
  'scatterAlongAxis',
]);

const isFloat = (t: Tensor): boolean => t.dtype === 'f32' || t.dtype === 'bf16';

const isFloatSample = (sample: Sample<never>): boolean =>
  sample.inputs.some(({ dtype = 'f32' }) => dtype === 'f32');

/** Result 0, then the gradients of its product with `value` by the float inputs. */
function resultAndGradients(
  spec: OpSpec<never>,
  sample: Sample<never>,
  number: number,
  value: Value,
): Tensor[] {
  const { tensors, floats } = filled(spec, sample, number, value);
  const [y] = applyAll(spec, tensors, sample.attrs);
  if (!spec.vjp || !isFloat(y)) return [y];
  const watched = floats.map((k) => tensors[k]);
  const loss = () => sum(mul(cast(applyAll(spec, tensors, sample.attrs)[0], 'f32'), value(0)));
  return [y, ...valueAndGrad(loss, watched).grads];
}

for (const [name, spec] of opTable) {
  const samples = spec.samples().flatMap((sample, i) => (isFloatSample(sample) ? [{ sample, i }] : []));
  if (samples.length === 0) continue;
  describe(name, () => {
    for (const [what, value] of Object.entries(values)) {
      test(what, async () => {
        for (const { sample, i } of samples) {
          await scope(async () => {
            const results = resultAndGradients(spec, sample, i, value);
            const empty = [...sample.inputs, results[0]].some((x) => size(x.shape) === 0);
            for (const [k, y] of results.entries()) {
              const got = Array.from(fromTyped(await y.data(), y.dtype));
              if (what !== 'NaN' || !isFloat(y) || empty) continue;
              if ((k === 0 ? mayHide : mayHideGradient).has(name)) continue;
              const where = k === 0 ? 'result' : `gradient ${k - 1}`;
              expect(got.some(Number.isNaN), `NaN in ${where} of ${title(sample)}`).toBe(true);
            }
          });
        }
      });
    }
  });
}
