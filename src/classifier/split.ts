// Which labelled images a classifier learns from and which it is judged by. Views of a data set; no image is copied.

import type { Dataset } from '../data/dataset.js';
import { GanvasError } from '../errors.js';

const heldOutEvery = 10;

/** The images `indices` of a data set, in that order. */
export function subset(data: Dataset, name: string, indices: Int32Array): Dataset {
  const { height, width, channels, classes, skipped } = data;
  return {
    name,
    length: indices.length,
    height,
    width,
    channels,
    classes,
    skipped,
    labels: data.labels && indices.map((index) => data.labels![index]),
    batch: (chosen, random, target) =>
      data.batch(
        chosen.map((i) => indices[i]),
        random,
        target,
      ),
  };
}

/**
 * Splits a data set with classes: every tenth image of each class is held out, the others are for training. By class,
 * because data sets whose classes take turns (the digits that come with ganvas) would else hold out a single class.
 * @throws GanvasError ERR_DATA when there are no classes, or no class has ten images
 */
export function heldOutSplit(data: Dataset): { training: Dataset; heldOut: Dataset } {
  const { labels, name } = data;
  if (labels === undefined) {
    throw new GanvasError(
      'ERR_DATA',
      `${name} has no classes: expected labelled images, such as a folder with one sub-folder per class`,
    );
  }
  const seen = new Map<number, number>();
  const [kept, held]: [number[], number[]] = [[], []];
  labels.forEach((label, index) => {
    const count = (seen.get(label) ?? 0) + 1;
    seen.set(label, count);
    (count % heldOutEvery === 0 ? held : kept).push(index);
  });
  if (held.length === 0) {
    throw new GanvasError(
      'ERR_DATA',
      `${name}: expected a class of at least ${heldOutEvery} images, every tenth to be held out; the largest has ` +
        `${Math.max(0, ...seen.values())}`,
    );
  }
  return {
    training: subset(data, name, Int32Array.from(kept)),
    heldOut: subset(data, `${name} (held out)`, Int32Array.from(held)),
  };
}

/** How many classes the labels speak of: as many as are named, else up to the greatest label. */
export function classNames({ labels, classes }: Dataset): readonly string[] {
  if (classes !== undefined) return classes;
  const most = Array.from(labels ?? []).reduce((greatest, label) => Math.max(greatest, label), 0);
  return Array.from({ length: most + 1 }, (_, i) => String(i));
}
