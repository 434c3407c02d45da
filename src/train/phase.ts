// What a training run is made of: named networks, and phases that say which of them learn from what, and how often.
// Types only; trainer.ts carries them out. The idea is StyleGAN's training loop (Karras et al. 2020), made general.

import type { AnyModule } from '../nn/module.js';
import type { Tensor } from '../tensor/tensor.js';

export type Networks = Readonly<Record<string, AnyModule>>;

/** One batch on the device. */
export interface TrainBatch {
  /** f32 [size, height, width, channels] in [-1, 1]. */
  images: Tensor;
  /** i32 [size], when the data has classes. */
  labels?: Tensor;
  /** Images in the batch. */
  size: number;
}

/** Where batches come from. The trainer disposes the tensors. */
export interface BatchSource {
  next(): Promise<TrainBatch>;
  /** The cursor, plain JSON, such that `restore(state())` continues with the batch that next() would return. */
  state(): unknown;
  restore(state: unknown): void;
}

/** Scalars. `loss` is minimised; the others are only reported, under their own names. */
export interface PhaseResult {
  loss: Tensor;
  [part: string]: Tensor;
}

export interface Phase<N extends Networks = Networks> {
  /** Short: its loss is reported as `loss<name>`, so that phases D and G give lossD and lossG. */
  name: string;
  /** The networks that learn in this phase; no gradient of any other is computed. */
  train: readonly (keyof N & string)[];
  /** Runs in every n-th step only. Default 1. */
  every?: number;
  /**
   * Runs in steps from this one, counted from 0, and until before that one only: for training in stages. Phases of
   * different stages may share a name. Default: always.
   */
  from?: number;
  until?: number;
  /** Runs n times per step, each time but the first with a fresh batch: the critic's steps of WGAN. Default 1. */
  repeat?: number;
  /** Gradients are scaled down to at most this norm, taken over all networks of the phase. Default: no limit. */
  clip?: number;
  /**
   * Whether the phase may be recorded and replayed without calling `loss` (see capture), which the trainer does once two
   * updates have made the same operations. Default true. A loss must say false if it reads something from outside that
   * changes seldom (a flag, a number that moves every thousand steps) or must be called every time. What changes from one
   * update to the next is found out, and such a phase runs eagerly by itself; random numbers, learning rates and the
   * batch are no obstacle.
   */
  capture?: boolean;
  /** The loss of a batch. Synchronous; it is called inside valueAndGrad. */
  loss(batch: TrainBatch, networks: N): PhaseResult;
  /** What follows the optimisers' step, such as clipping the weights. Synchronous ops only. */
  after?(): void;
}
