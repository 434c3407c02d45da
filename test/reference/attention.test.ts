// Attention, recurrent layers, einsum, norms and Fréchet distances against the numbers that make/attention.py wrote.

import { expect, test } from 'vitest';
import { featureStatistics, frechetDistance, mergeStatistics } from '../../src/metrics/frechet.js';
import { MultiHeadAttention, SelfAttention2d } from '../../src/nn/attention.js';
import { GRU, LSTM } from '../../src/nn/rnn.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import {
  cast,
  concat,
  cosineSimilarity,
  dot,
  einsum,
  mul,
  norm,
  normalize,
  outer,
  reshape,
  scaledDotProductAttention,
  slice,
  sum,
} from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import {
  checkDerivatives,
  type Derivatives,
  expectClose,
  fixture,
  load,
  loadAll,
  type Named,
  type Stored,
  scoped,
} from './fixtures.js';

const tolerance = 2e-5;
const shapesOf = ({ inputs }: Derivatives) =>
  Object.values(inputs)
    .map(({ shape }) => `[${shape}]`)
    .join(' ');

type AttentionCase = Derivatives & { options: { causal: boolean; scale?: number }; mask?: Stored };
for (const [i, d] of fixture<AttentionCase[]>('attention').entries()) {
  scoped(`scaledDotProductAttention #${i} ${shapesOf(d)} ${JSON.stringify(d.options)}`, async () => {
    const hidden = d.mask && cast(load(d.mask), 'u8');
    await checkDerivatives(
      ({ q, k, v, mask }) => scaledDotProductAttention(q, k, v, { ...d.options, mask: mask ?? hidden }),
      d,
      tolerance,
    );
  });
}

type MultiHeadCase = Derivatives & { size: number; heads: number; causal: boolean; state: Named };
for (const d of fixture<MultiHeadCase[]>('multi_head')) {
  scoped(`MultiHeadAttention ${shapesOf(d)} ${d.heads} heads`, async () => {
    const layer = new MultiHeadAttention(d.size, d.heads, { causal: d.causal });
    layer.loadStateDict(loadAll(d.state));
    await checkDerivatives(({ q, k }) => layer.forward(q, k), d, tolerance);
    layer.dispose();
  });
}

for (const d of fixture<(Derivatives & { pool: boolean })[]>('sagan')) {
  scoped(`SelfAttention2d ${shapesOf(d)}${d.pool ? ' pooled' : ''}`, async () => {
    const layer = new SelfAttention2d(d.inputs.x.shape[3], { pool: d.pool });
    const own = layer.stateDict();
    // The layer reads its weights from its properties: the watched inputs take their places.
    await checkDerivatives(
      ({ x, query, key, value, output, gamma }) => {
        Object.assign(layer.query, { weight: query });
        Object.assign(layer.key, { weight: key });
        Object.assign(layer.value, { weight: value });
        Object.assign(layer.output, { weight: output });
        return Object.assign(layer, { gamma }).forward(x);
      },
      d,
      tolerance,
    );
    for (const t of Object.values(own)) t.dispose();
  });
}

type RnnCase = Derivatives & {
  kind: 'GRU' | 'LSTM';
  features: number;
  hidden: number;
  layers: number;
  bias: boolean;
  state: Named;
  weightGrads: Named;
};
for (const d of fixture<RnnCase[]>('rnn')) {
  const { kind, features, hidden, layers, bias } = d;
  scoped(`${kind} ${shapesOf(d)} ${layers} layers${bias ? '' : ', no bias'}`, async () => {
    const options = { numLayers: layers, bias };
    const layer = kind === 'GRU' ? new GRU(features, hidden, options) : new LSTM(features, hidden, options);
    layer.loadStateDict(loadAll(d.state));
    const run = ({ x, h, c }: Record<string, Tensor>) => {
      if (layer instanceof GRU) {
        const [output, last] = layer.forward(x, h);
        return concat([reshape(output, [-1]), reshape(last, [-1])]);
      }
      const [output, last] = layer.forward(x, h, c);
      return concat([reshape(output, [-1]), reshape(concat(last, 2), [-1])]);
    };
    await checkDerivatives(run, d, tolerance);
    const inputs = loadAll(d.inputs);
    const gy = load(d.gy);
    const named = layer.namedParameters();
    const { grads } = valueAndGrad(
      () => sum(mul(run(inputs), gy)),
      named.map(([, t]) => t),
    );
    expect(named.map(([name]) => name).sort()).toEqual(Object.keys(d.weightGrads).sort());
    for (const [i, [name]] of named.entries()) {
      await expectClose(grads[i], d.weightGrads[name], tolerance, `gradient by ${name}`);
    }
    layer.dispose();
  });
}

for (const d of fixture<(Derivatives & { equation: string })[]>('einsum')) {
  scoped(`einsum ${d.equation} ${shapesOf(d)}`, () =>
    checkDerivatives((inputs) => einsum(d.equation, ...Object.values(inputs)), d, tolerance),
  );
}

type VectorCase = Derivatives & { op: string; p?: string; axis?: number | number[] };
for (const d of fixture<VectorCase[]>('vector')) {
  scoped(`${d.op} ${d.p ?? ''} ${shapesOf(d)} axis ${d.axis}`, () => {
    const axis = d.axis as number;
    const run: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
      norm: (x) => norm(x, Number(d.p), d.axis),
      normalize: (x) => normalize(x, { axis }),
      cosineSimilarity: (x, y) => cosineSimilarity(x, y, axis),
      dot,
      outer,
    };
    return checkDerivatives(({ x, y }) => run[d.op](x, y), d, tolerance);
  });
}

interface FrechetCase {
  a: Stored;
  b: Stored;
  distance: number;
  mean: number[];
  covariance: number[];
}
for (const { a, b, distance, mean, covariance } of fixture<FrechetCase[]>('frechet')) {
  scoped(`frechetDistance [${a.shape}] [${b.shape}]`, async () => {
    const [x, y] = [load(a), load(b)];
    const [sx, sy] = [await featureStatistics(x), await featureStatistics(y)];
    sx.mean.forEach((v, i) => {
      expect(v).toBeCloseTo(mean[i], 13);
    });
    sx.covariance.forEach((v, i) => {
      expect(v).toBeCloseTo(covariance[i], 12);
    });
    const got = await frechetDistance(sx.mean, sx.covariance, sy.mean, sy.covariance);
    expect(Math.abs(got - distance) / Math.max(1, distance)).toBeLessThan(1e-7);

    const half = a.shape[0] >> 1;
    const parts = [slice(x, [0, 0], [half, -1]), slice(x, [half, 0], [-1, -1])];
    const [first, second] = await Promise.all(parts.map(featureStatistics));
    const merged = mergeStatistics(first, second);
    expect(merged.count).toBe(sx.count);
    merged.covariance.forEach((v, i) => {
      expect(v).toBeCloseTo(sx.covariance[i], 12);
    });
    const none = await frechetDistance(sx.mean, sx.covariance, merged.mean, merged.covariance);
    expect(Math.abs(none)).toBeLessThan(1e-6 * Math.max(1, distance));
  });
}

test('the fixtures of this family hold at least seventy cases', () => {
  const names = ['attention', 'multi_head', 'sagan', 'rnn', 'einsum', 'vector', 'frechet'];
  expect(names.flatMap((name) => fixture<unknown[]>(name)).length).toBeGreaterThanOrEqual(70);
});
