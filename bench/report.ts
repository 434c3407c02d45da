// What a benchmark prints and records: the machine, one table per case, a summary that a README can quote, and JSON.
// Medians with their range; ratios are taken round by round, then their median. It judges nothing.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { nativeStatus } from '../src/native.js';
import type { Reading } from './harness.js';

export interface Machine {
  cpu: string;
  /** Instruction sets that ganvas uses. */
  targets: string;
  cores: number;
  threads: number;
  memoryGiB: number;
  node: string;
  date: string;
}

export function machine(): Machine {
  const { cpu } = nativeStatus();
  return {
    cpu: cpus()[0].model,
    targets: cpu?.target ?? 'unknown',
    cores: cpus().length,
    threads: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

export function printMachine(): void {
  const m = machine();
  console.log(
    `${m.cpu} (${m.targets}), ${m.cores} cores, ${m.threads} threads, ${m.memoryGiB} GiB, Node ${m.node}, ${m.date}\n`,
  );
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export const fixed = (v: number | undefined, digits = 1): string =>
  v === undefined || Number.isNaN(v) ? '–' : v.toFixed(digits);

/** Digits enough to tell two times apart, whatever their size. */
export const time = (ms: number): string => fixed(ms, ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0);

/** How many times longer than `reference` it took, as the median of the rounds' ratios. */
export function ratio(reading: Reading, reference: Reading): number {
  return median(reading.rounds.map((ms, i) => ms / reference.rounds[i]));
}

/** Markdown: the columns' titles, then the rows. */
export function markdown(columns: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(line), ''].join('\n');
}

/** One case: median, range, memory, and how much longer than the first system each of the others took. */
export function caseTable(title: string, readings: Reading[], unit = 'step'): string {
  const [reference] = readings;
  const rows = readings.map((r) => {
    if (r.missing) return [r.system, r.missing, '', '', ''];
    const range = `${time(Math.min(...r.ms))}–${time(Math.max(...r.ms))}`;
    return [
      `${r.system}${r.version ? ` (${r.version})` : ''}`,
      time(median(r.ms)),
      range,
      fixed(r.rss, 0),
      reference.missing ? '–' : fixed(ratio(r, reference), 2),
    ];
  });
  const columns = [
    'system',
    `ms / ${unit} (median)`,
    'min–max',
    'peak memory, MiB',
    `time ÷ ${reference.system}'s`,
  ];
  return `### ${title}\n\n${markdown(columns, rows)}`;
}

/** The fastest of the systems whose name begins with `prefix`. */
export function best(readings: Reading[], prefix: string): Reading | undefined {
  const found = readings.filter((r) => r.system.startsWith(prefix) && !r.missing);
  return found.sort((a, b) => median(a.ms) - median(b.ms))[0];
}

/** Adds a result under `key` to a JSON file (made if missing) beside the machine it was measured on. */
export function record(file: string | undefined, key: string, value: unknown): void {
  if (!file) return;
  mkdirSync(dirname(file), { recursive: true });
  const all = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  all.machine = machine();
  all[key] = value;
  writeFileSync(file, `${JSON.stringify(all, null, 1)}\n`);
}
