// Products large enough for the matrix unit (AMX), where the processor has one; the generated op tests are all smaller.
import { describe, expect, it } from 'vitest';
import { matmul, tensor } from '../../../src/index.js';

/** Reproducible numbers in [-1, 1). */
function numbers(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

describe('matmul of large matrices', () => {
  const [m, n, k] = [70, 90, 600];

  function product(a: Float32Array, b: Float32Array): Promise<Float32Array> {
    return matmul(tensor(a, [m, k]), tensor(b, [k, n])).data() as Promise<Float32Array>;
  }

  function largestError(got: Float32Array, a: Float32Array, b: Float32Array): number {
    let worst = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += (a[i * k + p] as number) * (b[p * n + j] as number);
        worst = Math.max(worst, Math.abs((got[i * n + j] as number) - sum));
      }
    }
    return worst;
  }

  it('has the accuracy of float32 sums', async () => {
    const a = numbers(m * k, 1);
    const b = numbers(k * n, 2);
    expect(largestError(await product(a, b), a, b)).toBeLessThan(2e-5);
  });

  it.each([1e-18, 1e-30, 1e-37])('keeps that accuracy for numbers of size %d', async (scale) => {
    const a = numbers(m * k, 3).map((x) => x * scale);
    const b = numbers(k * n, 4).map((x) => x / 64);
    expect(largestError(await product(a, b), a, b)).toBeLessThan(1e-6 * scale);
  });

  it('carries NaN and infinity to their rows and columns only', async () => {
    const a = new Float32Array(m * k).fill(1);
    const b = new Float32Array(k * n).fill(1);
    a[3 * k + 17] = Number.NaN;
    b[500 * n + 40] = Number.POSITIVE_INFINITY;
    a[60 * k + 599] = 3e38;
    const got = await product(a, b);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        const want =
          i === 3 ? Number.NaN : j === 40 ? Number.POSITIVE_INFINITY : i === 60 ? Math.fround(3e38) : k;
        expect(got[i * n + j]).toBe(want);
      }
    }
  });
});
