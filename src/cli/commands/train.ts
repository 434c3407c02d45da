// `ganvas train MODEL`: starts or continues a run. Each model is a subcommand with the options of its own
// config schema. Ctrl-C (or SIGTERM) stops after the current step and saves; a second one exits at once. The
// training itself is src/train/run.ts.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { didYouMean } from '../../config/closest.js';
import { readConfigFile } from '../../config/file.js';
import { datasetNames } from '../../data/open.js';
import { GanvasError } from '../../errors.js';
import { isModelFile, loadModel, type ModelEntry } from '../../models/registry.js';
import { trainingConfig } from '../../train/config.js';
import type { TrainSummary } from '../../train/run.js';
import { RunDirectory } from '../../train/run-directory.js';
import { type CommandContext, exitCodes } from '../io.js';
import { addSchemaOptions, configOf } from '../options.js';
import { TrainProgress } from '../progress.js';

/** Comes with ganvas, so that a first run needs nothing. */
export const defaultData = 'digits';

type Models = Readonly<Record<string, ModelEntry>>;

interface TrainOptions extends Record<string, unknown> {
  data?: string;
  out?: string;
  config?: string;
  resume?: string;
}

function stringEntry(config: Record<string, unknown>, key: string, source: string): string | undefined {
  const value = config[key];
  if (value === undefined || typeof value === 'string') return value;
  throw new GanvasError('ERR_CONFIG', `${source}: ${key} must be a string, got ${JSON.stringify(value)}`);
}

/**
 * Config file and command line together: what to train on which data, and the differences from the defaults.
 */
export async function gatherTraining(
  models: Models,
  modelArgument: string | undefined,
  options: TrainOptions,
) {
  if (options.resume !== undefined && (options.out !== undefined || options.config !== undefined)) {
    const flag = options.out !== undefined ? '--out' : '--config';
    throw new GanvasError(
      'ERR_CONFIG',
      `--resume continues a run where and as it is: it cannot be combined with ${flag}`,
    );
  }
  const source = options.config ?? options.resume ?? 'config';
  const resumed =
    options.resume === undefined ? {} : await (await RunDirectory.open(options.resume)).readConfig();
  const file = options.config === undefined ? {} : await readConfigFile(options.config);
  const { model: _, data: __, ...fromFile } = file;
  const known = { ...file, ...resumed };
  const recorded = stringEntry(known, 'model', source);
  const model = modelArgument ?? recorded;
  if (model === undefined) {
    throw new GanvasError('ERR_CONFIG', `name the model to train: ${Object.keys(models).join(', ')}`);
  }
  if (!Object.hasOwn(models, model) && !isModelFile(model)) {
    const hint = didYouMean(model, Object.keys(models)) || `; known: ${Object.keys(models).join(', ')}`;
    throw new GanvasError('ERR_CONFIG', `unknown model "${model}"${hint}`);
  }
  const { schema } = models[model] ?? (await loadModel(model));
  if (recorded !== undefined && recorded !== model && recorded !== resolve(model)) {
    throw new GanvasError('ERR_CONFIG', `${source} is for the model ${recorded}, not ${model}`);
  }
  const data = options.data ?? stringEntry(known, 'data', source);
  const config = { ...fromFile, ...configOf(options, schema) };
  return { model, data, config, out: options.out, resume: options.resume };
}

/**
 * Calls `stop` on the first Ctrl-C or SIGTERM and ends the process on the second; returns how to undo that.
 */
export function catchSignals(stop: (exitCode: number) => void): () => void {
  let stopping = false;
  const handler = (signal: NodeJS.Signals) => {
    const exitCode = signal === 'SIGTERM' ? exitCodes.terminated : exitCodes.interrupted;
    if (stopping) process.exit(exitCode);
    stopping = true;
    stop(exitCode);
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return () => {
    process.off('SIGINT', handler);
    process.off('SIGTERM', handler);
  };
}

function finalLine({ interrupted, step, runDirectory }: TrainSummary): string {
  if (!interrupted) return `done: ${step} steps; try: ganvas sample ${runDirectory}`;
  return `stopped and saved at step ${step}; continue with: ganvas train --resume ${runDirectory}`;
}

async function train(
  context: CommandContext,
  model: string | undefined,
  options: TrainOptions,
): Promise<void> {
  const gathered = await gatherTraining(context.models, model, options);
  if (gathered.data === undefined) {
    context.out.write('no --data given: training on the 2,000 digits that come with ganvas\n');
  }
  const progress = new TrainProgress(context.out);
  const controller = new AbortController();
  let signalCode: number = exitCodes.interrupted;
  const restoreSignals = catchSignals((exitCode) => {
    signalCode = exitCode;
    progress.print('stopping after this step and saving; press Ctrl-C again to quit at once');
    controller.abort();
  });
  try {
    const summary = await context.trainRun({
      ...gathered,
      data: gathered.data ?? defaultData,
      signal: controller.signal,
      onEvent: (event) => progress.event(event),
    });
    progress.stop();
    context.out.write(`${finalLine(summary)}\n`);
    if (summary.interrupted) context.setExitCode(signalCode);
  } finally {
    progress.stop();
    restoreSignals();
  }
}

const trainExamples = `
Examples:
  $ ganvas train dcgan             # on the 2,000 digits that come with ganvas
  $ ganvas train dcgan --data mnist
  $ ganvas train dcgan --data ./photos --batch 32 --out runs/photos
  $ ganvas train --resume runs/dcgan-mnist-001
  $ ganvas train dcgan --help      # all options of one model
  $ ganvas train ./my-gan.js       # a model of your own: docs/write-a-model.md

Ctrl-C saves and exits; a second Ctrl-C exits at once.`;

function addRunOptions(command: Command): Command {
  return command
    .option(
      '--data <name|folder>',
      `${datasetNames.join(', ')}, a folder of images, of IDX or of CIFAR's binary files (default: ${defaultData})`,
    )
    .option('--out <folder>', 'where to put the run (default: the next free runs/<model>-<data>-<number>)')
    .option('--config <file>', 'JSON file of options; those on the command line win')
    .option('--resume <run>', 'continue a run from its latest checkpoint');
}

/** Adds `train` and, below it, one subcommand per model. */
export function addTrain(program: Command, context: CommandContext): void {
  const command = addRunOptions(program.command('train').enablePositionalOptions())
    .description('train a model, or continue a run with --resume')
    .argument('[model]', 'which model; see: ganvas models')
    .allowUnknownOption()
    .allowExcessArguments()
    .addHelpText('after', trainExamples);
  addSchemaOptions(command, trainingConfig);
  command.action(async (model: string | undefined, options: TrainOptions) => {
    // Unknown options are let through to here: a mistyped model must not be blamed on the options of the
    // right one.
    const stray = command.args.find((argument) => argument.startsWith('-'));
    if (stray !== undefined && (model === undefined || model === stray)) {
      command.error(`error: unknown option '${stray}' (the options of a model come after its name)`);
    }
    await train(context, model, options);
  });
  for (const { name, summary, schema } of Object.values(context.models)) {
    const subcommand = addRunOptions(command.command(name))
      .allowExcessArguments(false)
      .summary(summary)
      .description(`train ${name}: ${summary}`)
      .addHelpText(
        'after',
        `\nExamples:\n  $ ganvas train ${name} --data mnist\n  $ ganvas train ${name} --data ./photos --out runs/photos`,
      );
    addSchemaOptions(subcommand, schema);
    subcommand.action((options: TrainOptions) => train(context, name, { ...command.opts(), ...options }));
  }
}
