// Runs the command line as this process: its streams, its exit code, and whatever nobody caught.

import type { CommandContext } from './io.js';
import { reportError, runCommandLine } from './program.js';

/**
 * Runs `process.argv` and sets `process.exitCode`. A reader that goes away (`| head`) does not stop a
 * training run.
 */
export async function runAsProcess(
  parts: Omit<CommandContext, 'out' | 'err' | 'setExitCode'>,
): Promise<void> {
  const { stdout: out, stderr: err } = process;
  for (const stream of [out, err]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const crash = (error: unknown) => process.exit(reportError(error, err));
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  process.exitCode = await runCommandLine(process.argv.slice(2), { ...parts, out, err });
}
