// Learning-rate schedules: functions from the step (from 0) to a factor of the base learning rate. Having no state, they
// need no saving: a resumed run asks for the step it is at.

import { GanvasError } from '../errors.js';

/** The factor of the base learning rate at a step, counted from 0. */
export type Schedule = (step: number) => number;

function positive(value: number, what: string): number {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new GanvasError('ERR_ARGUMENT', `${what} must be a finite number above 0, got ${value}`);
  }
  return value;
}

/** Always 1. */
export function constant(): Schedule {
  return () => 1;
}

/** 1 until `start`, then straight down (or up) to `to`, reached at step `end` and held. Default: from the first step to 0. */
export function linear({ start = 0, end, to = 0 }: { start?: number; end: number; to?: number }): Schedule {
  const length = positive(end - start, 'linear: end - start');
  return (step) => 1 + (to - 1) * Math.min(1, Math.max(0, (step - start) / length));
}

/** to + (1 - to) (1 + cos(π step / end)) / 2, then `to` (Loshchilov and Hutter 2017, eq. 5, without restarts). */
export function cosine({ end, to = 0 }: { end: number; to?: number }): Schedule {
  positive(end, 'cosine: end');
  return (step) => to + ((1 - to) * (1 + Math.cos(Math.PI * Math.min(1, step / end)))) / 2;
}

/** gamma^⌊step / every⌋. */
export function step({ every, gamma = 0.1 }: { every: number; gamma?: number }): Schedule {
  positive(every, 'step: every');
  return (at) => gamma ** Math.floor(at / every);
}

/** gamma^step. */
export function exponential({ gamma }: { gamma: number }): Schedule {
  positive(gamma, 'exponential: gamma');
  return (at) => gamma ** at;
}
