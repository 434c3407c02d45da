// `ganvas classifier train`: trains an image classifier, into a run directory as `ganvas train` makes them. Ctrl-C stops
// after the current step and saves. The training itself is src/classifier/train.ts.

import type { Command } from 'commander';
import { classifierConfig, readClassifierRun } from '../../classifier/config.js';
import type { ClassifierRunOptions, ClassifierSummary } from '../../classifier/train.js';
import { datasetNames } from '../../data/open.js';
import { GanvasError } from '../../errors.js';
import { RunDirectory } from '../../train/run-directory.js';
import { type CommandContext, exitCodes } from '../io.js';
import { addSchemaOptions, configOf } from '../options.js';
import { TrainProgress } from '../progress.js';
import { catchSignals, defaultData } from './train.js';

/** A share as `98.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The help of --data. */
export const labelledData = `${datasetNames.join(', ')}, a folder of images in one sub-folder per class, or a folder of IDX files`;

/**
 * Does something long that a signal stops: `work` gets what to show its progress with, and the signal. On Ctrl-C the
 * process ends with the code that goes with it, after `work` has returned.
 */
export async function interruptible<T>(
  context: CommandContext,
  stopping: string,
  work: (progress: TrainProgress, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const progress = new TrainProgress(context.out);
  const controller = new AbortController();
  let signalCode: number = exitCodes.interrupted;
  const restoreSignals = catchSignals((exitCode) => {
    signalCode = exitCode;
    progress.print(`${stopping}; press Ctrl-C again to quit at once`);
    controller.abort();
  });
  try {
    return await work(progress, controller.signal);
  } finally {
    progress.stop();
    restoreSignals();
    if (controller.signal.aborted) context.setExitCode(signalCode);
  }
}

/** Trains with a progress bar; says how to go on where it was stopped. */
export async function trainWithProgress(
  context: CommandContext,
  data: string,
  options: Omit<ClassifierRunOptions, 'signal' | 'onEvent'>,
): Promise<ClassifierSummary> {
  const summary = await interruptible(context, 'stopping after this step and saving', (progress, signal) =>
    context.trainClassifier(data, {
      ...options,
      signal,
      onEvent: (event) => {
        if (event.type !== 'accuracy') progress.event(event);
        else progress.print(`step ${event.step}: ${percent(event.accuracy)} of the held-out images`);
      },
    }),
  );
  const { step, runDirectory, interrupted } = summary;
  if (interrupted) {
    context.out.write(
      `stopped and saved at step ${step}; continue with: ganvas classifier train --resume ${runDirectory}\n`,
    );
  }
  return summary;
}

interface ClassifierOptions extends Record<string, unknown> {
  data?: string;
  out?: string;
  resume?: string;
}

async function train(context: CommandContext, options: ClassifierOptions): Promise<void> {
  const { out, resume } = options;
  if (resume !== undefined && out !== undefined) {
    throw new GanvasError(
      'ERR_CONFIG',
      '--resume continues a run where and as it is: it cannot be combined with --out',
    );
  }
  const recorded =
    resume === undefined ? undefined : (await readClassifierRun(await RunDirectory.open(resume))).data;
  const data = options.data ?? recorded;
  if (data === undefined) {
    context.out.write('no --data given: training on the 2,000 digits that come with ganvas\n');
  }
  const config = configOf(options, classifierConfig);
  const { interrupted, step, runDirectory } = await trainWithProgress(context, data ?? defaultData, {
    out,
    resume,
    config,
  });
  if (!interrupted) context.out.write(`done: ${step} steps; try: ganvas attack ${runDirectory}\n`);
}

/** Adds `classifier` and, below it, `train`. */
export function addClassifier(program: Command, context: CommandContext): void {
  const classifier = program
    .command('classifier')
    .description('train an image classifier: to attack it, or to judge generated images')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas classifier train --data mnist\n  $ ganvas classifier train --help',
    );
  const command = classifier
    .command('train')
    .description(
      'train a classifier on labelled images, or continue a run with --resume; every tenth image of each class is ' +
        'held out to measure its accuracy',
    )
    .option('--data <name|folder>', `${labelledData} (default: ${defaultData})`)
    .option('--out <folder>', 'where to put the run (default: the next free runs/classifier-<data>-<number>)')
    .option('--resume <run>', 'continue a run from its latest checkpoint')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas classifier train --data mnist\n' +
        '  $ ganvas classifier train --data mnist --adversarial --eps 0.25 --attack-steps 10\n' +
        '  $ ganvas classifier train --data ./photos --height 64 --epochs 30 --out runs/judge\n' +
        '  $ ganvas classifier train --resume runs/classifier-mnist-001\n\n' +
        'Ctrl-C saves and exits; a second Ctrl-C exits at once.',
    );
  addSchemaOptions(command, classifierConfig);
  command.action((options: ClassifierOptions) => train(context, options));
}
