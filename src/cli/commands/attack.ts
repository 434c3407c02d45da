// `ganvas attack [RUN] [OTHER]`: how accurate a classifier is before and under adversarial attacks, as a table, and what
// they look like, as a PNG grid. Without a run it trains a classifier first; --train adds one trained against the attack.
// The attacks are src/adversarial.

import type { Command } from 'commander';
import type { Robustness, RobustnessOptions } from '../../adversarial/robustness.js';
import { readClassifierRun } from '../../classifier/config.js';
import { GanvasError } from '../../errors.js';
import { writePngGrid } from '../../io/images.js';
import { RunDirectory } from '../../train/run-directory.js';
import { checkExtension } from '../generators.js';
import type { CommandContext } from '../io.js';
import { parseAmount, parseInteger } from '../options.js';
import { interruptible, labelledData, percent, trainWithProgress } from './classifier.js';

interface AttackOptions {
  data?: string;
  eps: string;
  steps: string;
  stepSize?: string;
  randomStart?: boolean;
  n: string;
  examples: string;
  out: string;
  train?: boolean;
  epochs?: string;
  seed: string;
  device: string;
}

const mostExamples = 100;

function parseOptions(options: AttackOptions) {
  const eps = parseAmount('eps', options.eps, 1);
  const steps = parseInteger('steps', options.steps, 1, 1000);
  const stepSize =
    options.stepSize === undefined ? (2.5 * eps) / steps : parseAmount('step-size', options.stepSize, 1);
  const epochs = options.epochs === undefined ? undefined : parseAmount('epochs', options.epochs, 1e6);
  const seed = parseInteger('seed', options.seed, 0);
  checkExtension(options.out, ['.png']);
  const measured = {
    eps,
    steps,
    stepSize,
    randomStart: options.randomStart ?? false,
    images: parseInteger('n', options.n, 1, 1_000_000),
    examples: parseInteger('examples', options.examples, 1, mostExamples),
    seed,
    device: options.device,
  } satisfies RobustnessOptions;
  return { measured, training: { epochs, seed, device: options.device } };
}

/** Rows under a heading, in columns. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[i]))),
  );
  return lines.map((cells) => `${cells.join('  ')}\n`).join('');
}

async function measure(
  context: CommandContext,
  run: string,
  options: RobustnessOptions,
): Promise<Robustness | undefined> {
  return interruptible(context, 'stopping', async (progress, signal) => {
    progress.print(`attacking ${run}`);
    const began = performance.now();
    const result = await context.measureRobustness(run, {
      ...options,
      signal,
      onWarning: (message) => progress.event({ type: 'warning', message }),
      onProgress: (step, steps) => {
        if (step === 0) return progress.start(steps);
        const imagesPerSecond = (1000 * step) / (performance.now() - began);
        progress.event({ type: 'step', step, steps, imagesPerSecond, losses: {} });
      },
    });
    return signal.aborted ? undefined : result;
  });
}

async function attack(runs: string[], options: AttackOptions, context: CommandContext): Promise<void> {
  const { measured, training } = parseOptions(options);
  const { data, train = false } = options;
  if (runs.length === 0 && data === undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      'name a classifier run to attack, or --data to train one on; see: ganvas attack --help',
    );
  }
  if (runs.length > 1 && train) {
    throw new GanvasError(
      'ERR_CONFIG',
      '--train makes the second classifier: it cannot be combined with two runs',
    );
  }
  if (training.epochs !== undefined && runs.length > 0 && !train) {
    throw new GanvasError(
      'ERR_CONFIG',
      '--epochs is for classifiers trained here: with a run it takes --train',
    );
  }
  const all = [...runs];
  if (all.length === 0) {
    const { interrupted, runDirectory } = await trainWithProgress(context, data!, { config: training });
    if (interrupted) return;
    all.push(runDirectory);
  }
  if (train) {
    // As the first but for the attack, so that the two can be compared.
    const { data: known, config } = await readClassifierRun(await RunDirectory.open(all[0]));
    const { epochs, device } = training;
    const length = epochs === undefined ? {} : { steps: null, epochs };
    const against = { adversarial: true, eps: measured.eps, attackSteps: measured.steps };
    const given = { ...config, ...length, device, ...against };
    const { interrupted, runDirectory } = await trainWithProgress(context, data ?? known, { config: given });
    if (interrupted) return;
    all.push(runDirectory);
  }
  const results: [string, Robustness][] = [];
  for (const run of all) {
    const result = await measure(context, run, { ...measured, data });
    if (!result) return;
    results.push([run, result]);
  }
  const { eps, steps, stepSize, randomStart } = measured;
  const iterated = `${steps} steps of ${Number(stepSize.toPrecision(3))}${randomStart ? ' from a random start' : ''}`;
  const [[, { grid, examples, images }]] = results;
  context.out.write(`${images} held-out images, each pixel moved by at most ${eps} of its range of 1\n`);
  context.out.write(
    table([
      ['accuracy', 'before', 'FGSM', 'iterated'],
      ...results.map(([run, { clean, fgsm, iterated: last }]) => [
        run,
        percent(clean),
        percent(fgsm),
        percent(last),
      ]),
    ]),
  );
  context.out.write(`iterated: ${iterated}\n`);
  await writePngGrid(options.out, grid, { columns: examples.length });
  const readings = examples.map(({ before, after }) => `${before} → ${after}`).join(', ');
  context.out.write(
    `${options.out}: originals, what the iterated attack adds, the sum; taken for: ${readings}\n`,
  );
}

export function addAttack(program: Command, context: CommandContext): void {
  program
    .command('attack')
    .description('attack classifiers with adversarial examples: a table of accuracies, and a PNG grid')
    .argument('[runs...]', 'one or two classifier runs, such as runs/classifier-mnist-001')
    .option('--data <name|folder>', `${labelledData} (default: the data of each run)`)
    .option('--eps <x>', 'how far the attack may move each pixel, where black is 0 and white 1', '0.25')
    .option('--steps <n>', 'steps of the iterated attack', '10')
    .option('--step-size <x>', 'how far each step moves a pixel, in units of eps (default: 2.5 eps / steps)')
    .option('--random-start', 'start the iterated attack at a random point, as Madry et al. (2018) do')
    .option('--n <n>', 'attack at most so many of the held-out images', '1000')
    .option('--examples <n>', 'images in the grid', '10')
    .option(
      '--out <file>',
      'PNG file to write: originals, what is added (grey: nothing), adversarial',
      'attack.png',
    )
    .option('--train', 'also train a classifier against this attack, and attack it')
    .option('--epochs <x>', 'passes over the data of the classifiers trained here [10]')
    .option('--seed <n>', 'of the random starts, and of the classifiers trained here', '0')
    .option('--device <name>', 'cpu, cuda or auto', 'auto')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas attack runs/classifier-mnist-001 --eps 0.25 --out grid.png\n' +
        '  $ ganvas attack --data mnist --train         # before and after adversarial training, from scratch\n' +
        '  $ ganvas attack runs/classifier-mnist-001 runs/classifier-mnist-002 --steps 40 --random-start\n\n' +
        'FGSM takes one step of eps along the sign of the gradient; the iterated attack takes --steps of them, never\n' +
        'further from the image than eps. Accuracy is measured on images held out from training.',
    )
    .action((runs: string[], options: AttackOptions) => {
      if (runs.length > 2) {
        throw new GanvasError('ERR_CONFIG', `attack takes one or two runs, got ${runs.length}`);
      }
      return attack(runs, options, context);
    });
}
