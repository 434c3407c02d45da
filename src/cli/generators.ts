// What the commands on a trained generator share: lists of seeds, classes by name, a generator that is freed
// in the end, and pixels as a batch to write.

import { extname } from 'node:path';
import { GanvasError } from '../errors.js';
import type { ImageBatch } from '../io/images.js';
import { classNumber } from '../latents/labels.js';
import type { Generator } from '../train/generator.js';
import type { CommandContext } from './io.js';

/** The most images that a command makes. */
export const mostImages = 10_000;

/** Throws ERR_ARGUMENT unless `path` ends in one of `extensions`. */
export function checkExtension(path: string, extensions: readonly string[]): string {
  const extension = extname(path).toLowerCase();
  if (extensions.includes(extension)) return extension;
  throw new GanvasError('ERR_ARGUMENT', `--out must end in ${extensions.join(' or ')}, got "${path}"`);
}

/**
 * Seeds as `1,5,9`, with ranges as `1..5`, both ends included.
 * @throws GanvasError ERR_CONFIG naming the flag, for anything else or for more than `most`
 */
export function parseSeeds(flag: string, text: string, most = mostImages): number[] {
  const refuse = (problem: string) => new GanvasError('ERR_CONFIG', `--${flag} ${problem}, got "${text}"`);
  const seeds: number[] = [];
  for (const item of text.split(',')) {
    const match = /^\s*(\d{1,15})(?:\.\.(\d{1,15}))?\s*$/.exec(item);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (!(from <= to)) throw refuse('must be whole numbers such as 1,5,9 or 1..5');
    if (seeds.length + to - from >= most) throw refuse(`must be at most ${most} numbers`);
    for (let seed = from; seed <= to; seed++) seeds.push(seed);
  }
  return seeds;
}

/** Parts of equal length of an array of `count`. */
export function parts(values: Float32Array, count: number): Float32Array[] {
  const size = values.length / count;
  return Array.from({ length: count }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

/**
 * The label that `count` images share, undefined for a generator without classes.
 * @param text name or number of the class; default: class 0
 * @throws GanvasError ERR_CONFIG for an unknown class
 */
export function sameLabel(generator: Generator, count: number, text?: string): Int32Array | undefined {
  if (generator.classes === undefined && text === undefined) return undefined;
  return new Int32Array(count).fill(text === undefined ? 0 : classNumber(generator, text));
}

/** Images as a batch to write. */
export function batchOf({ height, width, channels }: Generator, data: Uint8Array): ImageBatch {
  return { data, count: data.length / (height * width * channels), height, width, channels };
}

/** Loads the generator of a run, and frees it whatever `use` does. */
export async function withGenerator<T>(
  run: string,
  device: string,
  context: CommandContext,
  use: (generator: Generator) => Promise<T>,
): Promise<T> {
  const generator = await context.loadGenerator(run, { device });
  try {
    return await use(generator);
  } finally {
    generator.dispose();
  }
}
