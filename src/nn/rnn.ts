// Recurrent layers: GRU and LSTM as single steps (cells) and over sequences [N, L, features], with the formulas, gate
// order and first values of torch.nn. Batch first, one direction; the recurrence itself is tensor/ops/rnn.ts.

import { GanvasError } from '../errors.js';
import { biasAct, matmul, reshape, slice, stack, zeros } from '../tensor/ops/index.js';
import { gruSequence, lstmSequence } from '../tensor/ops/rnn.js';
import type { Generator } from '../tensor/random-state.js';
import type { Shape, Tensor } from '../tensor/tensor.js';
import { Dropout } from './dropout.js';
import { type Initializer, symmetricUniform } from './init.js';
import { assertCount, Module, parameter } from './module.js';

export interface RnnCellOptions {
  /** Whether the gates have biases. Default true. */
  bias?: boolean;
  /** Of the weights and biases. Default: PyTorch's, U(-1/√hiddenSize, 1/√hiddenSize). */
  init?: Initializer;
  /** What the initialiser draws from. Default: the generator that manualSeed seeds. */
  generator?: Generator;
}

export interface RnnOptions extends RnnCellOptions {
  /** Layers on top of one another. Default 1. */
  numLayers?: number;
  /** Probability of dropping an element of a layer's output before the next layer, in training. Default 0. */
  dropout?: number;
}

function assertShape(layer: string, what: string, x: Tensor, shape: Shape, names: string): void {
  if (x.rank === shape.length && shape.every((n, i) => n < 0 || n === x.shape[i])) return;
  throw new GanvasError('ERR_SHAPE', `${layer}: expected ${what} of shape ${names}, got [${x.shape}]`);
}

/** The weights of one recurrent layer with `gates` gates, named as in torch.nn.GRUCell. */
abstract class RecurrentCell<Out> extends Module<Out> {
  /** Of the inputs, [gates · hiddenSize, inputSize]. */
  readonly weightIh: Tensor;
  /** Of the state, [gates · hiddenSize, hiddenSize]. */
  readonly weightHh: Tensor;
  /** [gates · hiddenSize], as biasHh. */
  readonly biasIh: Tensor | undefined;
  readonly biasHh: Tensor | undefined;

  constructor(
    gates: number,
    readonly inputSize: number,
    readonly hiddenSize: number,
    { bias = true, init, generator }: RnnCellOptions,
  ) {
    super();
    const layer = this.constructor.name;
    assertCount(inputSize, `${layer}: inputSize`);
    assertCount(hiddenSize, `${layer}: hiddenSize`);
    const draw = init ?? symmetricUniform(1 / Math.sqrt(hiddenSize));
    this.weightIh = parameter(draw([gates * hiddenSize, inputSize], generator));
    this.weightHh = parameter(draw([gates * hiddenSize, hiddenSize], generator));
    this.biasIh = bias ? parameter(draw([gates * hiddenSize], generator)) : undefined;
    this.biasHh = bias ? parameter(draw([gates * hiddenSize], generator)) : undefined;
  }

  /** @internal The inputs' share of the gates, for a step or a sequence; a cell's x is a sequence of one step. */
  protected gatesOf(x: Tensor, bias: Tensor | undefined): Tensor {
    const product = matmul(x, this.weightIh, { transB: true });
    return bias ? biasAct(product, bias) : product;
  }

  /** @internal The state given, or zeros, of the shape [N, hiddenSize]. */
  state(layer: string, what: string, batch: number, given?: Tensor): Tensor {
    if (!given) return zeros([batch, this.hiddenSize]);
    assertShape(layer, what, given, [batch, this.hiddenSize], `[${batch}, ${this.hiddenSize}]`);
    return given;
  }

  /** Throws ERR_SHAPE unless x is [N, inputSize]; returns it as a sequence of one step. */
  protected step(x: Tensor): Tensor {
    assertShape(this.constructor.name, 'x', x, [-1, this.inputSize], `[N, ${this.inputSize}]`);
    return reshape(x, [x.shape[0], 1, this.inputSize]);
  }
}

