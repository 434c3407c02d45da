// `ganvas mix RUN`: style mixing, as Karras et al. (2019, figure 3) show it: samples on the left with some
// layers' styles taken from the samples on top.

import type { Command } from 'commander';
import { writePngGrid } from '../../io/images.js';
import { joined } from '../../latents/paths.js';
import { assertStyles } from '../../latents/space.js';
import { layerRange, mixStyles } from '../../latents/styles.js';
import { batchOf, checkExtension, parseSeeds, parts, sameLabel, withGenerator } from '../generators.js';
import type { CommandContext } from '../io.js';

const mostSamples = 50;

interface MixOptions {
  rows: string;
  columns: string;
  layers: string;
  label?: string;
  out: string;
  device: string;
}

async function mix(run: string, options: MixOptions, context: CommandContext): Promise<void> {
  const { label, out, device } = options;
  const rows = parseSeeds('rows', options.rows, mostSamples);
  const columns = parseSeeds('columns', options.columns, mostSamples);
  checkExtension(out, ['.png']);
  await withGenerator(run, device, context, async (generator) => {
    assertStyles(generator);
    const { layers } = generator.styles;
    const taken = layerRange(options.layers, layers);
    const seeds = [...rows, ...columns];
    const z = await generator.latents(seeds.length, seeds);
    const labels = sameLabel(generator, seeds.length, label);
    const styles = parts(await generator.map(z, seeds.length, { labels }), seeds.length);
    const [left, top] = [styles.slice(0, rows.length), styles.slice(rows.length)];
    const shown = [
      ...top,
      ...left.flatMap((own) => [own, ...top.map((other) => mixStyles(own, other, layers, taken))]),
    ];
    const pixels = await generator.synthesize(joined(shown), shown.length);
    // The corner, where the rows and the columns meet, stays black.
    const { length } = pixels.subarray(0, pixels.length / shown.length);
    const withCorner = new Uint8Array(length + pixels.length);
    withCorner.set(pixels, length);
    await writePngGrid(out, batchOf(generator, withCorner), { columns: 1 + columns.length });
    const range = taken.until - taken.from > 1 ? `s ${taken.from}-${taken.until - 1}` : ` ${taken.from}`;
    context.out.write(`${out}: samples on the left, with layer${range} of ${layers} from those on top\n`);
  });
}

export function addMix(program: Command, context: CommandContext): void {
  program
    .command('mix')
    .description('mix the styles of samples, for StyleGAN models: a PNG grid')
    .argument('<run>', 'a run directory, such as runs/stylegan2-mnist-001')
    .option('--rows <seeds>', 'samples on the left, which most styles come from', '1..4')
    .option('--columns <seeds>', 'samples on top, which the other styles come from', '5..10')
    .option(
      '--layers <which>',
      'what comes from the top: coarse, middle or fine (a third of the layers each), or numbers such as 0-3',
      'coarse',
    )
    .option('--label <class>', 'name or number of the class (default: class 0)')
    .option('--out <file>', 'PNG file to write', 'mix.png')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas mix runs/stylegan2-mnist-001 --rows 1,2,3 --columns 4,5,6\n' +
        '  $ ganvas mix runs/stylegan2-mnist-001 --layers fine --out colours.png',
    )
    .action((run: string, options: MixOptions) => mix(run, options, context));
}
