// Chains of elementwise operations in a program: which operations run together, and that they give the same bits.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as ops from '../../src/tensor/ops/index.js';
import { assign } from '../../src/tensor/ops/optim.js';
import { type Captured, capture } from '../../src/tensor/program.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { bits, sameBits } from './same-bits.js';

const { abs, exp, neg, relu, sigmoid, sign, softplus, sqrt, square, tanh } = ops;
const { add, div, maximum, minimum, mul, sub } = ops;
const { randn, tensor, zeros } = ops;

describe('elementwise chains', () => {
  const unary = [neg, abs, exp, tanh, sigmoid, relu, square, sqrt, sign, softplus];
  const binary = [add, sub, mul, div, maximum, minimum];

  /** Each step combines two earlier values; the last few are returned, so chains have readers of all kinds. */
  function build(x: Tensor, y: Tensor, steps: [number, number, number][], results: number): Tensor[] {
    const values = [x, y];
    for (const [op, a, b] of steps) {
      const left = values[values.length - 1 - (a % Math.min(4, values.length))];
      const right = values[b % values.length];
      if (op < unary.length) values.push(unary[op](left));
      else if (op < unary.length + binary.length) values.push(binary[op - unary.length](left, right));
      else if (op === unary.length + binary.length) values.push(ops.mul(left, b / 7 - 1));
      else if (op === unary.length + binary.length + 1)
        values.push(ops.where(ops.greater(left, right), left, right));
      else values.push(ops.cast(ops.cast(left, 'i32'), 'f32'));
    }
    return values.slice(-results);
  }

  test('give the bits of the single operations, for any graph, size and value', async () => {
    const step = fc.tuple(fc.nat(unary.length + binary.length + 2), fc.nat(20), fc.nat(20));
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 20 }),
        fc.constantFrom(1, 2, 15, 17, 100, 4095, 4096, 4097, 33_001),
        fc.constantFrom(1, 2, 3),
        fc.nat(1000),
        async (steps, size, results, seed) => {
          await scope(async () => {
            const special = [Number.NaN, Infinity, -Infinity, -0, 0, 1e-40, 3e38];
            const values = (k: number) =>
              Float32Array.from({ length: size }, (_, i) =>
                i % 11 === k ? special[(i + seed) % special.length] : Math.sin(seed + i * (k + 1)) * 5,
              );
            const [x, y] = [tensor(values(0)), tensor(values(3))];
            const program = capture((a: Tensor, b: Tensor) => build(a, b, steps, results));
            const want = await Promise.all(build(x, y, steps, results).map(bits));
            for (let i = 0; i < 2; i++) {
              expect(await Promise.all(program.run([x, y]).map(bits))).toEqual(want);
            }
            program.dispose();
          });
        },
      ),
      { numRuns: 60 },
    );
  }, 120_000);

  const steps = (fn: (x: Tensor) => Captured, x = zeros([100])) =>
    scope(() => {
      const program = capture(fn);
      program.run([x]);
      const { operations, steps } = program.size;
      program.dispose();
      return { operations, steps };
    });

  test('become one step, a diamond too', () => {
    expect(steps((x) => x.mul(2).add(1).tanh())).toEqual({ operations: 3, steps: 1 });
    expect(
      steps((x) => {
        const y = x.square();
        return y.exp().mul(y).sum();
      }),
    ).toEqual({ operations: 4, steps: 2 });
  });

  test('end where something else reads the value', () => {
    const both = (x: Tensor) => {
      const y = x.mul(2);
      return [y.add(1), y];
    };
    expect(steps(both)).toEqual({ operations: 2, steps: 2 });
    expect(steps((x) => x.mul(2).sum(0, true).add(1))).toEqual({ operations: 3, steps: 3 });
  });

  test('do not carry a read over a write', () =>
    sameBits(
      () => {
        const w = tensor([1, 2, 3]);
        return {
          fn: (x) => {
            const before = w.mul(2);
            assign([w], [x]);
            return before.add(w);
          },
          state: () => [w],
        };
      },
      () => [randn([3])],
    ));
});
