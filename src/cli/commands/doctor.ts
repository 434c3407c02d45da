// `ganvas doctor`: what this machine and installation can do, and why not more. Meant to be pasted into a bug
// report.

import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';
import type { Command } from 'commander';
import { type CudaStatus, cudaProblem, cudaReport, cudaStatus } from '../../cuda.js';
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

function cudaRows(cuda: CudaStatus): [string, string][] {
  const { device, path } = cuda;
  if (!device) {
    return [
      ['cuda', `off: ${cudaProblem(cuda)}`],
      ['cuda tried', cudaReport(cuda)],
    ];
  }
  const { name, capability, memory, devices, driver, libraries, build } = device;
  const version = `${Math.floor(driver / 1000)}.${Math.floor((driver % 1000) / 10)}`;
  return [
    [
      'cuda',
      `${name}, compute capability ${capability}, ${(memory / 2 ** 30).toFixed(1)} GiB, 1 of ${devices}`,
    ],
    ['cuda plugin', `${path} (${build})`],
    ['cuda libraries', `driver for CUDA ${version}, ${libraries}`],
  ];
}

/** The report as rows of a name and a value, in the order they are printed. */
export function doctorReport(status: NativeStatus, cuda: CudaStatus): [string, string][] {
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
  const devices = [...(status.loaded ? ['cpu'] : []), ...(cuda.available ? ['cuda'] : [])];
  rows.push(['pictures', picturesReport()]);
  rows.push(['devices', devices.join(', ') || 'none']);
  rows.push(...cudaRows(cuda));
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
      const rows = doctorReport(status, cudaStatus());
      const width = Math.max(...rows.map(([name]) => name.length));
      for (const [name, value] of rows) {
        context.out.write(`${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}\n`);
      }
      if (!status.loaded) context.setExitCode(exitCodes.userError);
    });
}
