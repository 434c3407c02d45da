// `ganvas sample RUN`: images from a trained generator, as one PNG grid. The same seed gives the same images.

import { extname } from 'node:path';
import type { Command } from 'commander';
import { GanvasError } from '../../errors.js';
import { type ImageBatch, writePngGrid } from '../../io/images.js';
import type { Generator } from '../../train/generator.js';
import type { CommandContext } from '../io.js';
import { parseInteger } from '../options.js';

const mostImages = 10_000;

/** Throws ERR_ARGUMENT unless `path` ends in one of `extensions`. */
export function checkExtension(path: string, extensions: readonly string[]): string {
  const extension = extname(path).toLowerCase();
  if (extensions.includes(extension)) return extension;
  throw new GanvasError('ERR_ARGUMENT', `--out must end in ${extensions.join(' or ')}, got "${path}"`);
}

/** The images of `count` latents, as a batch to write. */
export async function generateBatch(
  generator: Generator,
  z: Float32Array,
  count: number,
): Promise<ImageBatch> {
  const { height, width, channels } = generator;
  return { data: await generator.generate(z, count), count, height, width, channels };
}

interface SampleOptions {
  n: string;
  seed: string;
  out: string;
  columns?: string;
  device: string;
}

async function sample(run: string, options: SampleOptions, context: CommandContext): Promise<void> {
  const n = parseInteger('n', options.n, 1, mostImages);
  const seed = parseInteger('seed', options.seed, 0);
  const columns =
    options.columns === undefined ? undefined : parseInteger('columns', options.columns, 1, mostImages);
  checkExtension(options.out, ['.png']);
  const generator = await context.loadGenerator(run, { device: options.device });
  try {
    const batch = await generateBatch(generator, await generator.latents(n, seed), n);
    await writePngGrid(options.out, batch, { columns });
  } finally {
    generator.dispose();
  }
  context.out.write(`${options.out}\n`);
}

export function addSample(program: Command, context: CommandContext): void {
  program
    .command('sample')
    .description('make images with a trained generator, as one PNG grid')
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .option('--n <n>', 'number of images', '64')
    .option('--seed <n>', 'same seed, same images', '1')
    .option('--out <file>', 'PNG file to write', 'grid.png')
    .option('--columns <n>', 'images per row (default: as square as possible)')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas sample runs/dcgan-mnist-001\n' +
        '  $ ganvas sample runs/dcgan-mnist-001 --n 100 --seed 7 --columns 10 --out digits.png',
    )
    .action((run: string, options: SampleOptions) => sample(run, options, context));
}
