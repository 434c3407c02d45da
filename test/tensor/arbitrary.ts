// What the property tests draw: sizes, and operands that reach an op in different ways. Every tensor is dense, so "not
// contiguous" means that the values come out of a transpose, a slice, a stride or a flip just before. What a slice must
// not read is NaN. fast-check shrinks the shapes; the values follow from a seed.

import * as fc from 'fast-check';
import { upload } from '../../src/tensor/define.js';
import { flip, slice, transpose } from '../../src/tensor/ops/index.js';
import type { DType, Tensor } from '../../src/tensor/tensor.js';
import { build, make, type Nd, offset, size } from '../reference/nd.js';
import { fromTyped, randomFrom, rounded, toTyped } from './numeric.js';

const layouts = ['dense', 'transposed', 'sliced', 'strided', 'flipped'] as const;
type Layout = (typeof layouts)[number];

export interface OperandOptions {
  dtype?: DType;
  /** Floats are drawn from [lo, hi), whole numbers from lo to hi; default -2 to 2, for u8 0 to 2. */
  lo?: number;
  hi?: number;
  /** How often (0 to 1) a value is one of a few: for ties. Default 0. */
  ties?: number;
}

/** An input of an op: the values for the reference, and the tensor. */
export class Operand {
  constructor(
    readonly nd: Nd,
    readonly dtype: DType,
    readonly layout: Layout,
  ) {}

  tensor(): Tensor {
    const { shape } = this.nd;
    const n = shape.length;
    if (n === 0 || size(shape) === 0) return store(this.nd, this.dtype);
    switch (this.layout) {
      case 'dense':
        return store(this.nd, this.dtype);
      case 'transposed': {
        const perm = shape.map((_, i) => n - 1 - i);
        const stored = build([...shape].reverse(), (index) => at(this.nd, [...index].reverse()));
        return transpose(store(stored, this.dtype), perm);
      }
      case 'sliced': {
        const stored = build(
          shape.map((d) => d + 2),
          (index) => inside(this.nd, index, (i) => i - 1),
        );
        return slice(
          store(stored, this.dtype),
          shape.map(() => 1),
          shape,
        );
      }
      case 'strided': {
        const stored = build(
          shape.map((d) => 2 * d),
          (index) => inside(this.nd, index, (i) => (i % 2 === 1 ? (i - 1) / 2 : -1)),
        );
        return slice(
          store(stored, this.dtype),
          shape.map(() => 1),
          shape,
          shape.map(() => 2),
        );
      }
      case 'flipped': {
        const last = shape[n - 1] - 1;
        const stored = build(shape, (index) => at(this.nd, [...index.slice(0, -1), last - index[n - 1]]));
        return flip(store(stored, this.dtype), -1);
      }
    }
  }

  /** How fast-check prints it in a counterexample. */
  [fc.toStringMethod](): string {
    return `${this.layout} ${this.dtype} [${this.nd.shape}]`;
  }
}

const store = (x: Nd, dtype: DType): Tensor => upload(toTyped(x.data, dtype), x.shape, dtype);
const at = (x: Nd, index: readonly number[]): number => x.data[offset(x.shape, index)];

/** The element of x that each coordinate maps to, NaN outside of it. */
function inside(x: Nd, index: readonly number[], map: (i: number) => number): number {
  const source = index.map(map);
  return source.every((i, d) => i >= 0 && i < x.shape[d]) ? at(x, source) : Number.NaN;
}

/** An operand of the given shape. */
export function operand(
  shape: readonly number[],
  { dtype = 'f32', lo = dtype === 'u8' ? 0 : -2, hi = 2, ties = 0 }: OperandOptions = {},
): fc.Arbitrary<Operand> {
  const isFloat = dtype === 'f32' || dtype === 'bf16';
  return fc
    .record({ seed: fc.noShrink(fc.nat()), layout: fc.constantFrom(...layouts) })
    .map(({ seed, layout }) => {
      const random = randomFrom(String(seed));
      const values = Array.from({ length: size(shape) }, () => {
        const tie = random() < ties;
        const v = lo + random() * (isFloat ? hi - lo : hi - lo + 1);
        return rounded(isFloat && !tie ? v : Math.floor(v), dtype);
      });
      return new Operand(make(shape, fromTyped(toTyped(values, dtype), dtype)), dtype, layout);
    });
}

/** Several operands, one for each shape. */
export function operands(
  shapes: readonly (readonly number[])[],
  options?: OperandOptions,
): fc.Arbitrary<Operand[]> {
  return fc.tuple(...shapes.map((shape) => operand(shape, options)));
}

/** A size from min (default 1) to max. */
export const sizeUpTo = (max: number, min = 1): fc.Arbitrary<number> => fc.integer({ min, max });

/** A shape of the given ranks with dimensions up to max, one in eight of them 0. */
export function shapeOf(ranks: { min: number; max: number }, max: number): fc.Arbitrary<number[]> {
  const dimension = fc.oneof(
    { weight: 7, arbitrary: sizeUpTo(max) },
    { weight: 1, arbitrary: fc.constant(0) },
  );
  return fc.array(dimension, { minLength: ranks.min, maxLength: ranks.max });
}

/** A shape of at least one dimension and one of its axes. */
export function shapeAndAxis(maxRank: number, max: number): fc.Arbitrary<{ shape: number[]; axis: number }> {
  return shapeOf({ min: 1, max: maxRank }, max).chain((shape) =>
    fc.record({ shape: fc.constant(shape), axis: fc.nat(shape.length - 1) }),
  );
}
