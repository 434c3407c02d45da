// What a program needs to know beside native calls while it is recorded: attributes that JavaScript gives anew for each
// run, and actions that belong to each run. Outside a recording both just happen. Kept apart so that ops need not load
// program.ts, which records.

import type { DeviceName } from '../native.js';

/** Attributes that may change from run to run of a program: a learning rate, the place where a random draw begins. */
export interface Live {
  /** How many numbers `values` gives, always. */
  readonly width: number;
  /** The numbers for this run. Called once per run, in the order of recording; must not call ops. */
  values(): readonly number[];
  /** Called before values() changes any state: returns what puts it back, for a recording that fails. */
  save?(): () => void;
}

/** An attribute of a native op. */
export type Attribute = number | Live;

/** One number that is asked for anew in each run. */
export function live(value: () => number): Live {
  return { width: 1, values: () => [value()] };
}

/** @internal What a program being recorded collects; see program.ts. */
export interface HostRecording {
  /** Everything to do in JavaScript for a run, in order. */
  readonly actions: (Live | (() => void))[];
  /** The live values of the run during which it is recorded. */
  readonly values: number[];
  /** Puts back what the actions and values changed, last first, if the recording fails. */
  readonly undo: (() => void)[];
}

/** @internal The recording in progress, and the device that new tensors go to. */
export const host: { recording: HostRecording | undefined; device: DeviceName } = {
  recording: undefined,
  device: 'cpu',
};

/**
 * Does something now and, if a program is being recorded, again at this place of each of its later runs.
 * @param undo takes it back, should the recording fail
 */
export function eachRun(action: () => void, undo: () => void): void {
  host.recording?.actions.push(action);
  host.recording?.undo.push(undo);
  action();
}
