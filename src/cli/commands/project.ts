// `ganvas project RUN IMAGE`: finds the latent, or the style, whose image comes nearest to a given one, with
// a progress bar; writes the images and the point. Ctrl-C stops early with what was found.

import type { Command } from 'commander';
import { readPicture } from '../../data/picture.js';
import { GanvasError } from '../../errors.js';
import { writePngStrip } from '../../io/images.js';
import { writeSafetensors } from '../../io/safetensors.js';
import { classNumber } from '../../latents/labels.js';
import { spaceNames } from '../../latents/space.js';
import type { Generator, Projection } from '../../train/generator.js';
import { batchOf, checkExtension, withGenerator } from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseAmount, parseChoice, parseInteger, parseNumber } from '../options.js';
import { interruptible } from './classifier.js';

interface ProjectCommandOptions {
  steps: string;
  lr: string;
  space?: string;
  features: string;
  label?: string;
  seed: string;
  out: string;
  latent?: string;
  device: string;
}

/** Keeps the point as a tensor named after its space. */
async function writePoint(path: string, { styles }: Generator, { space, point }: Projection): Promise<void> {
  const shape = space === 'w' ? [1, styles!.layers, styles!.wSize] : [1, point.length];
  await writeSafetensors(path, new Map([[space, { dtype: 'f32', shape, data: point }]]));
}

async function project(
  run: string,
  image: string,
  options: ProjectCommandOptions,
  context: CommandContext,
): Promise<void> {
  const { label, out, device } = options;
  const steps = parseInteger('steps', options.steps, 1, 1_000_000);
  const lr = parseAmount('lr', options.lr, 100);
  const space = options.space === undefined ? undefined : parseChoice('space', options.space, spaceNames);
  const featureWeight = parseNumber('features', options.features, 'a number of at least 0');
  if (featureWeight < 0) {
    throw new GanvasError(
      'ERR_CONFIG',
      `--features must be a number of at least 0, got "${options.features}"`,
    );
  }
  const seed = parseInteger('seed', options.seed, 0);
  checkExtension(out, ['.png']);
  const latent = options.latent ?? out.replace(/\.png$/i, '.safetensors');
  if (!latent.endsWith('.safetensors')) {
    throw new GanvasError('ERR_ARGUMENT', `--latent must end in .safetensors, got "${latent}"`);
  }
  await withGenerator(run, device, context, async (generator) => {
    const { height, width, channels } = generator;
    const target = await readPicture(image, { height, width, channels: channels as 1 | 3 | 4 });
    const number = label === undefined ? undefined : classNumber(generator, label);
    const found = await interruptible(context, 'stopping with what was found', (progress, signal) => {
      progress.start(steps);
      const began = performance.now();
      return generator.project(target, {
        ...{ steps, lr, space, featureWeight, label: number, seed, signal },
        onStep({ step, loss }) {
          const imagesPerSecond = (1000 * step) / (performance.now() - began);
          progress.event({ type: 'step', step, steps, imagesPerSecond, losses: { loss } });
        },
      });
    });
    const shown = Buffer.concat([target, found.startPixels, found.pixels]);
    await writePngStrip(out, batchOf(generator, shown));
    await writePoint(latent, generator, found);
    const { start, end } = found.psnr;
    context.out.write(`PSNR ${start.toFixed(2)} dB at the start, ${end.toFixed(2)} dB at the end\n`);
    context.out.write(
      `${out}: the image, the start, the projection\n${latent}: ${found.space} of the projection\n`,
    );
  });
}

export function addProject(program: Command, context: CommandContext): void {
  program
    .command('project')
    .description('find the latent, or the style of StyleGAN models, whose image comes nearest to a given one')
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .argument('<image>', 'an image file, which is fitted to the size of the generator')
    .option('--steps <n>', 'steps of Adam', '500')
    .option('--lr <x>', 'greatest learning rate', '0.1')
    .option('--space <name>', 'z or w (default: w for StyleGAN models, else z)')
    .option(
      '--features <x>',
      "weight of the distance in the discriminator's features, beside the pixels",
      '0',
    )
    .option('--label <class>', 'name or number of the class (default: class 0)')
    .option('--seed <n>', 'same seed, same result', '0')
    .option('--out <file>', 'PNG file to write: the image, the start, the projection', 'projection.png')
    .option('--latent <file>', 'file for the point found (default: as --out, ending in .safetensors)')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas project runs/dcgan-mnist-001 seven.png\n' +
        '  $ ganvas project runs/stylegan2-emoji-001 cat.jpg --steps 1000 --features 0.1 --out cat-found.png',
    )
    .action((run: string, image: string, options: ProjectCommandOptions) =>
      project(run, image, options, context),
    );
}
