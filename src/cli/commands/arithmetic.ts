// `ganvas arithmetic RUN`: sums of latents, as Radford et al. (2016, figure 7) show them: the means of three
// groups of samples, and base - minus + plus amid its neighbours.

import type { Command } from 'commander';
import { writePngGrid } from '../../io/images.js';
import { analogy, meanVector, neighbours } from '../../latents/arithmetic.js';
import { joined } from '../../latents/paths.js';
import { latentSpace, spaceNames } from '../../latents/space.js';
import type { Generator } from '../../train/generator.js';
import { batchOf, checkExtension, parseSeeds, parts, sameLabel, withGenerator } from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseAmount, parseChoice, parseInteger } from '../options.js';

const columns = 3;
const neighbourCount = 8;
const mostSeeds = 1000;

interface ArithmeticOptions {
  base: string;
  minus: string;
  plus: string;
  space: string;
  label?: string;
  noise: string;
  seed: string;
  out: string;
  device: string;
}

async function arithmetic(run: string, options: ArithmeticOptions, context: CommandContext): Promise<void> {
  const { label, out, device } = options;
  const groups = (['base', 'minus', 'plus'] as const).map((name) =>
    parseSeeds(name, options[name], mostSeeds),
  );
  const name = parseChoice('space', options.space, spaceNames);
  const distance = parseAmount('noise', options.noise, 100);
  const seed = parseInteger('seed', options.seed, 0);
  checkExtension(out, ['.png']);
  await withGenerator(run, device, context, async (generator: Generator) => {
    const { points, images } = latentSpace(generator, name);
    const means = await Promise.all(
      groups.map(async (seeds) => {
        const z = await generator.latents(seeds.length, seeds);
        const own = await points(z, seeds.length, sameLabel(generator, seeds.length, label));
        return meanVector(parts(own, seeds.length));
      }),
    );
    const [base, minus, plus] = means;
    const result = analogy(base, minus, plus);
    const around = parts(await neighbours(result, neighbourCount, { distance, seed }), neighbourCount);
    const half = neighbourCount / 2;
    const shown = [...means, ...around.slice(0, half), result, ...around.slice(half)];
    const labels = sameLabel(generator, shown.length, label);
    const pixels = await images(joined(shown), shown.length, labels);
    await writePngGrid(out, batchOf(generator, pixels), { columns });
  });
  context.out.write(`${out}: base, minus, plus; below, base - minus + plus amid its neighbours\n`);
}

export function addArithmetic(program: Command, context: CommandContext): void {
  program
    .command('arithmetic')
    .description(
      'add and subtract latents: the mean of some samples, minus that of others, plus that of others',
    )
    .argument('<run>', 'a run directory, such as runs/dcgan-mnist-001')
    .requiredOption('--base <seeds>', 'seeds of the samples to change, such as 1,2,3')
    .requiredOption('--minus <seeds>', 'seeds of samples with what is to go')
    .requiredOption('--plus <seeds>', 'seeds of samples with what is to come')
    .option('--space <name>', 'z, the latents, or w, the styles of StyleGAN models', 'z')
    .option('--label <class>', 'name or number of the class (default: class 0)')
    .option('--noise <x>', 'how far the numbers of the 8 neighbours are from those of the result', '0.25')
    .option('--seed <n>', 'of the neighbours', '1')
    .option('--out <file>', 'PNG file to write', 'arithmetic.png')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas sample runs/dcgan-mnist-001 --seeds 0..99 --columns 10   # to pick from\n' +
        '  $ ganvas arithmetic runs/dcgan-mnist-001 --base 3,14,70 --minus 5,8,41 --plus 9,22,60',
    )
    .action((run: string, options: ArithmeticOptions) => arithmetic(run, options, context));
}
