// `ganvas doctor`: what this machine and installation can do, and why not more. Meant to be pasted into a bug
// report.

import { cpus, release, totalmem } from 'node:os';
import type { Command } from 'commander';
import { type NativeStatus, nativeStatus } from '../../native.js';
import { type CommandContext, exitCodes } from '../io.js';

/** The report as rows of a name and a value, in the order they are printed. */
export function doctorReport(status: NativeStatus): [string, string][] {
  const processors = cpus();
  const rows: [string, string][] = [
    ['node', `${process.version} (${process.platform} ${process.arch}, kernel ${release()})`],
    ['processor', `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['addon', status.loaded ? (status.path ?? 'loaded') : `not loaded: ${status.error ?? 'no reason known'}`],
  ];
  if (status.cpu) {
    const { target, targets, threads } = status.cpu;
    rows.push(['cpu kernels', `${target} (this build and processor have: ${targets.join(', ')})`]);
    rows.push(['cpu threads', String(threads)]);
  }
  const devices = status.loaded ? ['cpu'] : [];
  rows.push(['devices', devices.join(', ') || 'none']);
  if (!status.cuda.available) rows.push(['cuda', `off: ${status.cuda.reason}`]);
  return rows;
}

export function addDoctor(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('show what this machine can run on, and why CUDA is off')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ganvas doctor\n  $ ganvas doctor > report.txt    # exits 2 when the addon does not load',
    )
    .action(() => {
      const status = nativeStatus();
      const rows = doctorReport(status);
      const width = Math.max(...rows.map(([name]) => name.length));
      for (const [name, value] of rows) {
        context.out.write(`${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}\n`);
      }
      if (!status.loaded) context.setExitCode(exitCodes.userError);
    });
}
