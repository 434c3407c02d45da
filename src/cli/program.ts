// The command line as a function: arguments in, exit code out. Holds the error boundary: what a user caused
// is one sentence on stderr and exit code 2; a stack trace appears only with GANVAS_DEBUG=1.

import { Command, CommanderError } from 'commander';
import { GanvasError } from '../errors.js';
import { isModelFile, loadModel } from '../models/registry.js';
import { version } from '../version.js';
import { addArithmetic } from './commands/arithmetic.js';
import { addAttack } from './commands/attack.js';
import { addClassifier } from './commands/classifier.js';
import { addDoctor } from './commands/doctor.js';
import { addInterpolate } from './commands/interpolate.js';
import { addMix } from './commands/mix.js';
import { addModels } from './commands/models.js';
import { addProject } from './commands/project.js';
import { addSample } from './commands/sample.js';
import { addTrain } from './commands/train.js';
import { addTraverse } from './commands/traverse.js';
import { type CommandContext, exitCodes } from './io.js';

const examples = `
Examples:
  $ ganvas train dcgan --data mnist
  $ ganvas sample runs/dcgan-mnist-001 --n 64 --out grid.png
  $ ganvas interpolate runs/dcgan-mnist-001 --out morph.gif
  $ ganvas project runs/dcgan-mnist-001 digit.png
  $ ganvas classifier train --data mnist
  $ ganvas doctor

GANVAS_DEBUG=1 shows the stack trace of an error.`;

function buildProgram(context: CommandContext): Command {
  const program = new Command('ganvas')
    .description('Train and run generative adversarial networks.')
    .version(version)
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.out.write(text),
      writeErr: (text) => context.err.write(text),
      outputError: (text, write) =>
        write(
          `${text
            .replace(/^error: /, 'ganvas: ')
            .trim()
            .replaceAll('\n', ' ')}\n`,
        ),
    })
    .addHelpText('after', examples);
  const commands = [
    addTrain,
    addSample,
    addInterpolate,
    addArithmetic,
    addTraverse,
    addMix,
    addProject,
    addClassifier,
    addAttack,
    addModels,
    addDoctor,
  ];
  for (const add of commands) add(program, context);
  return program;
}

/** Says what went wrong, for people, and returns the exit code that goes with it. */
export function reportError(error: unknown, err: NodeJS.WritableStream): number {
  const expected = error instanceof GanvasError;
  const message = error instanceof Error ? error.message : String(error);
  err.write(`ganvas: ${expected ? '' : 'internal error: '}${message}\n`);
  if (process.env.GANVAS_DEBUG === '1') err.write(`${(error as Error)?.stack ?? error}\n`);
  else if (!expected) err.write('GANVAS_DEBUG=1 shows where; please report it\n');
  return expected && error.code !== 'ERR_INTERNAL' ? exitCodes.userError : exitCodes.internal;
}

/** The model of a file that is to be trained, so that its options are known as those of any other. */
async function modelOfFile([command, file]: readonly string[]): Promise<CommandContext['models']> {
  if (command !== 'train' || file === undefined || !isModelFile(file)) return {};
  return { [file]: { ...(await loadModel(file)), name: file } };
}

/**
 * Runs one command line.
 * @param argv the arguments after the program's name
 * @returns the exit code: 0, 2 for what the user can mend, 130 or 143 after a signal, 1 for a bug
 */
export async function runCommandLine(
  argv: readonly string[],
  context: Omit<CommandContext, 'setExitCode'>,
): Promise<number> {
  let exitCode: number = exitCodes.ok;
  let models: CommandContext['models'];
  try {
    models = { ...context.models, ...(await modelOfFile(argv)) };
  } catch (error) {
    return reportError(error, context.err);
  }
  const program = buildProgram({
    ...context,
    models,
    setExitCode(code) {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportError(error, context.err);
    // Commander has printed its message. Help and version end by this way too, with exit code 0.
    return error.exitCode === 0 ? exitCodes.ok : exitCodes.userError;
  }
}
