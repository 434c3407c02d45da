// tensor(): values from JavaScript to the device. The other ways to make a tensor are in ops/create.ts and random.ts.

import { GanvasError } from '../errors.js';
import { upload } from './define.js';
import {
  assertDType,
  type DType,
  type NestedArray,
  type Shape,
  type Tensor,
  type TypedArray,
} from './tensor.js';

/** What tensor() takes: a number, (nested) arrays of numbers, or a typed array. */
export type Values = number | NestedArray | TypedArray | Float64Array | Uint8ClampedArray;

const containers = { f32: Float32Array, i32: Int32Array, u8: Uint8Array, bf16: Uint16Array } as const;

function naturalType(values: unknown): DType {
  if (values instanceof Int32Array) return 'i32';
  if (values instanceof Uint16Array) return 'bf16';
  return values instanceof Uint8Array || values instanceof Uint8ClampedArray ? 'u8' : 'f32';
}

/** Shape of nested arrays by their first elements, and their numbers; ERR_SHAPE where rows differ in length. */
function flattenNested(values: NestedArray): { shape: number[]; flat: number[] } {
  const shape: number[] = [];
  for (let level = values; Array.isArray(level); level = level[0]) shape.push(level.length);
  const flat: number[] = [];
  const visit = (value: NestedArray, depth: number): void => {
    if (depth === shape.length) {
      if (typeof value !== 'number') {
        throw new GanvasError(
          'ERR_ARGUMENT',
          `tensor: expected numbers, got ${Array.isArray(value) ? 'an array' : typeof value}`,
        );
      }
      flat.push(value);
      return;
    }
    if (!Array.isArray(value) || value.length !== shape[depth]) {
      const got = Array.isArray(value) ? `one of ${value.length}` : 'a number';
      throw new GanvasError(
        'ERR_SHAPE',
        `tensor: the nested arrays are ragged: expected rows of ${shape[depth]} at depth ${depth}, got ${got}`,
      );
    }
    for (const item of value) visit(item, depth + 1);
  };
  visit(values, 0);
  return { shape, flat };
}

/**
 * A tensor of the given values, copied at once.
 *
 *     tensor([[1, 2], [3, 4]])                          // f32 [2, 2]
 *     tensor(new Uint8Array(784), [28, 28])             // u8
 *     tensor([1, 0, 2], [3], 'i32')
 *
 * @param values a number, nested arrays, or a typed array in row-major order
 * @param shape default: the shape of the nested arrays, or one dimension
 * @param dtype default: i32 for Int32Array, u8 for Uint8Array, bf16 for Uint16Array (raw bits, as data() gives
 *   them), otherwise f32. Values are converted as assignment to
 *   the typed array does: integers wrap, fractions are cut.
 * @throws GanvasError ERR_SHAPE when the shape does not hold that many values, ERR_ARGUMENT for anything but numbers
 */
export function tensor(values: Values, shape?: Shape, dtype: DType = naturalType(values)): Tensor {
  assertDType(dtype, 'tensor');
  if (dtype === 'bf16' && !(values instanceof Uint16Array)) {
    throw new GanvasError('ERR_DTYPE', "tensor: make an f32 tensor and cast it: tensor(values).cast('bf16')");
  }
  const own = ArrayBuffer.isView(values)
    ? { shape: [values.length], flat: values }
    : flattenNested(values as NestedArray);
  const dims = shape ?? own.shape;
  if (!Array.isArray(dims) || !dims.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new GanvasError(
      'ERR_SHAPE',
      `tensor: a shape is a list of whole numbers, got ${JSON.stringify(dims)}`,
    );
  }
  const size = dims.reduce((n, d) => n * d, 1);
  if (size !== own.flat.length) {
    throw new GanvasError(
      'ERR_SHAPE',
      `tensor: shape [${dims}] holds ${size} values, got ${own.flat.length}`,
    );
  }
  const container = containers[dtype];
  return upload(own.flat instanceof container ? own.flat : container.from(own.flat), dims, dtype);
}
