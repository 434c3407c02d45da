// `ganvas interpolate RUN`: the way from one sample to others through the latents, as a PNG strip or a GIF.

import type { Command } from 'commander';
import { GanvasError } from '../../errors.js';
import { writeGif, writePngStrip } from '../../io/images.js';
import { classNumber, type Labels, oneHotLabels } from '../../latents/labels.js';
import { interpolationPath, type PathOptions } from '../../latents/paths.js';
import { latentSpace, type SpaceName, spaceNames } from '../../latents/space.js';
import type { Generator } from '../../train/generator.js';
import { batchOf, checkExtension, mostImages, parseSeeds, parts, withGenerator } from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseChoice, parseInteger } from '../options.js';

const mostWaypoints = 100;
const modes = ['spherical', 'linear'] as const;

interface InterpolateOptions {
  from?: string;
  to?: string;
  seeds?: string;
  steps: string;
  mode?: string;
  space: string;
  label?: string;
  loop?: boolean;
  out: string;
  delay: string;
  device: string;
}

/** The seeds of the waypoints. */
function parseWaypoints({ from, to, seeds }: InterpolateOptions): number[] {
  if (seeds === undefined) {
    return [parseInteger('from', from ?? '1', 0), parseInteger('to', to ?? '2', 0)];
  }
  if (from !== undefined || to !== undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      '--seeds names all waypoints: it cannot be combined with --from or --to',
    );
  }
  const list = parseSeeds('seeds', seeds, mostWaypoints);
  if (list.length > 1) return list;
  throw new GanvasError('ERR_CONFIG', `--seeds must name at least two waypoints, got "${seeds}"`);
}

/** The class of each waypoint: one for all, or as many as there are waypoints. */
function waypointClasses(generator: Generator, count: number, label = '0'): number[] {
  // A single class may have commas in its name.
  const names = generator.classNames?.includes(label) ? [label] : label.split(',').map((name) => name.trim());
  if (names.length !== 1 && names.length !== count) {
    throw new GanvasError(
      'ERR_CONFIG',
      `--label must be one class, or one for each of the ${count} waypoints, got "${label}"`,
    );
  }
  const classes = names.map((name) => classNumber(generator, name));
  return Array.from({ length: count }, (_, i) => classes[i % classes.length]);
}

async function interpolate(run: string, options: InterpolateOptions, context: CommandContext): Promise<void> {
  const { label, out, device, loop } = options;
  const seeds = parseWaypoints(options);
  const steps = parseInteger('steps', options.steps, 2, 1000);
  const delay = parseInteger('delay', options.delay, 10, 60_000);
  const space: SpaceName = parseChoice('space', options.space, spaceNames);
  const usual = space === 'z' ? 'spherical' : 'linear';
  const mode = parseChoice('mode', options.mode ?? usual, modes);
  const extension = checkExtension(out, ['.png', '.gif']);
  const path: PathOptions = { steps, loop, mode };
  const legs = loop ? seeds.length : seeds.length - 1;
  if (legs * steps > mostImages) {
    throw new GanvasError('ERR_CONFIG', `at most ${mostImages} images can be made, got ${legs} x ${steps}`);
  }
  await withGenerator(run, device, context, async (generator) => {
    const { points, images } = latentSpace(generator, space);
    const count = seeds.length;
    const conditional = generator.classes !== undefined || label !== undefined;
    const classes = conditional ? waypointClasses(generator, count, label) : undefined;
    const start = await points(
      await generator.latents(count, seeds),
      count,
      classes && Int32Array.from(classes),
    );
    const way = interpolationPath(parts(start, count), path);
    const n = loop ? count * (steps - 1) : (count - 1) * (steps - 1) + 1;
    let labels: Labels | undefined;
    if (classes && new Set(classes).size === 1) labels = new Int32Array(n).fill(classes[0]);
    else if (classes) {
      labels = interpolationPath(oneHotLabels(classes, generator.classes!), { ...path, mode: 'linear' });
    }
    const batch = batchOf(generator, await images(way, n, labels));
    if (extension === '.gif') await writeGif(out, batch, delay);
    else await writePngStrip(out, batch);
  });
  context.out.write(`${out}\n`);
}

export function addInterpolate(program: Command, context: CommandContext): void {
  program
    .command('interpolate')
    .description('morph samples into one another, as a PNG strip or an animated GIF')
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .option('--from <n>', 'seed of the first image (default: 1)')
    .option('--to <n>', 'seed of the last image (default: 2)')
    .option('--seeds <list>', 'seeds of all waypoints, such as 1,5,9, instead of --from and --to')
    .option('--steps <n>', 'number of images from one waypoint to the next, both included', '10')
    .option('--loop', 'go back to the first waypoint in the end')
    .option('--space <name>', 'z, the latents, or w, the styles of StyleGAN models', 'z')
    .option('--mode <name>', 'spherical or linear (default: spherical in z, linear in w)')
    .option(
      '--label <class>',
      'name or number of the class, or one for each waypoint, such as 3,8 (default: class 0)',
    )
    .option('--out <file>', 'file to write; its ending .png or .gif decides which', 'strip.png')
    .option('--delay <ms>', 'milliseconds per frame of a GIF', '80')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas interpolate runs/dcgan-mnist-001 --from 3 --to 8\n' +
        '  $ ganvas interpolate runs/dcgan-mnist-001 --steps 40 --out morph.gif\n' +
        '  $ ganvas interpolate runs/dcgan-mnist-001 --seeds 1,5,9 --loop --steps 20 --out round.gif\n' +
        '  $ ganvas interpolate runs/stylegan2-mnist-001 --space w --out styles.png\n' +
        '  $ ganvas interpolate runs/biggan-mnist-001 --from 4 --to 4 --label 3,8',
    )
    .action((run: string, options: InterpolateOptions) => interpolate(run, options, context));
}