/**
 * One step of a gated recurrent unit (Cho et al. 2014; as torch.nn.GRUCell): x [N, inputSize], h [N, hiddenSize]
 * (default zeros) → the next h.
 *
 *     r = σ(W_ir x + b_ir + W_hr h + b_hr)      z = σ(W_iz x + b_iz + W_hz h + b_hz)
 *     n = tanh(W_in x + b_in + r · (W_hn h + b_hn))      h' = (1 - z) · n + z · h
 */
export class GRUCell extends RecurrentCell<Tensor> {
  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers */
  constructor(inputSize: number, hiddenSize: number, options: RnnCellOptions = {}) {
    super(3, inputSize, hiddenSize, options);
  }

  /** @throws GanvasError ERR_SHAPE where x or h does not fit */
  forward(x: Tensor, h?: Tensor): Tensor {
    const states = this.sequence(this.step(x), this.state('GRUCell', 'h', x.shape[0], h));
    return reshape(states, [x.shape[0], this.hiddenSize]);
  }

  /** @internal The states of a sequence [N, L, inputSize]. */
  sequence(x: Tensor, h: Tensor): Tensor {
    const bias = this.biasHh ?? zeros([3 * this.hiddenSize]);
    return gruSequence(this.gatesOf(x, this.biasIh), h, this.weightHh, bias);
  }
}

/**
 * One step of long short-term memory (Hochreiter and Schmidhuber 1997; as torch.nn.LSTMCell): x [N, inputSize], h and
 * c [N, hiddenSize] (default zeros) → the next [h, c].
 *
 *     i, f, o = σ(W_i x + b_i + W_h h + b_h)      g = tanh(W_ig x + b_ig + W_hg h + b_hg)      gates in order i, f, g, o
 *     c' = f · c + i · g      h' = o · tanh(c')
 */
export class LSTMCell extends RecurrentCell<[h: Tensor, c: Tensor]> {
  /** @throws GanvasError ERR_ARGUMENT unless both sizes are positive integers */
  constructor(inputSize: number, hiddenSize: number, options: RnnCellOptions = {}) {
    super(4, inputSize, hiddenSize, options);
  }

  /** @throws GanvasError ERR_SHAPE where x, h or c does not fit */
  forward(x: Tensor, h?: Tensor, c?: Tensor): [h: Tensor, c: Tensor] {
    const batch = x.shape[0];
    const states = this.sequence(
      this.step(x),
      this.state('LSTMCell', 'h', batch, h),
      this.state('LSTMCell', 'c', batch, c),
    );
    const last = reshape(states, [batch, 2 * this.hiddenSize]);
    return [slice(last, [0, 0], [-1, this.hiddenSize]), slice(last, [0, this.hiddenSize], [-1, -1])];
  }

  /** @internal The states (h, then c) of a sequence [N, L, inputSize]. */
  sequence(x: Tensor, h: Tensor, c: Tensor): Tensor {
    const { biasIh, biasHh } = this;
    return lstmSequence(this.gatesOf(x, biasIh && biasHh && biasIh.add(biasHh)), h, c, this.weightHh);
  }
}

/** What GRU and LSTM have in common: cells on top of one another with dropout between them. */
abstract class Recurrent<Cell extends GRUCell | LSTMCell, Out> extends Module<Out> {
  /** One per layer; layer 0 takes the inputs. `cells.0.weightIh` is torch's `weight_ih_l0`. */
  readonly cells: Cell[];
  readonly dropout: Dropout | undefined;

  constructor(
    cell: (inputSize: number, hiddenSize: number, options: RnnCellOptions) => Cell,
    readonly inputSize: number,
    readonly hiddenSize: number,
    { numLayers = 1, dropout = 0, ...options }: RnnOptions,
  ) {
    super();
    assertCount(numLayers, `${this.constructor.name}: numLayers`);
    this.cells = Array.from({ length: numLayers }, (_, layer) =>
      cell(layer === 0 ? inputSize : hiddenSize, hiddenSize, options),
    );
    this.dropout = dropout === 0 ? undefined : new Dropout(dropout);
  }

