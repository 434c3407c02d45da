// `ganvas interpolate RUN`: the way from one sample to another along the sphere of latents, as a PNG strip or
// a GIF.

import type { Command } from 'commander';
import { writeGif, writePngStrip } from '../../io/images.js';
import { interpolationPath } from '../../train/interpolate.js';
import type { CommandContext } from '../io.js';
import { parseInteger } from '../options.js';
import { checkExtension, generateBatch } from './sample.js';

interface InterpolateOptions {
  from: string;
  to: string;
  steps: string;
  out: string;
  delay: string;
  device: string;
}

async function interpolate(run: string, options: InterpolateOptions, context: CommandContext): Promise<void> {
  const from = parseInteger('from', options.from, 0);
  const to = parseInteger('to', options.to, 0);
  const steps = parseInteger('steps', options.steps, 2, 1000);
  const delay = parseInteger('delay', options.delay, 10, 60_000);
  const extension = checkExtension(options.out, ['.png', '.gif']);
  const generator = await context.loadGenerator(run, { device: options.device });
  try {
    const z = interpolationPath(await generator.latents(1, from), await generator.latents(1, to), steps);
    const batch = await generateBatch(generator, z, steps);
    if (extension === '.gif') await writeGif(options.out, batch, delay);
    else await writePngStrip(options.out, batch);
  } finally {
    generator.dispose();
  }
  context.out.write(`${options.out}\n`);
}

export function addInterpolate(program: Command, context: CommandContext): void {
  program
    .command('interpolate')
    .description('morph one sample into another (spherical), as a PNG strip or an animated GIF')
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .option('--from <n>', 'seed of the first image', '1')
    .option('--to <n>', 'seed of the last image', '2')
    .option('--steps <n>', 'number of images, both ends included', '10')
    .option('--out <file>', 'file to write; its ending .png or .gif decides which', 'strip.png')
    .option('--delay <ms>', 'milliseconds per frame of a GIF', '80')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas interpolate runs/dcgan-mnist-001 --from 3 --to 8\n' +
        '  $ ganvas interpolate runs/dcgan-mnist-001 --steps 40 --out morph.gif',
    )
    .action((run: string, options: InterpolateOptions) => interpolate(run, options, context));
}
