// The Tensor class: a handle on a storage that the native engine owns. It knows its shape and dtype at once and its
// data only through an asynchronous read. Arithmetic is not defined here: each file in ops/ attaches its functions as
// methods with `methods()`, and autograd.ts attaches the graph.

import { GanvasError } from '../errors.js';
import { addon, callNative, type DeviceName, type DType, devices, dtypes } from '../native.js';
import type { Node } from './graph.js';
import { host } from './live.js';
import { currentScope, type Scope } from './scope.js';

export type { DType } from '../native.js';
export type TypedArray = Float32Array | Int32Array | Uint8Array | Uint16Array;
export type Shape = readonly number[];

// A collected tensor gives its slot back. Explicit disposal (scopes, autograd, `dispose`) is the rule; collection
// never happens inside synchronous code, so it cannot be relied upon in a loop.
const backstop = new FinalizationRegistry<number>((slot) => addon().free(slot));

/** A dense, row-major array of numbers on a device. Create one with `tensor`, `zeros`, `randn`, … */
export class Tensor {
  /** @internal Number of the storage in the native slot table; -1 once disposed. */
  slot: number;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The device that holds the data. */
  readonly device: DeviceName;
  /** @internal How this tensor was computed, while a gradient is being recorded. */
  node: Node | undefined = undefined;
  /** @internal The scope that disposes it, unless it is kept. */
  scope: Scope | undefined;

  /** @internal Tensors are made by ops. */
  constructor(slot: number, shape: Shape, dtype: DType, device: DeviceName = host.device) {
    this.slot = slot;
    this.shape = shape;
    this.dtype = dtype;
    this.device = device;
    backstop.register(this, slot, this);
    this.scope = currentScope();
    this.scope?.add(this);
  }

  /** Number of dimensions. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((n, d) => n * d, 1);
  }

  get disposed(): boolean {
    return this.slot < 0;
  }

  /**
   * Reads the values, in row-major order: Float32Array for f32, Int32Array for i32, Uint8Array for u8, Uint16Array
   * (raw bits) for bf16. Waits for the computations enqueued so far without blocking the event loop. Rejects with the
   * error of the command that failed, if one did.
   */
  async data(): Promise<TypedArray> {
    const buffer = await callNative(() => addon().read(this.live().slot));
    switch (this.dtype) {
      case 'f32':
        return new Float32Array(buffer);
      case 'i32':
        return new Int32Array(buffer);
      case 'u8':
        return new Uint8Array(buffer);
      case 'bf16':
        return new Uint16Array(buffer);
    }
  }

  /** Reads the only value of a one-element tensor. Throws ERR_SHAPE for any other size. */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new GanvasError('ERR_SHAPE', `item: expected a tensor of one element, got shape [${this.shape}]`);
    }
    return (await this.#numbers())[0];
  }

  /** Reads the values as nested arrays of the tensor's shape (a number for a scalar). */
  async array(): Promise<NestedArray> {
    return nest(await this.#numbers(), this.shape);
  }

  /** data(), with bf16 as the numbers that the bits stand for. */
  async #numbers(): Promise<ArrayLike<number>> {
    const values = await this.data();
    if (this.dtype !== 'bf16') return values;
    return new Float32Array(Uint32Array.from(values, (bits) => bits << 16).buffer);
  }

  /**
   * A copy on a device, or this tensor if it is there already. A constant to gradients.
   * @throws GanvasError ERR_DEVICE for an unknown name, and unless the device has been selected before (device())
   */
  to(device: DeviceName): Tensor {
    if (!devices.includes(device)) {
      throw new GanvasError(
        'ERR_DEVICE',
        `to: the device must be one of ${devices.join(', ')}, got ${String(device)}`,
      );
    }
    if (device === this.device) return this;
    const slot = callNative(() => addon().copyTo(this.live().slot, devices.indexOf(device)));
    return new Tensor(slot, this.shape, this.dtype, device);
  }

  /** Gives the memory back (as soon as the commands already enqueued have used it). Harmless when repeated. */
  dispose(): void {
    if (this.slot < 0) return;
    addon().free(this.slot);
    backstop.unregister(this);
    this.slot = -1;
    this.node = undefined;
    this.scope?.delete(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal This tensor, or ERR_DISPOSED. */
  live(): this {
    if (this.slot < 0) {
      throw new GanvasError(
        'ERR_DISPOSED',
        `a tensor of shape [${this.shape}] was used after it had been disposed; return it from the scope or ` +
          'valueAndGrad() that made it, or keep() it',
      );
    }
    return this;
  }

  toString(): string {
    return `Tensor(${this.dtype} [${this.shape}]${this.disposed ? ', disposed' : ''})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

export type NestedArray = number | NestedArray[];

function nest(data: ArrayLike<number>, shape: Shape): NestedArray {
  if (shape.length === 0) return data[0];
  const build = (depth: number, offset: number, stride: number): NestedArray[] => {
    const inner = shape[depth] === 0 ? 0 : stride / shape[depth];
    return Array.from({ length: shape[depth] }, (_, i) =>
      depth === shape.length - 1 ? data[offset + i] : build(depth + 1, offset + i * inner, inner),
    );
  };
  return build(
    0,
    0,
    shape.reduce((n, d) => n * d, 1),
  );
}

type Op = (x: Tensor, ...rest: never[]) => unknown;

/** The methods that a table of functions gives to Tensor: the first argument becomes `this`. */
export type MethodsOf<T> = {
  [K in keyof T]: T[K] extends (x: Tensor, ...rest: infer R) => infer O ? (...rest: R) => O : never;
};

/**
 * Attaches functions that take a tensor first as methods of Tensor. The caller also declares them:
 * `declare module '../tensor.js' { interface Tensor extends MethodsOf<typeof table> {} }`.
 */
export function methods(table: Record<string, Op>): void {
  for (const [name, op] of Object.entries(table)) {
    Object.defineProperty(Tensor.prototype, name, {
      value(this: Tensor, ...rest: never[]) {
        return op(this, ...rest);
      },
      configurable: true,
      writable: true,
    });
  }
}

/** Throws ERR_ARGUMENT unless `x` is a tensor; `what` names the argument in the message. */
export function assertTensor(x: unknown, what: string): asserts x is Tensor {
  if (!(x instanceof Tensor)) {
    const got = Array.isArray(x) ? 'an array' : x === null ? 'null' : typeof x;
    throw new GanvasError(
      'ERR_ARGUMENT',
      `${what} must be a Tensor, got ${got}; make one with tensor(values, shape)`,
    );
  }
}

/** Throws ERR_DTYPE unless `dtype` is one of the names of `DType`. */
export function assertDType(dtype: unknown, what: string): asserts dtype is DType {
  if (!dtypes.includes(dtype as DType)) {
    throw new GanvasError(
      'ERR_DTYPE',
      `${what}: dtype must be one of ${dtypes.join(', ')}, got ${String(dtype)}`,
    );
  }
}
