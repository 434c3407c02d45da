// `ganvas sample RUN`: images from a trained generator, as one PNG grid. The same seed gives the same images.

import type { Command } from 'commander';
import { GanvasError } from '../../errors.js';
import { writePngGrid } from '../../io/images.js';
import { batchOf, checkExtension, mostImages, parseSeeds, sameLabel, withGenerator } from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseInteger, parseNumber } from '../options.js';

interface SampleOptions {
  n?: string;
  seed?: string;
  seeds?: string;
  label?: string;
  truncation?: string;
  standingStatistics?: string;
  out: string;
  columns?: string;
  device: string;
}

/** The seeds of the images, or how many there are with the seed of all. */
function parseWhich({ n, seed, seeds }: SampleOptions): { count: number; seed: number | number[] } {
  if (seeds === undefined) {
    return { count: parseInteger('n', n ?? '64', 1, mostImages), seed: parseInteger('seed', seed ?? '1', 0) };
  }
  if (n !== undefined || seed !== undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      '--seeds names every image: it cannot be combined with --n or --seed',
    );
  }
  const list = parseSeeds('seeds', seeds);
  return { count: list.length, seed: list };
}

/** A number, if the option was given. */
function optional<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}

async function sample(run: string, options: SampleOptions, context: CommandContext): Promise<void> {
  const { out, device } = options;
  const { count, seed } = parseWhich(options);
  const columns = optional(options.columns, (text) => parseInteger('columns', text, 1, mostImages));
  const truncation = optional(options.truncation, (text) => parseNumber('truncation', text));
  const passes = optional(options.standingStatistics, (text) =>
    parseInteger('standing-statistics', text, 1, 100_000),
  );
  checkExtension(out, ['.png']);
  await withGenerator(run, device, context, async (generator) => {
    if (passes !== undefined) {
      const inLatents = generator.styles ? undefined : truncation;
      await generator.standingStatistics(passes, { truncation: inLatents });
    }
    const labels = optional(options.label, (text) => sameLabel(generator, count, text));
    const pixels = await generator.sample(count, { seed, labels, truncation });
    await writePngGrid(out, batchOf(generator, pixels), { columns });
  });
  context.out.write(`${out}\n`);
}

export function addSample(program: Command, context: CommandContext): void {
  program
    .command('sample')
    .description('make images with a trained generator, as one PNG grid')
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .option('--n <n>', 'number of images (default: 64)')
    .option('--seed <n>', 'same seed, same images (default: 1)')
    .option('--seeds <list>', 'a seed for each image, such as 0..63: to pick from for the other commands')
    .option('--label <class>', 'name or number of the class to show (default: all classes in turn)')
    .option(
      '--truncation <x>',
      'fewer kinds of images, and better ones: for StyleGAN models from 1 (no effect) down to 0, ' +
        'for others the largest latent number, from 2 (little effect) downwards',
    )
    .option(
      '--standing-statistics <n>',
      "measure the batch norms' statistics anew on n batches of 64 (BigGAN)",
    )
    .option('--out <file>', 'PNG file to write', 'grid.png')
    .option('--columns <n>', 'images per row (default: as square as possible)')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas sample runs/dcgan-mnist-001\n' +
        '  $ ganvas sample runs/dcgan-mnist-001 --n 100 --seed 7 --columns 10 --out digits.png\n' +
        '  $ ganvas sample runs/biggan-mnist-001 --label 7 --truncation 0.5 --standing-statistics 16',
    )
    .action((run: string, options: SampleOptions) => sample(run, options, context));
}