  /** x [N, L, inputSize] through the layers; `run` does one. Returns the last layer's output. */
  protected layers(x: Tensor, run: (cell: Cell, x: Tensor, layer: number) => Tensor): Tensor {
    const names = `[N, L, ${this.inputSize}] with L ≥ 1`;
    assertShape(this.constructor.name, 'x', x, [-1, -1, this.inputSize], names);
    if (x.shape[1] === 0) assertShape(this.constructor.name, 'x', x, [], names);
    return this.cells.reduce((input, cell, layer) => {
      const dropped = layer > 0 && this.dropout ? this.dropout.forward(input) : input;
      return run(cell, dropped, layer);
    }, x);
  }

  /** The first state of a layer: row `layer` of the state given [numLayers, N, hiddenSize], or zeros. */
  protected first(cell: Cell, batch: number, layer: number, what: string, given?: Tensor): Tensor {
    const shape = [this.cells.length, batch, this.hiddenSize];
    if (!given) return cell.state(this.constructor.name, what, batch);
    assertShape(this.constructor.name, what, given, shape, `[${shape.join(', ')}]`);
    return reshape(slice(given, [layer, 0, 0], [1, -1, -1]), shape.slice(1));
  }
}

/** The last step of [N, L, ...], `size` elements of each row from `begin` on: [N, size]. */
const lastStep = (x: Tensor, begin: number, size: number): Tensor =>
  reshape(slice(x, [0, x.shape[1] - 1, begin], [-1, 1, size]), [x.shape[0], size]);

/**
 * Gated recurrent units over a sequence (as torch.nn.GRU with batch_first): x [N, L, inputSize] → [output, h], output
 * [N, L, hiddenSize] of the last layer at every step, h [numLayers, N, hiddenSize] of every layer after the last step.
 * Formula: see GRUCell.
 */
export class GRU extends Recurrent<GRUCell, [output: Tensor, h: Tensor]> {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or a dropout outside [0, 1] */
  constructor(inputSize: number, hiddenSize: number, options: RnnOptions = {}) {
    super((...args) => new GRUCell(...args), inputSize, hiddenSize, options);
  }

  /**
   * @param h the first states, [numLayers, N, hiddenSize]; default zeros
   * @throws GanvasError ERR_SHAPE where x or h does not fit, or the sequence is empty
   */
  forward(x: Tensor, h?: Tensor): [output: Tensor, h: Tensor] {
    const last: Tensor[] = [];
    const output = this.layers(x, (cell, input, layer) => {
      const y = cell.sequence(input, this.first(cell, x.shape[0], layer, 'h', h));
      last.push(lastStep(y, 0, this.hiddenSize));
      return y;
    });
    return [output, stack(last)];
  }
}

/**
 * Long short-term memory over a sequence (as torch.nn.LSTM with batch_first): x [N, L, inputSize] → [output, [h, c]],
 * output [N, L, hiddenSize] of the last layer at every step, h and c [numLayers, N, hiddenSize] of every layer after
 * the last step. Formula: see LSTMCell.
 */
export class LSTM extends Recurrent<LSTMCell, [output: Tensor, [h: Tensor, c: Tensor]]> {
  /** @throws GanvasError ERR_ARGUMENT for sizes that are no positive integers or a dropout outside [0, 1] */
  constructor(inputSize: number, hiddenSize: number, options: RnnOptions = {}) {
    super((...args) => new LSTMCell(...args), inputSize, hiddenSize, options);
  }

  /**
   * @param h the first states, [numLayers, N, hiddenSize]; default zeros
   * @param c the first cell states, of the same shape; default zeros
   * @throws GanvasError ERR_SHAPE where x, h or c does not fit, or the sequence is empty
   */
  forward(x: Tensor, h?: Tensor, c?: Tensor): [output: Tensor, [h: Tensor, c: Tensor]] {
    const size = this.hiddenSize;
    const [hs, cs]: [Tensor[], Tensor[]] = [[], []];
    const output = this.layers(x, (cell, input, layer) => {
      const hFirst = this.first(cell, x.shape[0], layer, 'h', h);
      const states = cell.sequence(input, hFirst, this.first(cell, x.shape[0], layer, 'c', c));
      hs.push(lastStep(states, 0, size));
      cs.push(lastStep(states, size, size));
      return slice(states, [0, 0, 0], [-1, -1, size]);
    });
    return [output, [stack(hs), stack(cs)]];
  }
}
