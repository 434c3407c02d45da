// The arrays of the naive references: a shape and float64 values in row-major order, with the few helpers that let a
// reference be written straight from its definition. Slow on purpose; not a tensor library. Each family
// exports `references: References`, keyed by the name in the op table; a reference returns the op's first output.

export interface Nd {
  shape: number[];
  data: Float64Array;
}

/** A reference computes output 0 of an op. `attrs` are those of the op's spec. */
export type Reference = (inputs: Nd[], attrs: never) => Nd;
export type References = Record<string, Reference>;

export function size(shape: readonly number[]): number {
  return shape.reduce((n, d) => n * d, 1);
}

export function strides(shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    result[i] = step;
    step *= shape[i];
  }
  return result;
}

/** Zeros, or the given values. */
export function make(shape: readonly number[], values?: ArrayLike<number>): Nd {
  const data = new Float64Array(size(shape));
  if (values) {
    if (values.length !== data.length) throw new Error(`${values.length} values for shape [${shape}]`);
    data.set(values);
  }
  return { shape: [...shape], data };
}

/** Visits every index in row-major order with its flat position. The index array is reused between visits. */
export function forEachIndex(shape: readonly number[], visit: (index: number[], flat: number) => void): void {
  const n = size(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < n; flat++) {
    visit(index, flat);
    for (let d = shape.length - 1; d >= 0; d--) {
      index[d]++;
      if (index[d] < shape[d]) break;
      index[d] = 0;
    }
  }
}

/** An array whose elements are computed from their index. */
export function build(shape: readonly number[], value: (index: number[], flat: number) => number): Nd {
  const y = make(shape);
  forEachIndex(shape, (index, flat) => {
    y.data[flat] = value(index, flat);
  });
  return y;
}

/** Flat position of an index in an array of this shape, no broadcasting. */
export function offset(shape: readonly number[], index: readonly number[]): number {
  let at = 0;
  for (let d = 0; d < shape.length; d++) at = at * shape[d] + index[d];
  return at;
}

/** The element of x at an index of the broadcast result: aligned at the right, size-1 dimensions repeat. */
export function at(x: Nd, index: readonly number[]): number {
  const skip = index.length - x.shape.length;
  let flat = 0;
  for (let d = 0; d < x.shape.length; d++) {
    flat = flat * x.shape[d] + (x.shape[d] === 1 ? 0 : index[skip + d]);
  }
  return x.data[flat];
}

/** The shape of a + b under NumPy's broadcasting rule. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, d) => {
    let result = 1;
    for (const s of shapes) {
      const dim = s[d - (rank - s.length)] ?? 1;
      if (dim === 1) continue;
      if (result !== 1 && result !== dim) throw new Error(`[${shapes.join('] and [')}] do not broadcast`);
      result = dim;
    }
    return result;
  });
}

/** f applied to the elements, with broadcasting. */
export function map(inputs: readonly Nd[], f: (...values: number[]) => number): Nd {
  return build(broadcastShape(...inputs.map((x) => x.shape)), (index) =>
    f(...inputs.map((x) => at(x, index))),
  );
}
