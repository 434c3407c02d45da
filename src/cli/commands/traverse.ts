// `ganvas traverse RUN`: what one code of a latent means (Chen et al. 2016, figure 2), or one coordinate: a
// row for each sample, along which only the code changes.

import type { Command } from 'commander';
import { didYouMean } from '../../config/closest.js';
import { GanvasError } from '../../errors.js';
import { writePngGrid } from '../../io/images.js';
import { joined } from '../../latents/paths.js';
import { evenly, traversal } from '../../latents/traversal.js';
import type { Code } from '../../models/model.js';
import type { Generator } from '../../train/generator.js';
import {
  batchOf,
  checkExtension,
  mostImages,
  parseSeeds,
  parts,
  sameLabel,
  withGenerator,
} from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseInteger, parseNumber } from '../options.js';

const mostRows = 100;

interface TraverseOptions {
  code?: string;
  dimension?: string;
  from?: string;
  to?: string;
  steps?: string;
  seeds: string;
  label?: string;
  out: string;
  device: string;
}

/** The code that the options name. */
function chosenCode({ codes = [], zSize }: Generator, { code, dimension }: TraverseOptions): Code {
  const last = zSize - 1;
  if (dimension !== undefined) {
    const start = parseInteger('dimension', dimension, 0, last);
    return { name: `coordinate ${start}`, kind: 'continuous', start, size: 1 };
  }
  const names = codes.map(({ name }) => name);
  if (code === undefined) {
    const named = names.length > 0 ? `--code ${names.join(' or ')}, or ` : '';
    throw new GanvasError(
      'ERR_CONFIG',
      `name what to change: ${named}--dimension with a number from 0 to ${last}`,
    );
  }
  const found = codes.find(({ name }) => name === code);
  if (found === undefined) {
    const hint = didYouMean(code, names) || (names.length > 0 ? `; known: ${names.join(', ')}` : '');
    const other = hint || `: this model has none; take --dimension with a number from 0 to ${last}`;
    throw new GanvasError('ERR_CONFIG', `unknown code "${code}"${other}`);
  }
  if (found.kind === 'categorical' || found.size === 1) return found;
  const end = found.start + found.size - 1;
  throw new GanvasError(
    'ERR_CONFIG',
    `the code ${code} is ${found.size} numbers: choose one of them with --dimension, ` +
      `from ${found.start} to ${end}`,
  );
}

async function traverse(run: string, options: TraverseOptions, context: CommandContext): Promise<void> {
  const { label, out, device } = options;
  if (options.code !== undefined && options.dimension !== undefined) {
    throw new GanvasError('ERR_CONFIG', '--code and --dimension cannot be combined');
  }
  const seeds = parseSeeds('seeds', options.seeds, mostRows);
  const from = parseNumber('from', options.from ?? '-2');
  const to = parseNumber('to', options.to ?? '2');
  const steps = parseInteger('steps', options.steps ?? '10', 2, mostImages / mostRows);
  checkExtension(out, ['.png']);
  await withGenerator(run, device, context, async (generator) => {
    const code = chosenCode(generator, options);
    const ranged = options.from ?? options.to ?? options.steps;
    if (code.kind === 'categorical' && ranged !== undefined) {
      throw new GanvasError(
        'ERR_CONFIG',
        `the code ${code.name} takes each of its ${code.size} values: ` +
          '--from, --to and --steps are for numbers',
      );
    }
    const columns = code.kind === 'categorical' ? code.size : steps;
    const rows = parts(await generator.latents(seeds.length, seeds), seeds.length);
    const values = evenly(from, to, steps);
    const points = joined(rows.map((z) => traversal(z, code, values)));
    const count = rows.length * columns;
    const pixels = await generator.generate(points, count, sameLabel(generator, count, label));
    await writePngGrid(out, batchOf(generator, pixels), { columns });
    const range = code.kind === 'categorical' ? `values 0 to ${code.size - 1}` : `${from} to ${to}`;
    context.out.write(`${out}: ${code.name} from left to right: ${range}\n`);
  });
}

export function addTraverse(program: Command, context: CommandContext): void {
  program
    .command('traverse')
    .description(
      'show what a code of the latents means, or one coordinate: a PNG grid with a row for each sample',
    )
    .argument('<run>', 'a run directory, such as runs/infogan-mnist-001')
    .option('--code <name>', "one of the model's codes (InfoGAN), such as categorical0 or continuous0")
    .option('--dimension <k>', 'a coordinate of the latents, counted from 0, for any model')
    .option('--from <x>', 'first value (default: -2)')
    .option('--to <x>', 'last value (default: 2)')
    .option('--steps <n>', 'how many values, both ends included (default: 10)')
    .option('--seeds <list>', 'seeds of the samples, one per row', '1..5')
    .option('--label <class>', 'name or number of the class (default: class 0)')
    .option('--out <file>', 'PNG file to write', 'traverse.png')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas traverse runs/infogan-mnist-001 --code categorical0\n' +
        '  $ ganvas traverse runs/infogan-mnist-001 --code continuous0 --from -2 --to 2\n' +
        '  $ ganvas traverse runs/dcgan-mnist-001 --dimension 7 --from -3 --to 3 --seeds 1..8',
    )
    .action((run: string, options: TraverseOptions) => traverse(run, options, context));
}
