// Classes for conditional generators: by name or number, one per image or mixed.

import { didYouMean } from '../config/closest.js';
import { GanvasError } from '../errors.js';

/** What a generator knows of classes. */
export interface ClassKnowledge {
  /** How many classes it makes images of; undefined if it knows none. */
  readonly classes?: number;
  /** Their names in order, if the run has them. */
  readonly classNames?: readonly string[];
}

/**
 * Classes of images: i32, one number per image, or f32, `classes` weights per image, which mix what the
 * generator has learned for each class, one image after the other.
 */
export type Labels = Int32Array | Float32Array;

/** Labels 0, 1, 2, ... in turn: images of every class. */
export function everyClass(count: number, classes: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i % classes);
}

const listed = 12;

/**
 * The number of a class that is given by name or number; a name goes first.
 * @throws GanvasError ERR_CONFIG, with the nearest name, when there is no such class, or none at all
 */
export function classNumber({ classes, classNames = [] }: ClassKnowledge, text: string): number {
  if (classes === undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      `this generator was trained without classes, so it cannot be asked for "${text}"`,
    );
  }
  const named = classNames.indexOf(text);
  if (named >= 0) return named;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : classes;
  if (number < classes) return number;
  const known = classNames.slice(0, listed).join(', ') + (classNames.length > listed ? ', ...' : '');
  const hint = didYouMean(text, classNames) || (known && `; known: ${known}`);
  throw new GanvasError(
    'ERR_CONFIG',
    `unknown class "${text}"${hint || `; expected a number from 0 to ${classes - 1}`}`,
  );
}

/**
 * Weights that are all on one class, for each label: the waypoints of a path between classes (see
 * interpolationPath).
 */
export function oneHotLabels(labels: readonly number[], classes: number): Float32Array[] {
  return labels.map((label) => {
    const weights = new Float32Array(classes);
    weights[label] = 1;
    return weights;
  });
}
