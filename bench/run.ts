// `npm run bench -- NAME`: finds the script NAME.bench.ts beside this file and runs it with the options that all share.

import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { printMachine } from './report.js';

export interface BenchOptions {
  /** Only the cases whose title contains this. */
  case?: string;
  rounds: number;
  /** Steps per round; each case has its own default. */
  steps?: number;
  json?: string;
}

/** What each NAME.bench.ts exports. */
export interface Bench {
  /** The question it answers, in one line. */
  question: string;
  run(options: BenchOptions): Promise<void>;
}

const here = dirname(fileURLToPath(import.meta.url));
const suffix = '.bench.ts';
const names = readdirSync(here)
  .filter((file) => file.endsWith(suffix))
  .map((file) => file.slice(0, -suffix.length));
const count = (text: string) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Error(`expected a whole number above 0, got ${text}`);
  return value;
};

const program = new Command('npm run bench --')
  .description(
    'Measures ganvas against its peers. Run on a quiet machine, one at a time; see bench/README.md.',
  )
  .showHelpAfterError();
for (const name of names) {
  const bench: Bench = await import(`./${name}${suffix}`);
  program
    .command(name, { isDefault: name === 'train' })
    .description(bench.question)
    .option('--case <text>', 'only cases whose title contains this')
    .option('--rounds <n>', 'rounds of alternation', count, 5)
    .option('--steps <n>', 'steps per round', count)
    .option('--json <file>', 'record the readings in this file')
    .action(async (options: BenchOptions) => {
      printMachine();
      await bench.run(options);
    });
}
await program.parseAsync();
