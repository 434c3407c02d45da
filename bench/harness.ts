// The benchmark harness: systems under test run as worker processes that do a few steps on request, so they can
// alternate (A B C A B C …) within one run and the machine's drift hits all of them alike. It knows neither the
// systems (peers.ts) nor what is printed (report.ts). How to read the results: bench/README.md.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { System } from './peers.js';
import { median } from './report.js';

export interface Reading {
  system: string;
  version?: string;
  /** Why there are no figures: not installed, or not able to do the work. */
  missing?: string;
  /** Milliseconds of every counted step. */
  ms: number[];
  /** Median of each round, for ratios within a round. */
  rounds: number[];
  /** Peak resident memory, MiB. */
  rss?: number;
  /** What else the worker reported. */
  extra?: Record<string, number>;
}

/** What a worker answers: first its version, then the result of each request for steps. */
interface Answer {
  version?: string;
  ms?: number[];
  rss?: number;
  extra?: Record<string, number>;
}

/** How a comparison is run. */
export interface Plan {
  /** Steps before counting starts. */
  warmup: number;
  rounds: number;
  /** Steps per round. */
  steps: number;
  /** Seconds that starting, or any one request, may take before a system is given up. Default 240. */
  patience?: number;
}

class Worker {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #patience: number;
  #stderr = '';

  constructor(system: System, patience: number) {
    const [program, ...args] = system.command!;
    this.#child = spawn(program, args, { env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '3', ...system.env } });
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-2000);
    });
    // A worker that died cannot be written to; the reader below says why.
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#patience = patience;
  }

  async answer(): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const give = () => reject(new Error(`given up: no answer within ${this.#patience} s`));
      timer = setTimeout(give, this.#patience * 1000);
    });
    try {
      return await Promise.race([this.#next(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #next(): Promise<Answer> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`cannot: ${reasonIn(this.#stderr)}`);
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  run(steps: number): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ steps })}\n`);
    return this.answer();
  }

  /** Lets a worker that is idle end by itself, and kills one that is not. */
  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3000);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
    clearTimeout(timer);
  }
}

/** The line of a stack trace that says what went wrong. */
function reasonIn(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const line = lines.findLast((text) => /Error\b.*:/.test(text)) ?? lines.at(-1) ?? '';
  return line.trim().replaceAll('|', '/').slice(0, 200);
}

/** Milliseconds from which on a system does one step per round, and one to warm up: minutes would tell no more. */
const slowStep = 2000;

/** Runs the systems in alternation: `warmup` steps each, then `rounds` rounds of `steps` steps. */
export async function compare(systems: System[], plan: Plan): Promise<Reading[]> {
  const { warmup, rounds, steps, patience = 240 } = plan;
  const readings = systems.map(
    ({ name, missing }): Reading => ({ system: name, missing, ms: [], rounds: [] }),
  );
  const workers: (Worker | undefined)[] = [];
  const slow: boolean[] = [];
  const giveUp = async (i: number, error: unknown) => {
    Object.assign(readings[i], { missing: (error as Error).message, ms: [], rounds: [] });
    await workers[i]?.end();
    workers[i] = undefined;
  };
  for (const [i, system] of systems.entries()) {
    if (!system.command) continue;
    try {
      workers[i] = new Worker(system, patience);
      readings[i].version = (await workers[i]!.answer()).version;
      const { ms = [] } = await workers[i]!.run(1);
      slow[i] = median(ms) > slowStep;
      if (warmup > 1 && !slow[i]) await workers[i]!.run(warmup - 1);
    } catch (error) {
      await giveUp(i, error);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const [i, worker] of workers.entries()) {
      if (!worker) continue;
      try {
        const { ms = [], rss, extra } = await worker.run(slow[i] ? 1 : steps);
        readings[i].ms.push(...ms);
        readings[i].rounds.push(median(ms));
        Object.assign(readings[i], { rss, extra });
      } catch (error) {
        await giveUp(i, error);
      }
    }
  }
  for (const worker of workers) await worker?.end();
  return readings;
}
