// `ganvas doctor`: what this machine and installation can do, and why not more. Meant to be pasted into a bug
// report.

import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';
import type { Command } from 'commander';
import { thisPlatform } from '../../load-addon.js';
import { type NativeStatus, nativeStatus } from '../../native.js';
import { version } from '../../version.js';
import { type CommandContext, exitCodes } from '../io.js';

function picturesReport(): string {
  try {
    createRequire(import.meta.url).resolve('sharp');
    return 'folders of images, resizing and GIFs through sharp';
  } catch {
    return 'PNGs only; for folders of images, resizing and GIFs: npm install sharp';
  }
}

/** The report as rows of a name and a value, in the order they are printed. */
export function doctorReport(status: NativeStatus): [string, string][] {
  const processors = cpus();
  const { name, libc, node } = thisPlatform();
  const rows: [string, string][] = [
    ['ganvas', version],
    ['node', `${node} (${[name, libc, `kernel ${release()}`].filter(Boolean).join(', ')})`],
    ['processor', `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown'}`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['addon', status.loaded ? `${status.path} (${status.origin})` : `not loaded: ${status.error}`],
  ];
  if (status.cpu) {
    const { target, targets, threads } = status.cpu;
    const slow = target === 'SCALAR' ? '; no vector instructions that ganvas knows, so it is slow' : '';
    rows.push(['cpu kernels', `${target} (this build and processor have: ${targets.join(', ')})${slow}`]);
    rows.push(['cpu threads', String(threads)]);
  }
  const devices = status.loaded ? ['cpu'] : [];
  rows.push(['pictures', picturesReport()]);
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
