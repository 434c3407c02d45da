// The benchmark harness: systems under test run as worker processes that do a few steps on request, so they can
// alternate (A B C A B C …) within one run and the machine's drift hits all of them alike. Medians with min and max;
// ratios are taken round by round. It measures; it judges nothing. How to read the results: bench/README.md.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

export interface System {
  name: string;
  /** Program and arguments; undefined with a reason when the system is not installed. */
  command?: string[];
  env?: Record<string, string>;
  missing?: string;
}

export interface Reading {
  system: string;
  version?: string;
  missing?: string;
  /** Milliseconds of every counted step. */
  ms: number[];
  /** Median of each round, for ratios within a round. */
  rounds: number[];
  /** Peak resident memory, MiB. */
  rss?: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

interface Answer {
  version?: string;
  ms?: number[];
  rss?: number;
}

class Worker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #stderr = '';

  constructor(system: System) {
    const [program, ...args] = system.command!;
    this.#child = spawn(program, args, { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', ...system.env } });
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-2000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`the worker ended: ${this.#stderr.trim()}`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  run(steps: number): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ steps })}\n`);
    return this.next();
  }

  end(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }
}

/** Runs the systems in alternation: `warmup` steps each, then `rounds` rounds of `steps` steps. */
export async function compare(
  systems: System[],
  { warmup, rounds, steps }: { warmup: number; rounds: number; steps: number },
): Promise<Reading[]> {
  const readings: Reading[] = systems.map((s) => ({
    system: s.name,
    missing: s.missing,
    ms: [],
    rounds: [],
  }));
  const workers: (Worker | undefined)[] = [];
  for (const [i, system] of systems.entries()) {
    if (!system.command) continue;
    try {
      workers[i] = new Worker(system);
      readings[i].version = (await workers[i]!.next()).version;
      await workers[i]!.run(warmup);
    } catch (error) {
      readings[i].missing = (error as Error).message;
      workers[i]?.end();
      workers[i] = undefined;
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, worker] of workers.entries()) {
      if (!worker) continue;
      const { ms = [], rss } = await worker.run(steps);
      readings[i].ms.push(...ms);
      readings[i].rounds.push(median(ms));
      readings[i].rss = rss;
    }
  }
  for (const worker of workers) worker?.end();
  return readings;
}

/** PyTorch through GANVAS_PYTHON, in one memory format. */
export function torchSystem(name: string, worker: string, config: object): System {
  const python = process.env.GANVAS_PYTHON;
  if (!python) return { name, missing: 'set GANVAS_PYTHON to a Python that has PyTorch' };
  return { name, command: [python, join(here, 'peers', worker), JSON.stringify(config)] };
}

/** tfjs-node through GANVAS_PEERS, a folder whose node_modules holds it. */
export function tfjsSystem(name: string, worker: string, config: object): System {
  const peers = process.env.GANVAS_PEERS;
  if (!peers || !existsSync(join(peers, 'node_modules/@tensorflow/tfjs-node'))) {
    return { name, missing: 'set GANVAS_PEERS to a folder where @tensorflow/tfjs-node is installed' };
  }
  return { name, command: [process.execPath, join(here, 'peers', worker), JSON.stringify(config)] };
}

/** ganvas from dist/, as a user would run it. */
export function ganvasSystem(name: string, worker: string, config: object): System {
  return {
    name,
    command: [process.execPath, '--import', 'tsx', join(here, 'peers', worker), JSON.stringify(config)],
  };
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  node: string;
  date: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

const fixed = (v: number | undefined, digits = 1) =>
  v === undefined || Number.isNaN(v) ? '–' : v.toFixed(digits);

/** Markdown rows: median, range, memory, and how many times faster `reference` is, median of the per-round ratios. */
export function table(title: string, readings: Reading[], reference = readings[0]): string {
  const rows = readings.map((r) => {
    if (r.missing) return `| ${r.system} | missing: ${r.missing} | | | |`;
    const ratio = median(r.rounds.map((ms, i) => ms / reference.rounds[i]));
    const range = `${fixed(Math.min(...r.ms))}–${fixed(Math.max(...r.ms))}`;
    return `| ${r.system} | ${fixed(median(r.ms))} | ${range} | ${fixed(r.rss, 0)} | ${fixed(ratio, 2)} |`;
  });
  return [
    `### ${title}`,
    '',
    `| system | ms / step (median) | min–max | peak memory, MiB | time ÷ ${reference.system}'s |`,
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** Adds a result under `key` to a JSON file (made if missing) beside the machine it was measured on. */
export function record(file: string, key: string, value: unknown): void {
  mkdirSync(dirname(file), { recursive: true });
  const all = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  all.machine = machine();
  all[key] = value;
  writeFileSync(file, `${JSON.stringify(all, null, 1)}\n`);
}
